"""Correlated parameters in a workspace, whose constraints are independent.

pyhf multiplies the constraints of its parameters. With L L^T = R, the correlation of some of them
(Cholesky), theta = L eta has constraints of correlation R where those of eta are independent, and
the templates of eta_j are those at theta = L e_j: of the morphing in its parameters one by one, by
a parabola through up, nominal and down, of logarithms where factors multiply. As L is triangular
the first of the parameters is one of the model's own and keeps its name, and each other one,
`NAME_independent`, is what it has beyond those before it.

What the schema of a workspace has no key for, the name of a second measurement says: of which
parameters those of the model are made. It is read back, and other programs take the first.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import WorkspaceError
from pullfactory.settings.constraints import independent_name
from pullfactory.settings.document import Document
from pullfactory.workspaces.morphing import Process

_KEY = "correlated parameters"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rotation:
    """Of which independent parameters correlated ones are made.

    Attributes:
        parameters: Names of the correlated ones.
        independent: Names of the others.
        root: From these to those, lower triangular, shape (parameters, parameters).
    """

    parameters: tuple[str, ...]
    independent: tuple[str, ...]
    root: NDArray[np.float64]

    @classmethod
    def of(cls, document: Document[Any, Any]) -> Self | None:
        """That of a study or an audit; None if no constraints are correlated.

        Args:
            document: With its parameters.
        """
        names = document.correlated
        if not names:
            return None
        where = [document.parameter_names.index(name) for name in names]
        matrix = document.constraint_correlation[np.ix_(where, where)]
        first, *others = names
        return cls(
            parameters=names,
            independent=(first, *map(independent_name, others)),
            root=np.asarray(np.linalg.cholesky(matrix)),
        )

    @property
    def names(self) -> dict[str, str]:
        """What the model calls what takes the place of each parameter."""
        return dict(zip(self.parameters, self.independent, strict=True))

    @property
    def statement(self) -> str:
        """What a workspace says of it: each parameter as a sum of those of the model."""
        rows = {
            name: {
                one: float(part) for one, part in zip(self.independent, row, strict=True) if part
            }
            for name, row in zip(self.parameters, self.root, strict=True)
        }
        return json.dumps({_KEY: rows})

    def rotate(self, process: Process) -> Process:
        """The templates of a process as those of the independent parameters.

        Args:
            process: Of the correlated ones.
        """
        moving = np.isin(self.parameters, process.parameters)
        acting = {
            one: {
                name: float(part)
                for name, part, moves in zip(self.parameters, column, moving, strict=True)
                if part and moves
            }
            for one, column in zip(self.independent, self.root.T, strict=True)
        }
        acting = {one: parts for one, parts in acting.items() if parts}

        def template(channel: int, steps: Mapping[str, int]) -> NDArray[np.float64]:
            others = {name: step for name, step in steps.items() if name not in acting}
            base = process.template(channel, others)
            parts = [
                (step * part, name)
                for one, step in steps.items()
                for name, part in acting.get(one, {}).items()
            ]
            sides = [
                (
                    part,
                    process.template(channel, {**others, name: 1}),
                    process.template(channel, {**others, name: -1}),
                )
                for part, name in parts
            ]
            return _summed(base, sides, multiplied=process.morphing == "multiplicative")

        kept = tuple(name for name in process.parameters if name not in self.parameters)
        return replace(process, template=template, parameters=(*kept, *acting))


def named(rotation: Rotation | None, parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Settings of a measurement, by the names that the model has for its parameters.

    Args:
        rotation: Of some of them; None of none.
        parameters: As in the measurement.
    """
    names = {} if rotation is None else rotation.names
    return [{**one, "name": names.get(one["name"], one["name"])} for one in parameters]


def _summed(
    base: NDArray[np.float64],
    sides: list[tuple[float, NDArray[np.float64], NDArray[np.float64]]],
    *,
    multiplied: bool,
) -> NDArray[np.float64]:
    """Parabolas through templates up, nominal and down, summed or, of logarithms, multiplied."""
    if len(sides) == 1 and abs(sides[0][0]) == 1.0:
        return sides[0][1] if sides[0][0] > 0 else sides[0][2]
    found = base.copy()
    for part, up, down in sides:
        to_up, to_down = (part**2 + part) / 2, (part**2 - part) / 2
        if multiplied:
            found *= (up / base) ** to_up * (down / base) ** to_down
        else:
            found += to_up * (up - base) + to_down * (down - base)
    return found


def stated_rotation(spec: Mapping[str, Any]) -> Rotation | None:
    """What a workspace says of its parameters; None if it says nothing.

    Args:
        spec: A pyhf workspace.

    Raises:
        WorkspaceError: If it says something that cannot be.
    """
    for measurement in spec["measurements"]:
        name = measurement["name"]
        if not name.startswith(f'{{"{_KEY}":'):
            continue
        try:
            return _parsed(name)
        except (ValueError, TypeError, AttributeError, KeyError):
            raise WorkspaceError(
                f"measurement {name[:60]!r} of the workspace does not say of what its parameters "
                "are made; leave it out"
            ) from None
    return None


def _parsed(text: str) -> Rotation:
    rows = json.loads(text)[_KEY]
    parameters = tuple(rows)
    independent = tuple(dict.fromkeys(one for row in rows.values() for one in row))
    root = np.array([[float(row.get(one, 0.0)) for one in independent] for row in rows.values()])
    if root.shape != (len(parameters),) * 2 or len(parameters) < 2:
        raise ValueError
    size = np.linalg.norm(root, axis=1)
    if not (np.abs(size - 1.0) < 1e-9).all() or abs(np.linalg.det(root)) < 1e-9:
        raise ValueError
    return Rotation(parameters=parameters, independent=independent, root=root)
