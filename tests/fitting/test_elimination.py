"""Solving: arrows and large matrices as NumPy does, and nothing of what is not definite."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory.fitting import elimination
from pullfactory.likelihoods.arrow import Arrow, Layout

LAYERS, BINS, CORNER = 3, 5, 4
solve, invert = jax.jit(elimination.solve), jax.jit(elimination.invert)
variances = jax.jit(elimination.variances)
CONDITION = 1e3  # of the matrices below, at most
CLOSE = 1e3 * CONDITION * float(np.finfo(float).eps)


def _layout() -> Layout:
    """A parameter order that mixes them, and a bin with one gamma only."""
    size = CORNER + LAYERS * BINS - 2
    order = np.random.default_rng(1).permutation(size)
    inner = np.full((LAYERS, BINS), size)
    inner[0], inner[1, :4], inner[2, :4] = order[4:9], order[9:13], order[13:17]
    return Layout(size, order[:CORNER], inner)


def _arrow(layout: Layout) -> tuple[Arrow, NDArray[np.float64]]:
    """Of a definite matrix, and that matrix."""
    rng = np.random.default_rng(2)
    place = layout.inner
    dense = np.zeros((layout.size + 1, layout.size + 1))
    dense[np.ix_(layout.corner, layout.corner)] = 0.1 * rng.standard_normal((CORNER, CORNER))
    for b in range(BINS):
        own = [*layout.corner, *place[:, b]]
        rows = rng.standard_normal((len(own), 2 * len(own)))
        block = rows @ rows.T / len(own)
        dense[np.ix_(own, own)] += block
    dense = (dense + dense.T + np.eye(len(dense)))[:-1, :-1]
    whole = np.pad(dense, (0, 1))
    whole[-1, -1] = 1.0
    inner = whole[place[:, None], place]
    none = (place == layout.size)[:, None] | (place == layout.size)
    inner = np.where(none, np.eye(LAYERS)[:, :, None], inner)
    edge = whole[layout.corner[None, :, None], place[:, None, :]]
    corner = dense[np.ix_(layout.corner, layout.corner)]
    return Arrow(corner=corner, edge=edge, inner=inner, layout=layout), dense


def test_an_arrow_is_its_matrix() -> None:
    layout = _layout()
    arrow, dense = _arrow(layout)
    np.testing.assert_array_equal(arrow.dense(), dense)
    np.testing.assert_array_equal(arrow.diagonal(), np.diag(dense))
    added = jnp.arange(layout.size, dtype=float)
    np.testing.assert_array_equal(arrow.plus(added).dense(), dense + np.diag(added))
    held = np.random.default_rng(3).random(layout.size) < 0.3
    assert 0 < held.sum() < layout.size
    reduced = np.where(held[:, None] | held, np.eye(layout.size), dense)
    np.testing.assert_array_equal(arrow.reduce(jax.numpy.asarray(held)).dense(), reduced)
    identity = jax.vmap(Arrow.dense)(Arrow.identity(layout, 2, 3.0))
    np.testing.assert_array_equal(identity, np.tile(3.0 * np.eye(layout.size), (2, 1, 1)))


def test_an_arrow_is_solved() -> None:
    layout = _layout()
    arrow, dense = _arrow(layout)
    assert np.linalg.cond(dense) < CONDITION
    right = np.random.default_rng(4).standard_normal(layout.size)
    expected = np.linalg.solve(dense, right)
    np.testing.assert_allclose(
        solve(arrow, jax.numpy.asarray(right)), expected, atol=CLOSE * np.abs(expected).max()
    )
    inverse = np.linalg.inv(dense)
    np.testing.assert_allclose(invert(arrow), inverse, atol=CLOSE * np.abs(inverse).max())
    diagonal = np.diag(inverse)
    np.testing.assert_allclose(variances(arrow), diagonal, atol=CLOSE * diagonal.max())


@pytest.mark.parametrize("n", [5, 49, 64, 100])
def test_a_matrix_is_solved(n: int) -> None:
    """In blocks or not, full blocks or not."""
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((n, 4 * n))
    matrix, right = rows @ rows.T, rng.standard_normal(n)
    assert np.linalg.cond(matrix) < CONDITION
    expected, inverse = np.linalg.solve(matrix, right), np.linalg.inv(matrix)
    found = solve(jax.numpy.asarray(matrix), jax.numpy.asarray(right))
    np.testing.assert_allclose(found, expected, atol=CLOSE * np.abs(expected).max())
    again = invert(jax.numpy.asarray(matrix))
    np.testing.assert_allclose(again, inverse, atol=CLOSE * np.abs(inverse).max())


@pytest.mark.parametrize("value", [0.0, -1e-3])
@pytest.mark.parametrize("n", [5, 64])
def test_a_flat_direction_of_a_matrix_has_no_solution(n: int, value: float) -> None:
    rng = np.random.default_rng(6)
    vectors = np.linalg.qr(rng.standard_normal((n, n)))[0]
    values = np.ones(n)
    values[0] = value
    matrix = jax.numpy.asarray((vectors * values) @ vectors.T)
    for found in (solve(matrix, jax.numpy.ones(n)), invert(matrix)):
        # Whether a zero comes out as positive is a matter of rounding, and then nothing is small.
        beyond = value == 0.0 and np.abs(found).max() > 1e10
        assert np.all(np.isnan(found)) or beyond


@pytest.mark.parametrize("where", ["corner", "inner", "pair"])
@pytest.mark.parametrize("value", [0.0, -1e-3])
def test_a_flat_direction_of_an_arrow_has_no_solution(where: str, value: float) -> None:
    """In the corner, where one gamma does nothing, and where two gammas do the same."""
    layout = _layout()
    arrow, _ = _arrow(layout)
    corner, edge, inner = (np.array(part) for part in (arrow.corner, arrow.edge, arrow.inner))
    edge[:] = 0.0
    if where == "corner":
        corner = np.eye(CORNER)
        corner[:2, :2] = [[1.0, 1.0], [1.0, 1.0 + value]]
    elif where == "inner":
        inner[:, 0, 1] = inner[0, :, 1] = 0.0
        inner[0, 0, 1] = value
    else:
        inner[:, :, 2] = np.eye(LAYERS)
        inner[:2, :2, 2] = [[1.0, 1.0], [1.0, 1.0 + value]]
    bad = Arrow(corner=corner, edge=edge, inner=inner, layout=layout)
    assert np.all(np.isnan(solve(bad, jax.numpy.ones(layout.size))))
    assert np.all(np.isnan(invert(bad)))
    assert np.all(np.isnan(variances(bad)))
