"""The map of one observable: increasing, exact derivatives, a density for all coefficients."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory._jax import jax, jnp
from pullfactory.flows.conditional import Conditional
from pullfactory.flows.sums import FlowSample, density_sums, event_gradients

MAPS = [
    Conditional(before=0, shift_degree=0, shape_degree=0),
    Conditional(before=1, shift_degree=3, shape_degree=2),
    Conditional(before=2, shift_degree=2, shape_degree=1),
]


def some(conditional: Conditional, events: int = 40) -> tuple[NDArray[np.float64], ...]:
    """Scores, weights, coefficients."""
    rng = np.random.default_rng(conditional.before)
    scores = 1.5 * rng.standard_normal((conditional.before + 1, events))
    return scores, 0.5 + rng.random(events), 0.3 * rng.standard_normal(conditional.size)


@pytest.mark.parametrize("conditional", MAPS)
def test_map_is_identity_without_coefficients(conditional: Conditional) -> None:
    scores, _, coefficients = some(conditional)
    value, slope = conditional.map(list(scores[:-1]), scores[-1], 0.0 * coefficients)
    np.testing.assert_allclose(value, scores[-1], atol=1e-14)
    np.testing.assert_allclose(slope, 1.0, atol=1e-14)


@pytest.mark.parametrize("conditional", MAPS)
def test_slope_is_the_derivative_of_the_map(conditional: Conditional) -> None:
    scores, _, coefficients = some(conditional)
    given, step = list(scores[:-1]), 1e-5
    up, down = (
        np.asarray(conditional.map(given, scores[-1] + move, coefficients)[0])
        for move in (step, -step)
    )
    slope = conditional.map(given, scores[-1], coefficients)[1]
    np.testing.assert_allclose(slope, (up - down) / (2 * step), rtol=1e-7)
    assert np.all(np.asarray(slope) > 0.0)


@pytest.mark.parametrize("conditional", MAPS)
def test_density_is_normalised_whatever_the_coefficients(conditional: Conditional) -> None:
    scores, _, coefficients = some(conditional, 3)
    grid = np.linspace(-40.0, 40.0, 40001)
    for event in scores.T:
        given = [np.full_like(grid, q) for q in event[:-1]]
        density = np.exp(conditional.log_density(given, grid, 3.0 * coefficients))
        assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("conditional", MAPS[2:])
def test_sums_are_derivatives_of_the_log_density(conditional: Conditional) -> None:
    scores, weights, coefficients = some(conditional)

    def total(at: jax.Array) -> jax.Array:
        log_density = conditional.log_density(list(scores[:-1]), scores[-1], at)
        return jnp.sum(jnp.asarray(weights) * log_density)

    found = density_sums(conditional, FlowSample(np.zeros(1), scores, weights, 0), coefficients)
    at = jnp.asarray(coefficients)
    constant = 0.5 * np.log(2 * np.pi) * weights.sum()
    assert found.value - constant == pytest.approx(float(total(at)), rel=1e-12)
    assert found.weight == pytest.approx(weights.sum())
    np.testing.assert_allclose(found.gradient, jax.jit(jax.grad(total))(at), atol=1e-11)
    np.testing.assert_allclose(found.hessian, -jax.jit(jax.hessian(total))(at), atol=1e-10)
    assert np.linalg.eigvalsh(found.outline).min() > 0.0
    each = np.asarray(event_gradients(conditional, scores, coefficients))
    np.testing.assert_allclose(each @ weights, found.gradient, atol=1e-11)
