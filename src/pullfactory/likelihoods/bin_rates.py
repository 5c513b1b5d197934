"""Rates of bins as what an optimal combination takes from them, and the covariance of their counts.

With a Poisson number of events counts are compared with rates, and have the covariance of counts
that share events, nu_ab. With a fixed number each channel has as many events as it has, and counts
are compared with the parts of these: of an event in the channel 1_a - p_a is left.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jit, jnp
from pullfactory.likelihoods.bin_contents import Joint, rake
from pullfactory.likelihoods.binned import BinnedLikelihood

_NOTHING = 1e-300


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BinRates:
    """Expected counts of the bins of all channels.

    What they are compared at, the `reference`, has the values of the parameters that are `measured`
    and then the number of events in each channel.

    Attributes:
        likelihood: Gives the rates.
        channels: First bin of each channel, and the one after its last.
        measured: Positions of parameters that stay at what was measured of them elsewhere.
        parts: Whether rates count for their ratios within a channel alone.
    """

    likelihood: BinnedLikelihood
    channels: tuple[tuple[int, int], ...] = field(metadata={"static": True})
    measured: tuple[int, ...] = field(metadata={"static": True})
    parts: bool = field(metadata={"static": True})

    @property
    def groups(self) -> tuple[slice, ...]:
        """The bins of each observable."""
        return tuple(slice(first, end) for first, end in self.channels)

    def __call__(self, theta: jax.Array, reference: jax.Array) -> jax.Array:
        """Shape (bins,), in the order of the rates.

        Args:
            theta: Shape (parameters,), in their units.
            reference: Shape (measured + channels,).
        """
        at = jnp.asarray(theta)
        if self.measured:
            at = at.at[np.array(self.measured)].set(reference[: len(self.measured)])
        rates = self.likelihood.expected(at)
        if self.parts:
            for c, (first, end) in enumerate(self.channels):
                inside = rates[first:end]
                events = reference[len(self.measured) + c]
                rates = rates.at[first:end].set(events * inside / jnp.sum(inside))
        return rates


@jit
def rates_of(scores: BinRates, theta: Array, reference: Array) -> jax.Array:
    """Expected counts of toys, shape (toys, bins).

    Args:
        scores: Of the bins.
        theta: Shape (toys, parameters).
        reference: Shape (toys, measured + channels).
    """
    return jax.vmap(scores.__call__)(jnp.asarray(theta), jnp.asarray(reference))


@jit
def measured_slopes(scores: BinRates, theta: Array, reference: Array) -> jax.Array:
    """Derivatives of expected counts with respect to what was measured, shape (bins, measured).

    Args:
        scores: Of the bins.
        theta: Shape (parameters,).
        reference: Shape (measured + channels,).
    """
    slopes = jnp.asarray(jax.jacfwd(scores.__call__, argnums=1)(theta, reference))
    return slopes[:, : len(scores.measured)]


def shared_counts(
    slices: tuple[slice, ...],
    nominal: NDArray[np.float64],
    joint: Joint,
    rates: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Covariance of the counts of a Poisson number of events, nu_ab.

    Args:
        slices: Bins of each channel.
        nominal: Rates that the joint ones belong to, shape (bins,).
        joint: For each pair of channels the expected pairs of bins that events fill, shape (1,
            bins, bins); of rows of one event in one channel each pair once.
        rates: Of the toys, shape (toys, bins); the dependence stays, all odds ratios.

    Returns:
        Shape (toys, bins, bins).
    """
    found = rates[:, :, None] * np.eye(rates.shape[1])
    ratio = rates / np.where(nominal > 0, nominal, 1.0)
    for (i, j), pairs in joint.items():
        one, other = ratio[:, slices[i]], ratio[:, slices[j]]
        if i == j:
            root = np.sqrt(one)
            block = pairs * root[:, :, None] * root[:, None, :]
            found[:, slices[i], slices[i]] += block + block.transpose(0, 2, 1)
            continue
        rows, columns = one * pairs.sum(axis=2), other * pairs.sum(axis=1)
        total = np.maximum(columns.sum(axis=1, keepdims=True), _NOTHING)
        columns = columns * rows.sum(axis=1, keepdims=True) / total
        block = rake(pairs[0], rows, columns)
        found[:, slices[i], slices[j]] = block
        found[:, slices[j], slices[i]] = block.transpose(0, 2, 1)
    return np.asarray(found)


def without_totals(
    slices: tuple[slice, ...], rates: NDArray[np.float64], slopes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What is left of sums over events, sum_a y_a 1_a, where each channel has its own total.

    Args:
        slices: Bins of each channel.
        rates: Shape (toys, bins).
        slopes: y, shape (toys, bins, ...).

    Returns:
        y less its mean within each channel, same shape.
    """
    found = np.array(slopes)
    for where in slices:
        part = rates[:, where] / np.maximum(rates[:, where].sum(axis=1, keepdims=True), _NOTHING)
        found[:, where] -= np.einsum("ta,ta...->t...", part, slopes[:, where])[:, None]
    return found
