"""Linear equations of one toy, solved in JAX: the matrix symmetric, and judged by its pivots.

Symmetric elimination without pivoting on the matrix scaled to a unit diagonal. It is not LAPACK's,
which, called from several threads of one process, can wait for itself. Large matrices are
eliminated in blocks of rows, so that nearly everything is a product of matrices; an arrow first
loses its gammas, each a pivot of its own, and what is left of the corner is eliminated (Schur
complement). The pivots are the same, up to the order of the parameters.
"""

from typing import NamedTuple

import numpy as np

from pullfactory._jax import jax, jnp
from pullfactory.likelihoods.arrow import Arrow

_SINGULAR = 32 * float(np.finfo(np.float64).eps)
"""Pivot for each row, for a unit diagonal, that rounding alone may make; see `resolution`."""
_ROWS = 16  # of a block: the products outweigh the pivots, and these stay few
_MOST_BLOCKS = 12  # of few, compilation is short
_BLOCKED = 48  # parameters above which blocks are faster


def solve(matrix: jax.Array | Arrow, right: jax.Array) -> jax.Array:
    """Solution of matrix x = right; not finite unless the matrix is positive definite.

    A pivot that rounding alone may make, for a unit diagonal, is none.

    Args:
        matrix: Shape (parameters, parameters), symmetric, or an arrow.
        right: Shape (parameters,).
    """
    if isinstance(matrix, Arrow):
        return _solve_arrow(matrix, right)
    return _solve_dense(matrix, right)


def invert(matrix: jax.Array | Arrow) -> jax.Array:
    """Inverse, shape (parameters, parameters); not finite unless it is positive definite.

    Args:
        matrix: As in `solve`.
    """
    if isinstance(matrix, Arrow):
        return _invert_arrow(matrix)
    return _solve_dense(matrix, jnp.eye(len(matrix)))


def variances(arrow: Arrow) -> jax.Array:
    """Diagonal of the inverse, shape (parameters,); not finite unless it is positive definite.

    Args:
        arrow: The matrix.
    """
    layout = arrow.layout
    n_layers, bins = layout.inner.shape
    left = _without_gammas(arrow)
    unit = jnp.eye(len(layout.corner))
    corner, smallest = _scaled(left.corner, jnp.diag(arrow.corner), unit)
    units = [jnp.eye(n_layers)[:, k, None] * jnp.ones(bins) for k in range(n_layers)]
    alone = [own[k] for k, own in enumerate(left.back(left.forward(units)))]
    through = [jnp.sum(along * (corner @ along), axis=0) for along in left.back(left.edges)]
    inner = [one + other for one, other in zip(alone, through, strict=True)]
    found = layout.join(jnp.diag(corner), _stacked(inner, layout.inner.shape))
    smallest = jnp.minimum(smallest, left.smallest)
    return jnp.where(smallest > _SINGULAR * layout.size, found, jnp.nan)


def _solve_dense(matrix: jax.Array, right: jax.Array) -> jax.Array:
    solved, smallest = _scaled(matrix, jnp.diag(matrix), right)
    return jnp.where(smallest > _SINGULAR * len(matrix), solved, jnp.nan)


def _scaled(
    matrix: jax.Array, diagonal: jax.Array, right: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Solution, and the smallest pivot in units of the diagonal."""
    scale = jax.lax.rsqrt(diagonal)
    columns = right.reshape(len(matrix), -1)
    augmented = jnp.concatenate(
        [matrix * jnp.outer(scale, scale), columns * scale[:, None]], axis=1
    )
    eliminate = _eliminate if len(matrix) <= _BLOCKED else _eliminate_blocks
    rows, smallest = eliminate(augmented)
    return (rows * scale[:, None]).reshape(right.shape), smallest


def _eliminate(augmented: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What the columns beside a square matrix become when it is eliminated; smallest pivot."""
    n = len(augmented)

    def step(k: jax.Array, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        rows, smallest = state
        pivot = rows[k, k]
        row = rows[k] / pivot
        rest = jnp.where(jnp.arange(n) == k, 0.0, rows[:, k])
        rows = (rows - jnp.outer(rest, row)).at[k].set(row)
        return rows, jnp.minimum(smallest, pivot)

    rows, smallest = jax.lax.fori_loop(0, n, step, (augmented, jnp.inf))
    return rows[:, n:], smallest


def _eliminate_blocks(augmented: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The same, some rows at once: downwards, and back upwards."""
    n = len(augmented)
    blocks = min(-(-n // _ROWS), _MOST_BLOCKS)
    height = -(-n // blocks)
    size = blocks * height
    rest = jnp.eye(size).at[:n, :n].set(augmented[:, :n])
    columns = jnp.pad(augmented[:, n:], ((0, size - n), (0, 0)))
    rest = jnp.concatenate([rest, columns], axis=1)
    done, smallest = [], jnp.asarray(jnp.inf)
    for _ in range(blocks):
        pivots = jnp.concatenate([rest[:height, :height], jnp.eye(height)], axis=1)
        inverse, least = _eliminate(pivots)
        block = inverse @ rest[:height, height:]
        rest = rest[height:, height:] - rest[height:, :height] @ block
        done.append(block)
        smallest = jnp.minimum(smallest, least)
    solved = columns[:0]
    for block in reversed(done):
        later = len(solved)
        solved = jnp.concatenate([block[:, later:] - block[:, :later] @ solved, solved])
    return solved[:n], smallest


class _Eliminated(NamedTuple):
    """An arrow without its gammas.

    Attributes:
        pivots: Of the gammas, one a layer, each of shape (bins,).
        factors: What was subtracted of earlier layers, by pairs of layers.
        beside: Entries of a layer with later ones when it was eliminated, by pairs.
        edges: Of each layer when it was eliminated, shape (corner, bins).
        corner: What is left of it.
        smallest: Pivot of a gamma, in units of its diagonal.
    """

    pivots: list[jax.Array]
    factors: dict[tuple[int, int], jax.Array]
    beside: dict[tuple[int, int], jax.Array]
    edges: list[jax.Array]
    corner: jax.Array
    smallest: jax.Array

    def forward(self, layers: list[jax.Array]) -> list[jax.Array]:
        """Right-hand sides of the gammas, shape (..., bins), after elimination."""
        done: list[jax.Array] = []
        for m, layer in enumerate(layers):
            done.append(layer - sum(self.factors[m, k] * done[k] for k in range(m)))
        return done

    def back(self, layers: list[jax.Array]) -> list[jax.Array]:
        """Solutions of the gammas from eliminated right-hand sides, shape (..., bins)."""
        found: dict[int, jax.Array] = {}
        for k in reversed(range(len(layers))):
            later = sum(self.beside[k, m] * found[m] for m in range(k + 1, len(layers)))
            found[k] = (layers[k] - later) / self.pivots[k]
        return [found[k] for k in range(len(layers))]


def _without_gammas(arrow: Arrow) -> _Eliminated:
    n_layers = len(arrow.inner)
    inner = {(k, m): arrow.inner[k, m] for k in range(n_layers) for m in range(n_layers)}
    edges = [jnp.asarray(arrow.edge[k]) for k in range(n_layers)]
    corner, smallest = jnp.asarray(arrow.corner), jnp.asarray(jnp.inf)
    factors: dict[tuple[int, int], jax.Array] = {}
    for k in range(n_layers):
        pivot = inner[k, k]
        smallest = jnp.minimum(smallest, jnp.min(pivot / arrow.inner[k, k]))
        smallest = jnp.where(jnp.all(pivot > 0), smallest, -1.0)
        for m in range(k + 1, n_layers):
            factors[m, k] = inner[m, k] / pivot
            edges[m] = edges[m] - factors[m, k] * edges[k]
            for j in range(k + 1, n_layers):
                inner[m, j] = inner[m, j] - factors[m, k] * inner[k, j]
        corner = corner - (edges[k] / pivot) @ edges[k].T
    pivots = [inner[k, k] for k in range(n_layers)]
    return _Eliminated(pivots, factors, inner, edges, corner, smallest)


def _solve_arrow(arrow: Arrow, right: jax.Array) -> jax.Array:
    layout = arrow.layout
    left = _without_gammas(arrow)
    ours, theirs = layout.split(right, 0.0)
    layers = left.forward(list(theirs))
    for edge, pivot, layer in zip(left.edges, left.pivots, layers, strict=True):
        ours = ours - edge @ (layer / pivot)
    corner, smallest = _scaled(left.corner, jnp.diag(arrow.corner), ours)
    layers = left.back(
        [layer - corner @ edge for layer, edge in zip(layers, left.edges, strict=True)]
    )
    solved = layout.join(corner, _stacked(layers, layout.inner.shape))
    smallest = jnp.minimum(smallest, left.smallest)
    return jnp.where(smallest > _SINGULAR * layout.size, solved, jnp.nan)


def _invert_arrow(arrow: Arrow) -> jax.Array:
    layout = arrow.layout
    n_layers, bins = layout.inner.shape
    left = _without_gammas(arrow)
    unit = jnp.eye(len(layout.corner))
    corner, smallest = _scaled(left.corner, jnp.diag(arrow.corner), unit)
    along = jnp.concatenate([unit[:, :0], *left.back(left.edges)], axis=1)
    edge = -corner @ along
    units = [jnp.eye(n_layers)[:, k, None] * jnp.ones(bins) for k in range(n_layers)]
    own = _stacked(left.back(left.forward(units)), (n_layers, n_layers, bins))
    own = jnp.einsum("lmb,bc->lbmc", own, jnp.eye(bins))
    inner = own.reshape(n_layers * bins, n_layers * bins) - along.T @ edge
    whole = jnp.block([[corner, edge], [edge.T, inner]])
    whole = whole[layout.place[:, None], layout.place]
    smallest = jnp.minimum(smallest, left.smallest)
    return jnp.where(smallest > _SINGULAR * layout.size, whole, jnp.nan)


def _stacked(layers: list[jax.Array], shape: tuple[int, ...]) -> jax.Array:
    return jnp.stack(layers) if layers else jnp.zeros(shape)
