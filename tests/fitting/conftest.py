"""Workspaces that have everything HistFactory has."""

from typing import Any

import numpy as np
import pyhf
import pytest


def _channel(name: str, rng: np.random.Generator, bins: int, modifiers: int) -> dict[str, Any]:
    """Signal and background with every modifier type; systematics `syst0`, `syst1`, ..."""
    background = rng.uniform(60, 120, bins)
    signal = 30 * np.exp(-0.5 * ((np.arange(bins) - bins / 2) / 1.5) ** 2)
    tilt = np.linspace(-0.08, 0.08, bins)
    systematics: list[dict[str, Any]] = []
    for k in range(modifiers):
        shift = 0.04 * rng.standard_normal()
        if k % 2:
            data: Any = {"hi": 1 + shift, "lo": 1 - 0.9 * shift}
            systematics.append({"name": f"syst{k}", "type": "normsys", "data": data})
        else:
            up, down = 1 + shift * tilt / 0.08, 1 - 1.1 * shift * tilt / 0.08
            data = {"hi_data": list(background * up), "lo_data": list(background * down)}
            systematics.append({"name": f"syst{k}", "type": "histosys", "data": data})
    return {
        "name": name,
        "samples": [
            {
                "name": "signal",
                "data": list(signal),
                "modifiers": [
                    {"name": "mu", "type": "normfactor", "data": None},
                    {"name": "lumi", "type": "lumi", "data": None},
                    {"name": "syst1", "type": "normsys", "data": {"hi": 1.03, "lo": 0.98}},
                ],
            },
            {
                "name": "background",
                "data": list(background),
                "modifiers": [
                    *systematics,
                    {
                        "name": f"staterror_{name}",
                        "type": "staterror",
                        "data": list(0.05 * background),
                    },
                ],
            },
            {
                "name": "other",
                "data": list(0.3 * background),
                "modifiers": [
                    {"name": "lumi", "type": "lumi", "data": None},
                    {
                        "name": f"uncorrelated_{name}",
                        "type": "shapesys",
                        "data": list(0.03 * background),
                    },
                ],
            },
        ],
    }


def _workspace(channels: int, bins: int, modifiers: int) -> pyhf.Workspace:
    rng = np.random.default_rng(12)
    spec = [_channel(f"SR{i}", rng, bins, modifiers) for i in range(channels)]
    spec.append(
        {
            "name": "CR",
            "samples": [
                {
                    "name": "free",
                    "data": [80.0, 90.0],
                    "modifiers": [{"name": "shape", "type": "shapefactor", "data": None}],
                }
            ],
        }
    )
    observations = [
        {
            "name": channel["name"],
            "data": [
                float(n)
                for n in rng.poisson(np.sum([s["data"] for s in channel["samples"]], axis=0))
            ],
        }
        for channel in spec
    ]
    lumi = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.02], "bounds": [[0.5, 1.5]],
            "inits": [1.0]}  # fmt: skip
    config = {"poi": "mu", "parameters": [lumi]}
    return pyhf.Workspace(
        {
            "channels": spec,
            "observations": observations,
            "measurements": [{"name": "meas", "config": config}],
            "version": "1.0.0",
        }
    )


@pytest.fixture(scope="session")
def seven() -> pyhf.Workspace:
    """All seven modifier types, two signal channels and a control channel."""
    return _workspace(channels=2, bins=5, modifiers=4)


@pytest.fixture(scope="session")
def small() -> pyhf.Workspace:
    """The same with few bins and systematics: quick to compile."""
    return _workspace(channels=1, bins=3, modifiers=2)


@pytest.fixture(scope="session")
def large() -> pyhf.Workspace:
    """The same with more than 60 parameters."""
    return _workspace(channels=3, bins=8, modifiers=20)
