"""A small analysis: a control region and two signal regions that share some of their events."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.sharing.workspaces import Spec, workspace

EDGES = {
    "CR": np.linspace(-2.5, 2.5, 7),
    "SR1": np.linspace(-2.5, 2.5, 11),
    "SR2": np.linspace(-2.5, 2.5, 11),
}
SIZES = tuple((name, len(edges) - 1) for name, edges in EDGES.items())
FIRST = dict(zip(EDGES, (0, 6, 16), strict=True))

Bins = NDArray[np.int_]
Columns = dict[str, NDArray[Any]]


class Process(NamedTuple):
    """Expected events, part in the signal regions, means of the two observables and their width."""

    events: float
    inside: float
    means: tuple[float, float]
    width: float


PROCESSES = {
    "bkg": Process(2400.0, 0.55, (-0.5, -0.4), 1.1),
    "fakes": Process(700.0, 0.35, (0.3, -0.8), 1.4),
    "sig": Process(1500.0, 0.85, (0.6, 0.7), 0.8),
}
ONE, BOTH = 0.35, 0.30  # parts of the events inside: in one signal region alone, in both


def generate(process: Process, events: int, rng: np.random.Generator, rho: float) -> Columns:
    """Events with both observables, and the regions they are in.

    Args:
        process: Of the events.
        events: How many.
        rng: Random numbers.
        rho: Correlation of the observables.
    """
    inside = rng.random(events) < process.inside
    kind = rng.random(events)
    first, other = rng.standard_normal((2, events))
    second = rho * first + np.sqrt(1.0 - rho**2) * other
    return {
        "x": process.means[0] + process.width * first,
        "y": process.means[1] + process.width * second,
        "in_CR": ~inside,
        "in_SR1": inside & (kind < ONE + BOTH),
        "in_SR2": inside & (kind >= ONE),
    }


def bins_of(events: Columns, scale: float = 0.0) -> Bins:
    """Bins that events fill, one column a region; -1 outside of it.

    Args:
        events: From `generate`.
        scale: Of the energy, in standard deviations.
    """
    columns = []
    for region, edges in EDGES.items():
        value = events["y" if region == "SR2" else "x"] * (1.0 + 0.05 * scale) + 0.1 * scale
        place = np.clip(np.searchsorted(edges, value, side="right") - 1, 0, len(edges) - 2)
        columns.append(np.where(events[f"in_{region}"], place + FIRST[region], -1))
    return np.stack(columns, axis=1)


class Analysis(NamedTuple):
    """A workspace and the simulated events that it is made of.

    Attributes:
        spec: The workspace; observed is what is expected, in whole numbers.
        bins: Of the events of each sample.
        weights: Of these events.
        events: The events themselves.
    """

    spec: Spec
    bins: dict[str, Bins]
    weights: dict[str, NDArray[np.float64]]
    events: dict[str, Columns]

    def with_data(self, bins: Bins) -> Spec:
        """The workspace with other observations.

        Args:
            bins: Of the events of the data.
        """
        counts = np.bincount(bins[bins >= 0], minlength=26)
        observations = [
            {"name": name, "data": counts[FIRST[name] : FIRST[name] + size].tolist()}
            for name, size in SIZES
        ]
        return {**self.spec, "observations": observations}


def analysis(
    simulated: int = 20_000, *, rho: float = 0.6, scale: float = 1.0, seed: int = 1
) -> Analysis:
    """The analysis.

    Args:
        simulated: Events of each process.
        rho: Correlation of the observables of the signal regions.
        scale: Of all rates.
        seed: Of the events.
    """
    rng = np.random.default_rng(seed)
    events = {name: generate(p, simulated, rng, rho) for name, p in PROCESSES.items()}
    bins = {name: bins_of(each) for name, each in events.items()}
    weights = {
        name: np.full(simulated, scale * p.events / simulated) for name, p in PROCESSES.items()
    }
    channels: list[Spec] = []
    for region in EDGES:
        samples = []
        for name in PROCESSES:
            nominal, squares = (
                _histogram(bins[name], w, region) for w in (weights[name], weights[name] ** 2)
            )
            up, down = (
                _histogram(bins_of(events[name], side), weights[name], region)
                for side in (1.0, -1.0)
            )
            samples.append(
                {
                    "name": name,
                    "data": nominal.tolist(),
                    "modifiers": [
                        {
                            "name": f"staterror_{region}",
                            "type": "staterror",
                            "data": np.sqrt(squares).tolist(),
                        },
                        *_modifiers(name, region, nominal, up, down),
                    ],
                }
            )
        channels.append({"name": region, "samples": samples})
    observations = [
        {
            "name": channel["name"],
            "data": np.round(np.sum([s["data"] for s in channel["samples"]], axis=0)).tolist(),
        }
        for channel in channels
    ]
    lumi = {
        "name": "lumi",
        "auxdata": [1.0],
        "sigmas": [0.02],
        "bounds": [[0.5, 1.5]],
        "inits": [1.0],
    }
    return Analysis(workspace(channels, observations, lumi), bins, weights, events)


def _histogram(bins: Bins, weights: NDArray[np.float64], region: str) -> NDArray[np.float64]:
    column = bins[:, list(EDGES).index(region)]
    inside = column >= 0
    size = len(EDGES[region]) - 1
    place = column[inside] - FIRST[region]
    return np.bincount(place, weights=weights[inside], minlength=size).astype(np.float64)


def _modifiers(
    name: str,
    region: str,
    nominal: NDArray[np.float64],
    up: NDArray[np.float64],
    down: NDArray[np.float64],
) -> list[Mapping[str, Any]]:
    sides = {"hi_data": up.tolist(), "lo_data": down.tolist()}
    found: list[Mapping[str, Any]] = []
    if name in ("sig", "fakes"):
        found.append({"name": "lumi", "type": "lumi", "data": None})
    if name in ("sig", "bkg"):
        found.append({"name": "JES", "type": "histosys", "data": sides})
    if name == "sig":
        found.append({"name": "mu", "type": "normfactor", "data": None})
        found.append({"name": "eff", "type": "normsys", "data": {"hi": 1.04, "lo": 0.96}})
    if name == "bkg":
        found.append({"name": "k_bkg", "type": "normfactor", "data": None})
    if name == "fakes":
        found.append({"name": "rate", "type": "normsys", "data": {"hi": 1.25, "lo": 0.8}})
        if region == "CR":
            shape = (0.15 * nominal).tolist()
            found.append({"name": "shape", "type": "shapesys", "data": shape})
    return found
