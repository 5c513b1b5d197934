"""A flow as plain data for JSON, schema `pullfactory-flow/1`."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.densities import family
from pullfactory.errors import CalibrationError
from pullfactory.flows.changes import ChangeRow
from pullfactory.flows.conditional import Conditional
from pullfactory.flows.degrees import DegreeRow
from pullfactory.flows.density import FlowDensity
from pullfactory.flows.learning import LearntFlow
from pullfactory.simulation.response import Response

SCHEMA = "pullfactory-flow/1"


def flow_to_dict(flow: LearntFlow) -> dict[str, Any]:
    """Plain data for JSON: map, coefficients, covariance, order, response, digest.

    Args:
        flow: What was learnt.
    """
    density = flow.density
    content = {
        "schema": SCHEMA,
        "observables": list(flow.observables),
        "parameters": list(flow.parameters),
        "order": [flow.observables[o] for o in density.order],
        "densities": [{"density": one.name, "shape": asdict(one)} for one in density.families],
        "response": {k: np.asarray(v).tolist() for k, v in density.response._asdict().items()},
        "maps": [
            None
            if conditional is None
            else {
                "shift_degree": conditional.shift_degree,
                "shape_degree": conditional.shape_degree,
                "linear": [
                    name
                    for name, changes in zip(flow.parameters, density.linear[k], strict=True)
                    if changes
                ],
                "coefficients": np.asarray(density.coefficients[k])[list(density.rows(k))].tolist(),
            }
            for k, conditional in enumerate(density.maps)
        ],
        "covariance": flow.covariance.tolist(),
        "events": flow.events,
        "degrees": [asdict(row) for row in flow.degrees],
        "changes": [asdict(row) for row in flow.changes],
    }
    return {**content, "sha256": _digest(content)}


def flow_from_dict(data: Mapping[str, Any]) -> LearntFlow:
    """The inverse of `flow_to_dict`.

    Args:
        data: What it gave.

    Raises:
        CalibrationError: If the data are no flow, or were edited.
        LookupError: If something is missing.
        TypeError: If something is of another type.
        ValueError: If numbers have other shapes, or are not finite.
    """
    if data.get("schema") != SCHEMA:
        raise CalibrationError(
            f"no flow: its schema is not {SCHEMA!r}; 'pullfactory calibrate' writes one"
        )
    content = {key: value for key, value in data.items() if key != "sha256"}
    if _digest(content) != data.get("sha256"):
        raise CalibrationError(
            "the flow is damaged or was edited: its content does not match its sha256; write it "
            "again with 'pullfactory calibrate'"
        )
    density = _density(data)
    size = len(np.asarray(density.free))
    return LearntFlow(
        observables=tuple(data["observables"]),
        parameters=tuple(data["parameters"]),
        density=density,
        covariance=_numbers(data["covariance"], (size, size)) if size else np.zeros((0, 0)),
        events=int(data["events"]),
        degrees=tuple(DegreeRow(**row) for row in data["degrees"]),
        changes=tuple(ChangeRow(**row) for row in data["changes"]),
    )


def _density(data: Mapping[str, Any]) -> FlowDensity:
    observables, parameters = list(data["observables"]), list(data["parameters"])
    n, n_pars = len(observables), len(parameters)
    order = tuple(observables.index(name) for name in data["order"])
    if sorted(order) != list(range(n)) or len(data["maps"]) != n or len(data["densities"]) != n:
        raise ValueError("order, maps and densities are not those of the observables")
    maps: list[Conditional | None] = []
    coefficients, linear = [], []
    for k, entry in enumerate(data["maps"]):
        if entry is None:
            maps.append(None)
            coefficients.append(np.zeros((0, 0)))
            linear.append((False,) * n_pars)
            continue
        conditional = Conditional(
            before=k,
            shift_degree=int(entry["shift_degree"]),
            shape_degree=int(entry["shape_degree"]),
        )
        changing = tuple(name in entry["linear"] for name in parameters)
        rows = np.zeros((1 + n_pars, conditional.size))
        learnt = [0, *(1 + p for p, changes in enumerate(changing) if changes)]
        rows[learnt] = _numbers(entry["coefficients"], (len(learnt), conditional.size))
        maps.append(conditional)
        coefficients.append(rows)
        linear.append(changing)
    sizes = {"mu": (n,), "sigma": (n,)}
    return FlowDensity(
        response=Response(
            **{k: _numbers(v, sizes.get(k, (n, n_pars))) for k, v in data["response"].items()}
        ),
        coefficients=tuple(coefficients),
        families=tuple(family(one["density"], one["shape"]) for one in data["densities"]),
        order=order,
        maps=tuple(maps),
        linear=tuple(linear),
    )


def _numbers(values: Sequence[Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"numbers of shape {array.shape} where {shape} is needed")
    if not np.isfinite(array).all():
        raise ValueError("a number is not finite")
    return array


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
