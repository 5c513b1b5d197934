"""Probabilities of bins, of each channel and of pairs of channels that count the same events."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jit, jnp
from pullfactory.likelihoods.binned import BinnedLikelihood

Joint = dict[tuple[int, int], NDArray[np.float64]]

_SWEEPS = 15
_NOTHING = 1e-300


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BinContents:
    """Probabilities of the bins of each channel.

    Every event is in one bin of each, so that rates count for their ratios alone.

    Attributes:
        likelihood: Gives the rates.
        channels: First bin of each observable, and the one after its last.
    """

    likelihood: BinnedLikelihood
    channels: tuple[tuple[int, int], ...] = field(metadata={"static": True})

    @property
    def groups(self) -> tuple[slice, ...]:
        """The bins of each observable."""
        return tuple(slice(first, end) for first, end in self.channels)

    def __call__(self, theta: jax.Array, reference: jax.Array) -> jax.Array:  # noqa: ARG002
        """Shape (bins,), in the order of the rates.

        Args:
            theta: Shape (parameters,), in their units.
            reference: Not needed.
        """
        rates = self.likelihood.expected(theta)
        for first, end in self.channels:
            inside = rates[first:end]
            rates = rates.at[first:end].set(inside / jnp.sum(inside))
        return rates


@jit
def probabilities(contents: BinContents, theta: jax.Array) -> jax.Array:
    """Of the bins at each theta.

    Args:
        contents: Of the bins.
        theta: Shape (toys, parameters).

    Returns:
        Shape (toys, bins).
    """
    return jax.vmap(lambda at: contents(at, at))(theta)


def rake(
    joint: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Joint probabilities with other sums, and the same dependence: all odds ratios stay.

    Iterative proportional fitting (Deming and Stephan 1940, doi:10.1214/aoms/1177731829); what its
    sweeps leave of the sums is added, so that these are exact.

    Args:
        joint: Shape (rows, columns).
        rows: Wanted sums, shape (toys, rows).
        columns: Wanted sums, shape (toys, columns).

    Returns:
        Shape (toys, rows, columns).
    """
    found = np.broadcast_to(joint, (len(rows), *joint.shape))
    for _ in range(_SWEEPS):
        found = found * (rows / np.maximum(found.sum(axis=2), _NOTHING))[:, :, None]
        found = found * (columns / np.maximum(found.sum(axis=1), _NOTHING))[:, None, :]
    left = rows - found.sum(axis=2)
    parts = columns / np.maximum(columns.sum(axis=1, keepdims=True), _NOTHING)
    return np.asarray(found + left[:, :, None] * parts[:, None, :])


def covariance_of_bins(
    slices: tuple[slice, ...], single: NDArray[np.float64], joint: Joint
) -> NDArray[np.float64]:
    """Covariance of the bins that one event fills.

    Args:
        slices: Bins of each observable.
        single: Probabilities of the bins, shape (toys, bins).
        joint: For each pair of observables those of two bins, shape (toys, bins, bins).

    Returns:
        Shape (toys, bins, bins).
    """
    both = single[:, :, None] * np.eye(single.shape[1])
    for (i, j), found in joint.items():
        both[:, slices[i], slices[j]] = found
        both[:, slices[j], slices[i]] = found.transpose(0, 2, 1)
    return np.asarray(both - single[:, :, None] * single[:, None, :])
