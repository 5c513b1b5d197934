"""Event samples whose dependence is known, and audits of them that many tests look at."""

import copy
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

from pullfactory import AuditResult, audit

Table = dict[str, NDArray[Any]]
Tables = dict[str, Table]

WORKERS = min(2, os.cpu_count() or 1)

# --- a known mixture ------------------------------------------------------------------------------

MIXTURE_EVENTS, FEW_EVENTS = 200_000, 4_000
SIGNAL, BACKGROUND = 750.0, 250.0  # expected in the data
CORRELATION = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.0], [0.2, 0.0, 1.0]])
CENTRE, WIDTH = np.array([170.0, 80.0, 1.2]), np.array([10.0, 7.0, 0.1])
CLASSES = np.array([0.4, -0.3, 0.2])  # distance of the two processes, in widths
PROPOSED = 1.3  # events are drawn uncorrelated and so much wider; the weights make the mixture


def _process(rng: np.random.Generator, events: int, *, background: bool) -> Table:
    """Weighted events of one process; both together have `CORRELATION` exactly.

    The covariance of a mixture is that within the classes and that between their means.
    """
    part = BACKGROUND / (SIGNAL + BACKGROUND)
    within = CORRELATION - part * (1 - part) * np.outer(CLASSES, CLASSES)
    mean = CLASSES * ((1 - part) if background else -part)
    u = PROPOSED * rng.standard_normal((events, 3)) + mean
    wanted = multivariate_normal(mean, within).pdf(u)
    weights = wanted / multivariate_normal(mean, PROPOSED**2 * np.eye(3)).pdf(u)
    x, y, z = (CENTRE + WIDTH * u).T
    return {"x": x, "y": y, "z1": 0.4 * z, "z2": 0.6 * z, "w": weights}


def _moved(table: Table, m: float, jes: float) -> Table:
    moved = dict(table)
    moved["x"] = table["x"] + 1.0 * m + 0.5 * jes
    moved["y"] = 80.0 + (table["y"] - 80.0) * (1 + 0.03 * jes) + 0.4 * jes + 0.2 * m
    return moved


def _mixture(events: int) -> Tables:
    """Samples by role: independent ones for `m`, the same events in another order for `jes`."""
    rng = np.random.default_rng(20240912)
    tables: Tables = {"nominal": _process(rng, events, background=False)}
    tables["nominal"]["event"] = rng.permutation(events)
    for side, step in (("up", 1.0), ("down", -1.0)):
        tables[f"m.{side}"] = _moved(_process(rng, events, background=False), step, 0.0)
        tables[f"m.{side}"]["event"] = np.arange(events)
        order = rng.permutation(events)
        moved = _moved(tables["nominal"], 0.0, step)
        tables[f"jes.{side}"] = {name: column[order] for name, column in moved.items()}
    tables["background.bkg"] = _process(rng, events, background=True)
    tables["background.bkg"]["event"] = np.arange(events)
    return tables


@pytest.fixture(scope="session")
def mixture() -> Tables:
    return _mixture(MIXTURE_EVENTS)


@pytest.fixture(scope="session")
def few() -> Tables:
    """A small mixture."""
    return _mixture(FEW_EVENTS)


MIXTURE: dict[str, Any] = {
    "name": "mixture",
    "seed": 7,
    "poi": "m",
    "weight": "w",
    "identifier": ["event"],
    "parameter": [
        {"name": "m", "constraint": "free", "unit": "GeV"},
        {"name": "jes"},
        {"name": "tune"},
    ],
    "observable": [
        {"name": "x", "unit": "GeV", "density": "normal"},
        {"name": "y", "unit": "GeV", "density": "normal"},
        {"name": "z", "expression": "z1 + z2"},
    ],
    "toys": {"n_toys": 700},
    "samples": {
        "nominal": {"events": SIGNAL},
        "m": {"up": {}, "down": {}},
        "jes": {"up": {}, "down": {}},
        "tune": {
            "up": {"columns": {"z1": "z1 * 1.01", "z2": "z2 * 1.01"}},
            "down": {"columns": {"z1": "z1 * 0.99", "z2": "z2 * 0.99"}},
        },
        "background": {
            "bkg": {
                "events": BACKGROUND,
                "norm": 0.1,
                "jes": {
                    "up": {"observables": {"x": "x + 0.5", "y": "80 + (y - 80) * 1.03 + 0.4"}},
                    "down": {"observables": {"x": "x - 0.5", "y": "80 + (y - 80) * 0.97 - 0.4"}},
                },
            }
        },
    },
}


def fed(config: Mapping[str, Any], ending: str | None) -> dict[str, Any]:
    """The mixture's configuration with events in files of this ending, or in memory."""
    result = copy.deepcopy(dict(config))
    samples = result["samples"]
    for role, table in {
        "nominal": samples["nominal"],
        **{f"{p}.{s}": samples[p][s] for p in ("m", "jes") for s in ("up", "down")},
        "background.bkg": samples["background"]["bkg"],
    }.items():
        table |= {"in_memory": True} if ending is None else {"files": [f"{role}{ending}"]}
    return result


Fed = Callable[[str | None], dict[str, Any]]


@pytest.fixture(scope="session")
def mixture_config() -> Fed:
    """The configuration of the mixture, by the ending of its files."""
    return lambda ending: fed(MIXTURE, ending)


@pytest.fixture(scope="session")
def mixture_files(mixture: Tables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mixture as ROOT files."""
    folder = tmp_path_factory.mktemp("mixture")
    for role, table in mixture.items():
        with uproot.recreate(folder / f"{role}.root", compression=None) as file:
            file.mktree("events", {name: column.dtype for name, column in table.items()})
            file["events"].extend(table)
    return folder


@pytest.fixture(scope="session")
def mixture_audit(mixture_files: Path, mixture_config: Fed) -> AuditResult:
    """The audit of the ROOT files, with toys."""
    return audit(mixture_config(".root"), base=mixture_files, workers=WORKERS)


# --- two normal observables with one shared location ----------------------------------------------

SLOPES = {"x": 0.2, "y": 0.1}  # shift by one unit of t, in widths of the observables
LOCATION: dict[str, Any] = {
    "name": "location",
    "seed": 11,
    "poi": "t",
    "optimal": False,  # tests of their own
    "parameter": [{"name": "t", "constraint": "free"}],
    "observable": [{"name": "x", "density": "normal"}, {"name": "y", "density": "normal"}],
    "toys": {"n_toys": 0},
    "samples": {
        "nominal": {"in_memory": True, "events": 1000.0},
        "t": {
            "up": {"observables": {"x": "x + 2", "y": "y + 0.5"}},
            "down": {"observables": {"x": "x - 2", "y": "y - 0.5"}},
        },
    },
}


def normal_pair(events: int, rho: float, seed: int) -> Table:
    """Two normal observables with this correlation."""
    rng = np.random.default_rng(seed)
    u, v = rng.standard_normal((2, events))
    return {"x": 100 + 10 * u, "y": 50 + 5 * (rho * u + np.sqrt(1 - rho**2) * v)}


@pytest.fixture
def location() -> dict[str, Any]:
    """The configuration of `pair`: a free location that both observables share."""
    return copy.deepcopy(LOCATION)


@pytest.fixture(scope="session")
def pair() -> Callable[[int, float, int], Table]:
    """Events of two normal observables, from their number, correlation and a seed."""
    return normal_pair
