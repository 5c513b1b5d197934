"""Constraints that are correlated: auxiliary measurements with a common source of error."""

from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pullfactory.settings.fields import Frozen, Listed, Name

_SINGULAR = 1e-9  # smallest eigenvalue that is none: its inverse is lost in rounding
_ROUNDING = 1e-12  # of a matrix that was calculated, such as by numpy.corrcoef


class ConstraintSettings(Frozen):
    """Correlation of the auxiliary values of constrained parameters; others are independent."""

    parameters: Listed[Name] = Field(
        min_length=2, description="names of constrained parameters, in the order of the matrix"
    )
    correlation: Listed[Listed[float]] = Field(
        description="matrix of their auxiliary values, whose widths are those of the constraints"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in self.parameters:
            if self.parameters.count(name) > 1:
                raise ValueError(f"parameters: {name!r} is given twice; keep one")
        n = len(self.parameters)
        if len(self.correlation) != n or any(len(row) != n for row in self.correlation):
            lengths = ", ".join(str(len(row)) for row in self.correlation)
            raise ValueError(
                f"correlation must be {n} x {n}, one row for each of its parameters; it has rows "
                f"of {lengths or 'nothing'}"
            )
        given = np.array(self.correlation, dtype=np.float64)
        wrong = np.abs(given - given.T) + np.abs(np.diag(np.diag(given) - 1)) > _ROUNDING
        if wrong.any():
            i, j = (int(k[0]) for k in np.nonzero(wrong))
            numbers = f"{given[i, j]!s}" if i == j else f"{given[i, j]!s} and {given[j, i]!s}"
            raise ValueError(
                f"correlation of {self.parameters[i]} with {self.parameters[j]} is {numbers}, and "
                "the matrix must be symmetric, with ones on its diagonal: a covariance divided by "
                "the widths of the constraints"
            )
        matrix = self.matrix
        if (least := np.linalg.eigvalsh(matrix)[0]) < _SINGULAR:
            raise ValueError(
                f"correlation is not positive definite: its smallest eigenvalue is {least:.2g}; "
                "take numbers nearer 0, or one parameter for several that are the same"
            )
        return self

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The correlation, shape (its parameters, its parameters), without rounding."""
        given = np.array(self.correlation, dtype=np.float64)
        found = (given + given.T) / 2
        np.fill_diagonal(found, 1.0)
        return found

    def check_names(self, known: Sequence[str], free: Iterable[str]) -> None:
        """Refuse names that are no constrained parameters.

        Args:
            known: Names of all parameters.
            free: Of those without a constraint.

        Raises:
            ValueError: If there is one.
        """
        for name in self.parameters:
            if name not in known:
                raise ValueError(
                    f"constraints.parameters: {name!r} is no parameter; use some of "
                    f"{', '.join(known)}"
                )
            if name in free:
                raise ValueError(
                    f"constraints.parameters: {name!r} is free, and has no auxiliary value that "
                    "others could be correlated with; leave it out, or give it a constraint"
                )
            if (taken := independent_name(name)) in known:
                raise ValueError(
                    f"parameter {taken!r} is what a workspace calls what {name!r} has of its own; "
                    "rename it"
                )


def independent_name(name: str) -> str:
    """What a workspace calls the part of a parameter that is independent of those before it.

    Args:
        name: Of the parameter.
    """
    return f"{name}_independent"


def full_correlation(
    settings: ConstraintSettings | None, names: Sequence[str], free: Iterable[str]
) -> NDArray[np.float64]:
    """Covariance of the auxiliary values of all parameters, in widths of their constraints.

    Args:
        settings: What is correlated; None for nothing.
        names: Of all parameters.
        free: Of those without a constraint.

    Returns:
        Shape (parameters, parameters); 0 for a free parameter.
    """
    without = set(free)
    found = np.diag([0.0 if name in without else 1.0 for name in names])
    if settings is not None:
        where = [names.index(name) for name in settings.parameters]
        found[np.ix_(where, where)] = settings.matrix
    return found


def constraint_inverse(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Information of constraints, 0 for free parameters.

    Args:
        correlation: From `full_correlation`.

    Returns:
        Shape (parameters, parameters), in inverse widths of the constraints; a matrix without
        entries off its diagonal is its own inverse, to the last digit.
    """
    found = correlation.copy()
    where = np.flatnonzero((correlation != 0).sum(axis=0) > 1)
    inside = np.ix_(where, where)
    found[inside] = np.linalg.inv(correlation[inside])
    return found
