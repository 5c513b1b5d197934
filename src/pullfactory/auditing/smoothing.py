"""Derivatives of templates with less noise: projections on smooth functions of the rank.

The derivative J of the rates r of one observable is projected, orthogonal in 1 / r, on r times
Legendre polynomials in the rank of the observable, the constant among them, so that totals stay:
J -> r F (F^T r F)^-1 F^T J. A projection has no bias whatever the shape, since estimates from the
projected slopes are those of a fit to fewer numbers; it only loses information,

    |(1 - Q) J|^2 / r - noise, with the error sqrt(2 sum over units u != v of G_uv^2),

where G_uv is the product of what two independent groups of events add to (1 - Q) J. Where too much
is lost the degree is raised. A degree that the data choose freely would select slopes that are too
sure of themselves. A parameter of which nothing is seen has nothing to lose.

All parameters have one degree in an observable, the highest that one of them needs: what a slope
keeps of the response to another parameter would else be taken for something else, and the estimate
would move with the truth of that one, L_k^T J_l beside L_k^T Q J_l.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.expected import Expected
from pullfactory.auditing.influence import centred, influence, sides_of
from pullfactory.inference.judgement import DISCERNED, TOLERATED_LOSS

DEGREES = (5, 7, 9)
"""Of the polynomials; above the last there is no projection."""

_Template = Callable[[int, Mapping[str, int]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Information on a parameter that a projection loses in one observable.

    Attributes:
        parameter: Name.
        observable: Its position.
        degree: Of the polynomials.
        lost: Part of all information on the parameter.
        error: Its standard error.
    """

    parameter: str
    observable: int
    degree: int
    lost: float
    error: float

    @property
    def tolerated(self) -> bool:
        """Whether it is neither discerned nor large, by more than its own error."""
        return self.lost <= min(DISCERNED * self.error, TOLERATED_LOSS + self.error)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Smoothing:
    """How derivatives of templates are projected.

    Attributes:
        projections: Q of each observable, shape (bins, bins); none where derivatives stay as they
            are.
        losses: What was looked at, in turn: those before the last of a parameter and observable
            were not tolerated.
    """

    projections: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    losses: tuple[Loss, ...] = ()

    @classmethod
    def of(cls, expected: Expected) -> "Smoothing":
        """What the settings of the workspace ask for, of a higher degree where that loses much.

        Nothing where a bin has no events, of which no workspace can be made.

        Args:
            expected: The samples.
        """
        wanted = expected.config.workspace.smooth
        if wanted == "none":
            return cls()
        losses: list[Loss] = []
        observables = range(len(expected.config.observable))
        rates = [np.sum([one.template(o) for one in expected.nominal], axis=0) for o in observables]
        if not all(np.all(one > 0) for one in rates):
            return cls()
        for name in expected.config.parameter_names:
            parts = [_Derivative.of(expected, name, o) for o in observables]
            known = _seen(parts)
            for o, part in enumerate(parts):
                for degree in (d for d in DEGREES if wanted <= d < len(part.rates) - 1):
                    lost, error = part.lost(projection(part.rates, degree))
                    scale = known if known > 0 else np.inf
                    loss = Loss(
                        parameter=name,
                        observable=o,
                        degree=degree,
                        lost=lost / scale,
                        error=error / scale,
                    )
                    losses.append(loss)
                    if loss.tolerated:
                        break
        found = cls(losses=tuple(losses))
        taken = {o: best for o in observables if (best := found.degree(o)) is not None}
        return replace(
            found, projections={o: projection(rates[o], best) for o, best in taken.items()}
        )

    @property
    def raised(self) -> tuple[Loss, ...]:
        """What the degree that is asked for loses, where that is not tolerated."""
        first = {(one.parameter, one.observable): one for one in reversed(self.losses)}
        return tuple(one for one in self.losses if one in first.values() and not one.tolerated)

    def degree(self, observable: int) -> int | None:
        """Of the polynomials of an observable: the highest that a parameter needs.

        Args:
            observable: Its position.

        Returns:
            None where one of them loses too much with any.
        """
        looked = [one for one in self.losses if one.observable == observable]
        tolerated = {one.parameter: one.degree for one in looked if one.tolerated}
        if not looked or tolerated.keys() != {one.parameter for one in looked}:
            return None
        return max(tolerated.values())

    def project(self, observable: int, changes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Smooth changes of the rates of one observable.

        Args:
            observable: Its position.
            changes: Shape (..., bins).
        """
        onto = self.projections.get(observable)
        return changes if onto is None else np.asarray(changes @ onto.T)

    def smoothed(self, template: _Template) -> _Template:
        """Templates whose difference from the nominal one is smoothed.

        Args:
            template: Expected events of a process in an observable at a point.
        """
        if not self.projections:
            return template

        def smooth(observable: int, steps: Mapping[str, int]) -> NDArray[np.float64]:
            nominal = template(observable, {})
            change = template(observable, steps) - nominal
            return np.asarray(nominal + self.project(observable, change))

        return smooth


def projection(rates: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """Q: onto the rates times polynomials in the rank, orthogonal in 1 / rates.

    Args:
        rates: Shape (bins,), positive.
        degree: Of the polynomials.

    Returns:
        Shape (bins, bins).
    """
    rank = (np.cumsum(rates) - rates / 2) / rates.sum()
    functions = np.polynomial.legendre.legvander(2 * rank - 1, degree)
    products = functions.T @ (rates[:, None] * functions)
    return np.asarray(rates[:, None] * functions @ np.linalg.solve(products, functions.T))


def _seen(parts: Sequence["_Derivative"]) -> float:
    """Information on a parameter in all observables; 0 where it may be noise alone."""
    found = [part.lost(np.zeros((len(part.rates),) * 2)) for part in parts]
    known, error = sum(value for value, _ in found), np.hypot.reduce([error for _, error in found])
    return float(known) if known > DISCERNED * error else 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Derivative:
    """Of the rates of one observable with respect to one parameter.

    Attributes:
        rates: Shape (bins,).
        slopes: Shape (bins,).
        units: What independent groups of events add to them, shape (units, bins).
    """

    rates: NDArray[np.float64]
    slopes: NDArray[np.float64]
    units: NDArray[np.float64]

    @classmethod
    def of(cls, expected: Expected, parameter: str, observable: int) -> "_Derivative":
        rates = sum(sample.template(observable) for sample in expected.nominal)
        assert not isinstance(rates, int)
        slopes, families = np.zeros_like(rates), dict[str, NDArray[np.float64]]()
        for process in expected.processes:
            for side in sides_of(process, parameter):
                slopes += side.times * expected.sample(side.role).template(observable)
                moved = side.times * influence(expected, side.role)[observable]
                families[side.family] = families.get(side.family, 0.0) + moved
        units = [centred(groups) for groups in families.values()]
        return cls(
            rates=rates,
            slopes=slopes,
            units=np.concatenate(units) if units else np.zeros((0, len(rates))),
        )

    def lost(self, onto: NDArray[np.float64]) -> tuple[float, float]:
        """Information that a projection loses, without that of noise, and its error."""
        rest, units = self.slopes - onto @ self.slopes, self.units - self.units @ onto.T
        products = (units / self.rates) @ units.T
        own = np.diag(products)
        value = np.sum(rest**2 / self.rates) - own.sum()
        return float(value), float(np.sqrt(2.0 * (np.sum(products**2) - np.sum(own**2))))
