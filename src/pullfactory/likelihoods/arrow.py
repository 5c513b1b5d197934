"""Symmetric matrices of a few parameters that share much and many that share nothing.

A gamma of a `staterror`, `shapesys` or `shapefactor` moves one bin, so that the curvature of two of
them vanishes unless they move the same one. With the gammas of a bin in layers, one each, what is
left is a corner of the other parameters, an edge between these and each gamma, and for each bin a
small matrix of its gammas.
"""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jnp


class Layout:
    """Which parameter is where in an arrow; compared by identity, a static argument.

    Attributes:
        size: Number of parameters.
        corner: Positions of the parameters of the corner, shape (corner,).
        inner: Positions of the gammas, shape (layers, bins); `size` where there is none.
        place: Where each parameter is in the corner followed by the layers, shape (size,).
    """

    def __init__(self, size: int, corner: NDArray[np.int_], inner: NDArray[np.int_]) -> None:
        self.size, self.corner, self.inner = size, corner, inner
        placed = np.concatenate([corner, inner.ravel()])
        self.place = np.zeros(size + 1, dtype=int)
        self.place[placed] = np.arange(len(placed))
        self.place = self.place[:size]

    def split(self, vector: jax.Array, fill: Any) -> tuple[jax.Array, jax.Array]:
        """Values of the corner and of the gammas, with something where there is no gamma.

        Args:
            vector: Of all parameters, shape (size,).
            fill: That something.
        """
        longer = jnp.concatenate([vector, jnp.full(1, fill, dtype=vector.dtype)])
        return vector[self.corner], longer[self.inner]

    def join(self, corner: jax.Array, inner: jax.Array) -> jax.Array:
        """Values of all parameters, shape (size,); the inverse of `split`.

        Args:
            corner: Shape (corner,).
            inner: Shape (layers, bins).
        """
        return jnp.concatenate([corner, inner.ravel()])[self.place]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrow:
    """A symmetric matrix of all parameters; every array may have a leading toy axis.

    Attributes:
        corner: Shape (corner, corner).
        edge: Shape (layers, corner, bins); 0 where there is no gamma.
        inner: Shape (layers, layers, bins); those of the identity where there is no gamma.
        layout: Which parameter is where.
    """

    corner: Array
    edge: Array
    inner: Array
    layout: Layout = field(metadata={"static": True})

    @classmethod
    def identity(cls, layout: Layout, toys: int, scale: float = 1.0) -> Self:
        """Multiples of the unit matrix for many toys.

        Args:
            layout: Which parameter is where.
            toys: How many.
            scale: What they are multiples by.
        """
        n, (layers, bins) = len(layout.corner), layout.inner.shape
        units = np.broadcast_to(scale * np.eye(layers)[:, :, None], (layers, layers, bins))
        return cls(
            corner=np.tile(scale * np.eye(n), (toys, 1, 1)),
            edge=np.zeros((toys, layers, n, bins)),
            inner=np.tile(units, (toys, 1, 1, 1)),
            layout=layout,
        )

    def diagonal(self) -> jax.Array:
        """Of one toy, shape (parameters,)."""
        inner = jnp.einsum("llb->lb", self.inner)
        return self.layout.join(jnp.diag(self.corner), inner)

    def plus(self, diagonal: jax.Array) -> Self:
        """The matrix of one toy with something added to its diagonal.

        Args:
            diagonal: Shape (parameters,).
        """
        corner, inner = self.layout.split(diagonal, 0.0)
        layers = jnp.eye(len(inner))[:, :, None]
        return type(self)(
            corner=self.corner + jnp.diag(corner),
            edge=self.edge,
            inner=self.inner + layers * inner[None],
            layout=self.layout,
        )

    def reduce(self, held: jax.Array) -> Self:
        """The matrix of one toy with unit rows and columns for the parameters that are held.

        Args:
            held: Shape (parameters,).
        """
        corner, inner = self.layout.split(held, fill=True)
        outside = corner[:, None] | corner[None, :]
        layers = jnp.eye(len(inner))[:, :, None]
        return type(self)(
            corner=jnp.where(outside, jnp.eye(len(corner)), self.corner),
            edge=jnp.where(corner[None, :, None] | inner[:, None, :], 0.0, self.edge),
            inner=jnp.where(inner[:, None, :] | inner[None, :, :], layers, self.inner),
            layout=self.layout,
        )

    def dense(self) -> jax.Array:
        """All entries of one toy, shape (parameters, parameters)."""
        layers, bins = self.layout.inner.shape
        edge = jnp.swapaxes(self.edge, 0, 1).reshape(len(self.corner), layers * bins)
        inner = jnp.einsum("lmb,bc->lbmc", self.inner, jnp.eye(bins))
        inner = inner.reshape(layers * bins, layers * bins)
        whole = jnp.block([[jnp.asarray(self.corner), edge], [edge.T, inner]])
        return whole[self.layout.place[:, None], self.layout.place]
