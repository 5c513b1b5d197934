"""Curvatures, dense or arrows: what the minimiser does with either."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jit, jnp
from pullfactory.likelihoods import Likelihood
from pullfactory.likelihoods.arrow import Arrow


def units(likelihood: Likelihood, start: NDArray[np.float64], scale: float) -> Any:
    """Curvatures of all toys that are multiples of the unit matrix."""
    toys, parameters = start.shape
    if likelihood.layout is not None:
        return Arrow.identity(likelihood.layout, toys, scale)
    return np.tile(scale * np.eye(parameters), (toys, 1, 1))


def diagonal_of(matrix: Any) -> jax.Array:
    """Shape (parameters,)."""
    return matrix.diagonal() if isinstance(matrix, Arrow) else jnp.diag(matrix)


@jit
def diagonals_of(matrix: Any) -> jax.Array:
    """Of all toys, shape (toys, parameters)."""
    return jax.vmap(diagonal_of)(matrix)


def plus(matrix: Any, diagonal: jax.Array) -> Any:
    """The matrix with something added to its diagonal."""
    return matrix.plus(diagonal) if isinstance(matrix, Arrow) else matrix + jnp.diag(diagonal)


def reduced(matrix: Any, held: jax.Array) -> Any:
    """The matrix with unit rows and columns for the parameters that are held."""
    if isinstance(matrix, Arrow):
        return matrix.reduce(held)
    return jnp.where(held[:, None] | held[None, :], jnp.eye(len(held)), matrix)


def weakness(matrix: Any, inverse: jax.Array, *, whole: bool) -> jax.Array:
    """No less than 1 / smallest eigenvalue, for a unit diagonal.

    It is the sum of all of these; of many, where the inverse is whole, the fourth root of the sum
    of their fourth powers.
    """
    diagonal = diagonal_of(matrix)
    if not isinstance(matrix, Arrow) or not whole:
        return jnp.sum(jnp.diag(inverse) * diagonal)
    scale = jnp.sqrt(diagonal)
    scaled = inverse * jnp.outer(scale, scale)
    return jnp.sqrt(jnp.linalg.norm(scaled @ scaled))


def dense(matrix: Any) -> NDArray[np.float64]:
    """The matrices of a batch with all their entries."""
    return np.asarray(_filled(matrix) if isinstance(matrix, Arrow) else matrix)


@jit
def _filled(matrix: Arrow) -> jax.Array:
    return jax.vmap(Arrow.dense)(matrix)
