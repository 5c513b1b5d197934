"""Models that the package does not come with: a large workspace, Voigt studies."""

from typing import Any

import numpy as np
import pyhf

from pullfactory import Calibration, Study, calibrate

_VOIGT = {"m_t": 0.07, "m_W": 0.15}  # half natural widths of top quark and W in detector widths


def study(voigt: tuple[str, ...] = (), **ensemble: object) -> Study:
    """The default study, with Voigt densities for some observables."""
    settings = {f"ensemble.{key}": value for key, value in ensemble.items()}
    for name in voigt:
        settings[f"observable.{name}.density"] = "voigt"
        settings[f"observable.{name}.shape"] = {"gamma": _VOIGT[name]}
    if voigt:
        settings["ensemble.dependence"] = "gaussian_copula"
    return Study.preset("poster").with_settings({"calibration.source": "exact", **settings})


def calibrated(voigt: tuple[str, ...] = (), **ensemble: object) -> Calibration:
    """The exact calibration of `study`, which is under `.study`."""
    return calibrate(study(voigt, **ensemble))


def large_workspace(systematics: int, *, channels: int = 3, bins: int = 8) -> pyhf.Workspace:
    """Signal and background, every second systematic a shape: 2 + systematics parameters.

    Each bin adds a staterror and a shapesys parameter.
    """
    rng = np.random.default_rng(12)
    spec = [_channel(f"SR{i}", rng, bins, systematics) for i in range(channels)]
    observed = [np.sum([s["data"] for s in channel["samples"]], axis=0) for channel in spec]
    lumi = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.02]}
    lumi |= {"bounds": [[0.5, 1.5]], "inits": [1.0]}
    return pyhf.Workspace(
        {
            "channels": spec,
            "observations": [
                {"name": channel["name"], "data": [float(n) for n in rng.poisson(counts)]}
                for channel, counts in zip(spec, observed, strict=True)
            ],
            "measurements": [
                {"name": "measurement", "config": {"poi": "mu", "parameters": [lumi]}}
            ],
            "version": "1.0.0",
        }
    )


def _channel(name: str, rng: np.random.Generator, bins: int, systematics: int) -> dict[str, Any]:
    signal = 30 * np.exp(-0.5 * ((np.arange(bins) - bins / 2) / 1.5) ** 2)
    background = rng.uniform(60, 120, bins)
    lumi = _modifier("lumi", "lumi", None)
    varied = [_systematic(k, 0.04 * rng.standard_normal(), background) for k in range(systematics)]
    statistics = _modifier(f"staterror_{name}", "staterror", list(0.05 * background))
    uncorrelated = _modifier(f"uncorrelated_{name}", "shapesys", list(0.03 * background))
    samples = {
        "signal": (signal, [_modifier("mu", "normfactor", None), lumi]),
        "background": (background, [*varied, statistics]),
        "other": (0.3 * background, [lumi, uncorrelated]),
    }
    return {
        "name": name,
        "samples": [
            {"name": sample, "data": list(data), "modifiers": modifiers}
            for sample, (data, modifiers) in samples.items()
        ],
    }


def _systematic(k: int, shift: float, nominal: np.ndarray[Any, Any]) -> dict[str, Any]:
    if k % 2:
        return _modifier(f"syst{k}", "normsys", {"hi": 1 + shift, "lo": 1 - 0.9 * shift})
    tilt = shift * np.linspace(-1, 1, len(nominal))
    templates = {
        "hi_data": list(nominal * (1 + tilt)),
        "lo_data": list(nominal * (1 - 1.1 * tilt)),
    }
    return _modifier(f"syst{k}", "histosys", templates)


def _modifier(name: str, kind: str, data: object) -> dict[str, Any]:
    return {"name": name, "type": kind, "data": data}


def gamma_workspace(channels: int, bins: int) -> pyhf.Workspace:
    """Signal and background, whose every bin is free within its shapesys: 1 + bins parameters."""
    rng = np.random.default_rng(7)
    spec = []
    for k in range(channels):
        background = rng.uniform(50, 150, bins)
        uncertainty = _modifier(f"shapesys_{k}", "shapesys", list(0.1 * background))
        spec.append(
            {
                "name": f"channel_{k}",
                "samples": [
                    {
                        "name": "signal",
                        "data": list(rng.uniform(5, 15, bins)),
                        "modifiers": [_modifier("mu", "normfactor", None)],
                    },
                    {"name": "background", "data": list(background), "modifiers": [uncertainty]},
                ],
            }
        )
    return _workspace(spec)


def shape_workspace(
    bins: int, normalisations: int, shapes: int, *, channels: int = 1, gammas: bool = False
) -> pyhf.Workspace:
    """Four samples: 1 + normalisations + shapes parameters, and a staterror one a bin if asked."""
    return _workspace(
        [
            _varied(f"channel_{c}", bins, normalisations, shapes, phase=c, gammas=gammas)
            for c in range(channels)
        ]
    )


def _varied(
    name: str, bins: int, normalisations: int, shapes: int, *, phase: int, gammas: bool
) -> dict[str, Any]:
    x = np.linspace(0, 1, bins)
    samples = []
    for s in range(4):
        peak = 300 * np.exp(-0.5 * ((x - 0.5) / 0.1) ** 2) + 5
        nominal = 1000 * np.exp(-x * (s + 0.5)) if s else peak
        modifiers = [_modifier("mu", "normfactor", None)] if s == 0 else []
        for k in range(normalisations):
            if k % 4 == s or k % 7 == 0:
                size = 0.03 * (1 + k % 3)
                modifiers.append(_modifier(f"n{k}", "normsys", {"hi": 1 + size, "lo": 1 - size}))
        for k in range(shapes):
            if k % 4 == s or k % 5 == 0:
                wave = 0.02 * np.sin(2 * np.pi * (k % 9 + 1) * x + k + phase)
                templates = {
                    "hi_data": list(nominal * (1 + wave)),
                    "lo_data": list(nominal * (1 - 0.9 * wave)),
                }
                modifiers.append(_modifier(f"h{k}", "histosys", templates))
        if gammas:
            modifiers.append(_modifier(f"staterror_{name}", "staterror", list(0.03 * nominal)))
        samples.append({"name": f"sample_{s}", "data": list(nominal), "modifiers": modifiers})
    return {"name": name, "samples": samples}


def _workspace(channels: list[dict[str, Any]]) -> pyhf.Workspace:
    observed = [
        np.sum([sample["data"] for sample in channel["samples"]], axis=0) for channel in channels
    ]
    return pyhf.Workspace(
        {
            "channels": channels,
            "observations": [
                {"name": channel["name"], "data": list(np.round(counts))}
                for channel, counts in zip(channels, observed, strict=True)
            ],
            "measurements": [{"name": "measurement", "config": {"poi": "mu", "parameters": []}}],
            "version": "1.0.0",
        }
    )
