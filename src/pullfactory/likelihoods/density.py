"""The likelihood of any density of the observables of an event, which is written in JAX.

-log L = sum over events of -log p(x | theta)
         + sum over constrained parameters of (theta_k - a_k)^2 / 2.

Steps take the sum of the products of the scores of the events for the curvature, which agrees with
the Hessian in expectation (Berndt, Hall, Hall, Hausman 1974); the Hessian is taken where a fit
ends. Scores are derivatives in forward mode, one for each parameter.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jnp, require_double_precision
from pullfactory.errors import LikelihoodError
from pullfactory.likelihoods._likelihood import Expansion, Observation
from pullfactory.likelihoods.rows import EventLikelihood, EventRows
from pullfactory.likelihoods.unbinned import refuse_negative
from pullfactory.simulation.toys import ToyBlock

LogDensity = Callable[[jax.Array, jax.Array], jax.Array]
"""From events, shape (events, observables), and parameters, shape (parameters,), in their units, to
the log density of each event, shape (events,). Written in JAX; a pytree whose leaves are the
numbers that it has learnt, if it has any."""

_TRIED = 2  # events that a density is tried with


class DensityData(NamedTuple):
    """What the likelihood of a density takes from toys.

    Attributes:
        events: Shape (toys, events, observables), in the observables' units.
        weights: Event weights, shape (toys, events); None if all are 1.
        aux: Auxiliary values of the constrained parameters, shape (toys, constrained).
    """

    events: Array
    weights: Array | None
    aux: Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DensityLikelihood(EventLikelihood):
    """Product over events of a joint density of their observables.

    Attributes:
        density: Log density of events; see `LogDensity`.
        limits: Bounds of the parameters, shape (parameters, 2).
        names: Names of the parameters.
        constraint: Information of the Gaussian constraints, shape (parameters, parameters): 1 on
            the diagonal for a unit one, the inverse correlation of those that are correlated.
        constrained: Positions of the parameters with a constraint.
    """

    density: Any
    limits: NDArray[np.float64]
    constraint: NDArray[np.float64]
    names: tuple[str, ...] = field(metadata={"static": True})
    constrained: tuple[int, ...] = field(metadata={"static": True})

    @classmethod
    def of(
        cls,
        density: LogDensity,
        *,
        limits: NDArray[np.float64],
        names: tuple[str, ...],
        constraint: NDArray[np.float64],
        observables: int,
    ) -> Self:
        """The likelihood of a density, which is tried first.

        Args:
            density: As described in `LogDensity`.
            limits: Bounds of the parameters, shape (parameters, 2).
            names: Names of the parameters.
            constraint: Information of the Gaussian constraints, shape (parameters, parameters).
            observables: How many there are.

        Raises:
            LikelihoodError: If it cannot be traced by JAX, or gives no number for each event.
        """
        made = as_tree(density)
        refuse_other_shapes(made, observables, len(names))
        return cls(
            density=made,
            limits=limits,
            names=names,
            constraint=constraint,
            constrained=constrained_in(constraint),
        )

    @property
    def abreast(self) -> int:
        """One toy after the other: what a density holds of its events is larger than a cache."""
        return 1

    def nll(self, theta: jax.Array, data: DensityData) -> jax.Array:
        """Negative log-likelihood of one toy; theta of shape (parameters,)."""
        require_double_precision()
        each = _weighed(self.density(jnp.asarray(data.events), theta), data.weights)
        return 0.5 * jnp.dot(*self._pulls(theta, data)) - jnp.sum(each)

    def expansion(self, theta: jax.Array, data: DensityData) -> Expansion:
        """Value, gradient, and the products of the scores for the Hessian; arguments of `nll`."""
        require_double_precision()
        each, scores = self._value_and_scores(theta, jnp.asarray(data.events))
        weighed = _weighed(scores, data.weights)
        pulls, slopes = self._pulls(theta, data)
        return Expansion(
            0.5 * jnp.dot(pulls, slopes) - jnp.sum(_weighed(each, data.weights)),
            slopes - weighed.sum(axis=1),
            weighed @ scores.T + self.constraint,
        )

    def hessian(self, theta: jax.Array, data: DensityData) -> jax.Array:
        """Observed information, by forward mode in both orders; arguments of `nll`."""

        def gradient(at: jax.Array) -> jax.Array:
            scores = self.scores(at, jnp.asarray(data.events))
            return -_weighed(scores, data.weights).sum(axis=1)

        found = jax.jacfwd(gradient)(theta)
        return jnp.asarray(0.5 * (found + found.T) + self.constraint)

    def information(self, theta: jax.Array, data: DensityData) -> jax.Array:
        """The Hessian: products of scores equal it only where the density is right."""
        return self.hessian(theta, data)

    def observe(self, block: ToyBlock) -> Observation:
        """Take from a block of toys what this likelihood needs of them.

        Args:
            block: Toys with events of shape (toys, events, observables).

        Raises:
            LikelihoodError: If events have negative weights, or lack observables.
        """
        refuse_negative(block)
        refuse_missing(block.events, block.event_weights)
        return Observation(DensityData(block.events, block.sums, block.aux), EventRows.of(block))

    def scores(self, theta: jax.Array, events: jax.Array) -> jax.Array:
        """As of every likelihood of single events, in forward mode."""
        return self._value_and_scores(theta, events)[1]

    def _pulls(self, theta: jax.Array, data: DensityData) -> tuple[jax.Array, jax.Array]:
        """Distance to the auxiliary values, 0 without one, and the slope of the constraints."""
        selected = np.array(self.constrained, dtype=np.intp)
        pulls = jnp.zeros_like(theta).at[selected].set(theta[selected] - data.aux)
        return pulls, jnp.asarray(self.constraint) @ pulls

    def _value_and_scores(self, theta: jax.Array, events: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Log density of each event, and its derivatives."""

        def each(at: jax.Array) -> tuple[jax.Array, jax.Array]:
            found = self.density(events, at)
            return found, found

        slopes, value = jax.jacfwd(each, has_aux=True)(theta)
        return value, slopes.T


def constrained_in(constraint: NDArray[np.float64]) -> tuple[int, ...]:
    """Positions of the parameters that have a constraint.

    Args:
        constraint: Information of the constraints, shape (parameters, parameters).
    """
    return tuple(np.flatnonzero(np.diag(constraint)).tolist())


def as_tree(density: LogDensity) -> LogDensity:
    """A density as a pytree of numbers; of a plain function none is a number that it has learnt.

    Args:
        density: A function, or a pytree that can be called.
    """
    leaves = jax.tree.leaves(density)
    if leaves != [density] and all(isinstance(leaf, np.ndarray | jax.Array) for leaf in leaves):
        return density
    closed: LogDensity = jax.tree_util.Partial(_Closed(density))  # type: ignore[no-untyped-call]
    return closed


@dataclass(frozen=True, slots=True, eq=False)
class _Closed:
    """A density without numbers of its own: a function, the same only as itself."""

    density: LogDensity

    def __call__(self, events: jax.Array, theta: jax.Array) -> jax.Array:
        return self.density(events, theta)


def refuse_other_shapes(density: LogDensity, observables: int, parameters: int) -> None:
    """Refuse what is no density of events.

    Args:
        density: What is tried.
        observables: Of an event.
        parameters: Of the study.

    Raises:
        LikelihoodError: If it cannot be traced by JAX, or gives no number for each event.
    """
    events, theta = np.zeros((_TRIED, observables)), np.zeros(parameters)
    try:
        found = jax.eval_shape(_called, density, events, theta)
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise LikelihoodError(
            f"log_prob(x, theta) fails for x of shape {events.shape} and theta of shape "
            f"{theta.shape}: {first}; write it with jax.numpy, for events of all observables"
        ) from error
    shape = getattr(found, "shape", None)
    if shape != (_TRIED,):
        what = f"shape {shape}" if shape is not None else f"a {type(found).__name__}"
        raise LikelihoodError(
            f"log_prob(x, theta) gives {what} for {_TRIED} events; let it give the log density of "
            f"each, shape ({_TRIED},)"
        )
    if found.dtype != jnp.float64:
        raise LikelihoodError(
            f"log_prob(x, theta) gives {found.dtype} numbers, and only fits in double precision go "
            "right; let its numbers be float64"
        )


def _called(density: LogDensity, events: jax.Array, theta: jax.Array) -> jax.Array:
    return density(events, theta)


def refuse_missing(events: Array, weights: Array | None = None) -> None:
    """Refuse events of which an observable is missing.

    Args:
        events: Shape (..., events, observables).
        weights: Of the events, of which those with 0 do not count; None for ones.

    Raises:
        LikelihoodError: If a value is not finite.
    """
    lacking = ~np.isfinite(np.asarray(events)).all(axis=-1)
    if weights is not None:
        lacking &= np.asarray(weights) != 0
    if number := int(lacking.sum()):
        raise LikelihoodError(
            f"{number} of {lacking.size} events lack an observable, and a joint density wants all "
            "of an event; leave these events out, or fit each observable by itself"
        )


def _weighed(values: jax.Array, weights: Array | None) -> jax.Array:
    return values if weights is None else values * jnp.asarray(weights)
