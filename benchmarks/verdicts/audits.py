"""Audits of new samples of a line, through `pullfactory.audit`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.verdicts.fits import Fit
from benchmarks.verdicts.lines import Knob, Line, N
from benchmarks.verdicts.unbinned import DensityFit
from benchmarks.verdicts.world import (
    draw,
    draw_other,
    expression,
    fixed_edges,
    signal_events,
)
from pullfactory import audit

_Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audited:
    """What an audit said of the mass.

    Attributes:
        row: Of the mass, as in `audit.json`.
        fit: As it was built.
    """

    row: dict[str, Any]
    fit: Fit | DensityFit


def audited(line: Line, rng: np.random.Generator) -> Audited:
    """An audit of new samples.

    Args:
        line: Kind of the audit.
        rng: Draws the samples.
    """
    tables = tables_of(line, rng)
    result = audit(config_of(line), tables, workers=1)
    method = "unbinned" if line.unbinned else "binned"
    rows = [row.to_dict() for row in result.rows if (row.method, row.parameter) == (method, "m")]
    edges = [axis.edges for axis in result.axes]
    fit = DensityFit.of(line, tables) if line.unbinned else Fit.of(line, result.workspace, edges)
    row = rows[0] if rows else dict.fromkeys(result.rows[0].to_dict())
    if result.withheld or not rows:  # by the gate, or as a density is refused
        row |= {"answer": "cannot", "correlation": "unknown"}
    return Audited(row=row, fit=fit)


def tables_of(line: Line, rng: np.random.Generator) -> dict[str, _Columns]:
    """New samples, by role.

    Args:
        line: Kind of the audit.
        rng: Draws them.
    """
    found = {"nominal": _sample(line, rng, line.events, {})}
    for knob in line.knobs:
        for side in knob.sides if knob.events else ():
            at = knob.step if side == "up" else -knob.step
            found[f"{knob.name}.{side}"] = _sample(line, rng, knob.events, {knob.name: at})
    if line.background:
        own = draw_other(line, rng, line.events)
        found["background.q"] = dict(zip(line.names, own, strict=True)) | _weights(
            line, rng, line.events
        )
    return found


def _sample(line: Line, rng: np.random.Generator, events: int, theta: dict[str, float]) -> _Columns:
    values, peak = draw(line, rng, events, theta)
    columns = dict(zip(line.names, values, strict=True))
    return columns | {"peak": peak.astype(np.float64)} | _weights(line, rng, events)


def _weights(line: Line, rng: np.random.Generator, events: int) -> _Columns:
    return {"w": np.exp(line.weights * rng.standard_normal(events))} if line.weights else {}


def config_of(line: Line) -> dict[str, Any]:
    """The configuration of an audit.

    Args:
        line: Kind of the audit.
    """
    samples: dict[str, Any] = {
        "nominal": {"in_memory": True, "events": signal_events(line) * line.yields}
    }
    for knob in line.knobs:
        samples[knob.name] = {side: _side(line, knob, side) for side in knob.sides}
    if line.background:
        own = {"in_memory": True, "events": N * line.background, "norm": "free"}
        samples["background"] = {"q": own}
    edges = fixed_edges(line) if line.edges == "fixed" else [None] * line.observables
    return {
        "name": "verdict",
        "poi": "m",
        "optimal": False,  # says nothing of the verdict
        "n_events_law": "poisson" if line.poisson else "fixed",
        "weight": "w" if line.weights else "",
        "parameter": [_parameter(line, knob) for knob in line.knobs],
        "observable": [
            _observable(line, name, own) for name, own in zip(line.names, edges, strict=True)
        ],
        "workspace": {"smooth": line.smooth, "n_bins": line.bins, "staterror": line.staterror},
        "toys": {"n_toys": 0, "unbinned": "declared" if line.unbinned else "none"},
        "joint": {"n_bins": 0},
        "samples": samples,
    }


def _side(line: Line, knob: Knob, side: str) -> dict[str, Any]:
    if knob.events:
        return {"in_memory": True}
    names = enumerate(line.names)
    return {"observables": {name: expression(line, knob, side, o) for o, name in names}}


def _parameter(line: Line, knob: Knob) -> dict[str, Any]:
    found: dict[str, Any] = {"name": knob.name, "step": knob.step}
    if knob.free:
        return found | {"constraint": "free"}
    auxiliary = "held" if line.held else "measured"
    return found | {"auxiliary": auxiliary, "symmetrise": len(knob.sides) == 1}


def _observable(line: Line, name: str, edges: list[float] | None) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name}
    if edges is not None:
        found |= {"edges": edges, "open_ends": True}
    return found | ({"density": "normal"} if line.unbinned else {})
