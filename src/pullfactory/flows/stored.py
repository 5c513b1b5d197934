"""A flow as plain data for JSON, schema `pullfactory-flow/1`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from pullfactory.densities import Family, family
from pullfactory.errors import CalibrationError, StudyError
from pullfactory.files import is_sealed, sealed
from pullfactory.flows.changes import ChangeRow
from pullfactory.flows.conditional import Conditional
from pullfactory.flows.degrees import DegreeRow
from pullfactory.flows.density import FlowDensity
from pullfactory.flows.learning import LearntFlow
from pullfactory.flows.verdict import FlowVerdict
from pullfactory.settings.complaints import complaint
from pullfactory.settings.sections import MOST_DEGREE
from pullfactory.simulation.response import Response

SCHEMA = "pullfactory-flow/1"

_ROUNDING = 1e-6  # of a correlation matrix: what inverting and multiplying may spoil
_Number = Annotated[float, Strict()]
_Degree = Annotated[int, Strict(), Field(ge=0, le=MOST_DEGREE)]
_Rows = list[list[_Number]]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class _Density(_Table):
    density: str
    shape: dict[str, _Number]


class _Response(_Table):
    mu: list[_Number]
    mu_slopes: _Rows
    sigma: list[Annotated[float, Strict(), Field(gt=0)]]
    sigma_slopes: _Rows


class _Map(_Table):
    shift_degree: _Degree
    shape_degree: _Degree
    linear: list[str]
    coefficients: _Rows


class _Flow(_Table):
    """What a file must hold, whoever wrote it."""

    observables: list[str] = Field(min_length=1)
    parameters: list[str] = Field(min_length=1)
    order: list[str]
    densities: list[_Density]
    response: _Response
    maps: list[_Map | None]
    covariance: _Rows
    events: Annotated[int, Strict(), Field(ge=0)]
    degrees: list[DegreeRow]
    changes: list[ChangeRow]
    verdict: FlowVerdict | None = None


def flow_to_dict(flow: LearntFlow) -> dict[str, Any]:
    """Plain data for JSON: map, coefficients, covariance, order, response, verdict, digest.

    Args:
        flow: What was learnt.
    """
    density = flow.density
    verdict = {} if flow.verdict is None else {"verdict": asdict(flow.verdict)}
    return sealed(
        {
            "schema": SCHEMA,
            "observables": list(flow.observables),
            "parameters": list(flow.parameters),
            "order": [flow.observables[o] for o in density.order],
            "densities": [{"density": one.name, "shape": asdict(one)} for one in density.families],
            "response": {k: np.asarray(v).tolist() for k, v in density.response._asdict().items()},
            "maps": [
                None if one is None else _written(flow, k, one)
                for k, one in enumerate(density.maps)
            ],
            "covariance": flow.covariance.tolist(),
            "events": flow.events,
            "degrees": [asdict(row) for row in flow.degrees],
            "changes": [asdict(row) for row in flow.changes],
            **verdict,
        }
    )


def _written(flow: LearntFlow, k: int, conditional: Conditional) -> dict[str, Any]:
    density = flow.density
    changing = zip(flow.parameters, density.linear[k], strict=True)
    return {
        "shift_degree": conditional.shift_degree,
        "shape_degree": conditional.shape_degree,
        "linear": [name for name, changes in changing if changes],
        "coefficients": np.asarray(density.coefficients[k])[list(density.rows(k))].tolist(),
    }


def flow_from_dict(data: Mapping[str, Any]) -> LearntFlow:
    """The inverse of `flow_to_dict`; files without a verdict are of flows that were not judged.

    Args:
        data: What it gave.

    Raises:
        CalibrationError: If the data are no flow, were edited, or a field is not as it must be.
    """
    if data.get("schema") != SCHEMA:
        raise CalibrationError(
            f"no flow: its schema is not {SCHEMA!r}; 'pullfactory calibrate' writes one"
        )
    if not is_sealed(data):
        raise CalibrationError(
            "the flow is damaged or was edited: its content does not match its sha256; write it "
            "again with 'pullfactory calibrate'"
        )
    try:
        return _flow(_Flow.model_validate(data))
    except ValidationError as error:
        what = complaint(error, data, _Flow)
    except (StudyError, ValueError) as error:
        what = str(error)
    raise CalibrationError(
        f"the flow is not as pullfactory writes it: {what}; write it again with "
        "'pullfactory calibrate'"
    )


def _flow(read: _Flow) -> LearntFlow:
    density = _density(read)
    return LearntFlow(
        observables=tuple(read.observables),
        parameters=tuple(read.parameters),
        density=density,
        covariance=_covariance(read.covariance, len(np.asarray(density.free))),
        events=read.events,
        degrees=tuple(read.degrees),
        changes=tuple(read.changes),
        verdict=read.verdict,
    )


def _density(read: _Flow) -> FlowDensity:
    n, n_pars = len(read.observables), len(read.parameters)
    for key in ("observables", "parameters"):
        names = getattr(read, key)
        if len(set(names)) < len(names):
            raise ValueError(f"{key} = {', '.join(names)}: each can be there once")
    if sorted(read.order) != sorted(read.observables):
        raise ValueError(
            f"order = {', '.join(read.order)} is no order of {', '.join(read.observables)}"
        )
    for key in ("maps", "densities"):
        if len(getattr(read, key)) != n:
            raise ValueError(f"{key} has {len(getattr(read, key))} entries for {n} observables")
    coefficients, maps, linear = zip(
        *(_map(entry, k, read.parameters) for k, entry in enumerate(read.maps)), strict=True
    )
    sizes = {"mu": (n,), "sigma": (n,)}
    response = {
        key: _shaped(getattr(read.response, key), f"response.{key}", sizes.get(key, (n, n_pars)))
        for key in Response._fields
    }
    return FlowDensity(
        response=Response(**response),
        coefficients=coefficients,
        families=tuple(_family(one, o) for o, one in enumerate(read.densities)),
        order=tuple(read.observables.index(name) for name in read.order),
        maps=maps,
        linear=linear,
    )


def _map(
    entry: _Map | None, k: int, parameters: Sequence[str]
) -> tuple[NDArray[np.float64], Conditional | None, tuple[bool, ...]]:
    """Coefficients of one map, the map, and whether it changes with each parameter."""
    place = f"maps.#{k + 1}"
    if entry is None:
        if k:
            raise ValueError(f"{place} = null: only the first of the order may have no map")
        return np.zeros((0, 0)), None, (False,) * len(parameters)
    for name in entry.linear:
        if name not in parameters or entry.linear.count(name) > 1:
            raise ValueError(
                f"{place}.linear = {', '.join(entry.linear)}: must be parameters, each once"
            )
    conditional = Conditional(
        before=k, shift_degree=entry.shift_degree, shape_degree=entry.shape_degree
    )
    changing = tuple(name in entry.linear for name in parameters)
    learnt = [0, *(1 + p for p, changes in enumerate(changing) if changes)]
    found = _shaped(entry.coefficients, f"{place}.coefficients", (len(learnt), conditional.size))
    rows = np.zeros((1 + len(parameters), conditional.size))
    rows[learnt] = found
    return rows, conditional, changing


def _family(entry: _Density, o: int) -> Family:
    try:
        return family(entry.density, entry.shape)
    except StudyError as error:
        raise ValueError(f"densities.#{o + 1}: {error}") from None


def _covariance(rows: _Rows, size: int) -> NDArray[np.float64]:
    found = _shaped(rows, "covariance", (size, size)) if size else np.zeros((0, 0))
    spread = np.sqrt(np.maximum(np.diag(found), np.finfo(float).tiny))
    with np.errstate(over="ignore"):
        correlation = found / np.outer(spread, spread)
    if not np.all(np.abs(correlation) <= 1.0 + _ROUNDING):
        raise ValueError("covariance has a correlation beyond 1")
    if np.any(np.abs(correlation - correlation.T) > _ROUNDING):
        raise ValueError("covariance is not symmetric")
    if size and np.linalg.eigvalsh(correlation)[0] < -_ROUNDING * size:
        raise ValueError("covariance has a negative variance in some direction")
    return found


def _shaped(values: Sequence[Any], place: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    lengths = {len(row) for row in values} if len(shape) == 2 else {shape[-1]}
    if len(values) != shape[0] or lengths - {shape[-1]}:
        raise ValueError(f"{place} must have the shape {shape}")
    return np.array(values, dtype=np.float64).reshape(shape)
