"""Events from files into histograms, against uproot and boost-histogram alone."""

import itertools
import os
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import boost_histogram as bh
import numpy as np
import uproot

from benchmarks.measure import Settings, Task, in_fresh_process, ratio, take_turns
from benchmarks.memory import peak
from benchmarks.rows import Row, duration
from pullfactory.auditing import read_events
from pullfactory.settings.audit import AuditConfig

_OBSERVABLES = tuple(f"x{i}" for i in range(5))
_EDGES = np.linspace(-2.5, 2.5, 21)
_FILL = 10**6  # events written at once
_COPIES = 10  # of the file, for the large sample
_SMALL = 10_000


def measure(settings: Settings) -> list[Row]:
    events = settings.size(10**7, 10**5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder / "large.root", events)
        _write(folder / "small.root", _SMALL)
        tasks: dict[str, Task] = {
            "floor": partial(_floor, folder),
            "reading": partial(_reading, folder),
            "given": partial(_ours, folder, edges=True, joint=0),
            "equal": partial(_ours, folder, edges=False, joint=0),
            "joint": partial(_ours, folder, edges=False, joint=2),
        }
        times = take_turns(tasks, settings.rounds)
        twice = [a + b for a, b in zip(times["floor"], times["reading"], strict=True)]
        rows = [
            _row("given edges, one pass", events, times["given"], times["floor"], 1.5),
            _row("equal population, two passes", events, times["equal"], twice, 1.5),
            _row("the same with joint bins", events, times["joint"], twice, None),
        ]
        # A child starts with the peak of its parent: this one has read nothing.
        largest = in_fresh_process(_peak, name, _COPIES)
    total = _COPIES * events
    return [
        *rows,
        Row(
            what=f"pullfactory audit, {total:.0e} events: peak memory",
            value=largest,
            unit="MB",
            at_most=2000,
            detail="equal population, 1D and all pairs, prediction and figures, no toys",
        ),
    ]


def _row(
    what: str, events: int, ours: list[float], floor: list[float], target: float | None
) -> Row:
    each = f"{duration(median(ours))} and {duration(median(floor))}"
    return Row(
        what=f"{events:.0e} events, 5 observables, {what}: read_events / uproot and filling",
        value=ratio(ours, floor),
        at_most=target,
        detail=each,
    )


def _write(path: Path, events: int) -> None:
    rng = np.random.default_rng(1)
    with uproot.recreate(path, compression=uproot.LZ4(1)) as file:
        tree = file.mktree("events", dict.fromkeys(_OBSERVABLES, np.float32))
        for first in range(0, events, _FILL):
            z = rng.standard_normal((5, min(_FILL, events - first)), dtype=np.float32)
            z[1:] += 0.5 * z[0]
            tree.extend(dict(zip(_OBSERVABLES, z, strict=True)))


def _read(folder: Path) -> Any:
    return uproot.iterate(f"{folder}/large.root:events", step_size=2**18, library="np")


def _reading(folder: Path) -> None:
    for _ in _read(folder):
        pass


def _floor(folder: Path) -> None:
    """What one would write: every histogram filled with every chunk, variances kept."""
    axis = bh.axis.Variable(_EDGES)
    weighted = bh.storage.Weight
    alone = [bh.Histogram(axis, storage=weighted()) for _ in _OBSERVABLES]
    pairs = list(itertools.combinations(range(len(_OBSERVABLES)), 2))
    both = [bh.Histogram(axis, axis, storage=weighted()) for _ in pairs]
    for chunk in _read(folder):
        columns = [chunk[name] for name in _OBSERVABLES]
        for histogram, column in zip(alone, columns, strict=True):
            histogram.fill(column)
        for histogram, (i, j) in zip(both, pairs, strict=True):
            histogram.fill(columns[i], columns[j])


def _ours(folder: Path, *, edges: bool, joint: int) -> None:
    read_events(AuditConfig.from_dict(_config(edges, joint, ["large.root"])), base=folder)


def _config(edges: bool, joint: int, files: list[str]) -> dict[str, Any]:
    bins = {"edges": _EDGES.tolist(), "open_ends": True} if edges else {"n_bins": 20}
    small = {"files": "small.root"}
    moved = {**small, "observables": {name: f"{name} + 0.1" for name in _OBSERVABLES}}
    return {
        "name": "benchmark",
        "poi": "shift",
        "joint": {"n_bins": joint},
        "toys": {"n_toys": 0},
        "parameter": [{"name": "shift", "constraint": "free"}],
        "observable": [{"name": name, **bins} for name in _OBSERVABLES],
        "samples": {"nominal": {"files": files}, "shift": {"up": moved, "down": small}},
    }


def _peak(folder: str, copies: int) -> float:
    """Peak memory of an audit of a file and its copies, in MB."""
    names = [f"large_{i}.root" for i in range(copies)]
    for name in names:
        os.link(Path(folder, "large.root"), Path(folder, name))
    config = AuditConfig.from_dict(_config(False, 0, names))
    path = Path(folder, "audit.toml")
    path.write_text(config.to_toml(), encoding="utf-8")
    return peak(("audit", str(path)))
