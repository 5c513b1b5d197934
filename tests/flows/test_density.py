"""The density of all observables: normalised at every theta, and known ones exactly."""

import numpy as np
import pytest
from scipy.stats import norm

from pullfactory._jax import jax, jnp
from pullfactory.densities import family
from pullfactory.flows.conditional import Conditional
from pullfactory.flows.density import FlowDensity, gaussian_flow
from pullfactory.simulation.response import Response
from tests.flows.truth import MU, MU_SLOPES, SIGMA, SIGMA_SLOPES, gaussian, respond

RESPONSE = Response(MU, MU_SLOPES, SIGMA, SIGMA_SLOPES)
THETAS = [np.zeros(3), np.full(3, 3.0), np.full(3, -3.0)]


def bent() -> FlowDensity:
    """Two maps that change with parameters, of a bifurcated and a normal observable."""
    rng = np.random.default_rng(3)
    maps = (
        Conditional(before=0, shift_degree=0, shape_degree=0),
        Conditional(before=1, shift_degree=3, shape_degree=2),
    )
    linear = ((True, False, False), (False, True, True))
    coefficients = []
    for conditional, changes in zip(maps, linear, strict=True):
        rows = 0.15 * rng.standard_normal((4, conditional.size))
        rows[1:] *= np.array(changes)[:, None] / 3.0
        coefficients.append(rows)
    return FlowDensity(
        response=RESPONSE,
        coefficients=tuple(coefficients),
        families=(family("bifurcated_normal", {"sigma_ratio": 1.4}), family("normal", {})),
        order=(1, 0),
        maps=maps,
        linear=linear,
    )


@pytest.mark.parametrize("theta", THETAS)
def test_density_integrates_to_one(theta: np.ndarray) -> None:
    density, (location, scale) = bent(), respond(theta)
    z = np.linspace(-14.0, 14.0, 701)
    x = np.stack(np.meshgrid(*(location[:, None] + scale[:, None] * z), indexing="ij"), axis=-1)
    values = np.exp(density.log_prob(x.reshape(-1, 2), theta)).reshape(len(z), len(z))
    step = (z[1] - z[0]) * scale
    assert values.sum() * step.prod() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("theta", THETAS)
def test_gaussian_copula_is_inside(theta: np.ndarray, order: tuple[int, int]) -> None:
    truth = gaussian(-0.6)
    families = (family("normal", {}),) * 2
    density = gaussian_flow(RESPONSE, families, np.array([[1.0, -0.6], [-0.6, 1.0]]), order)
    x = truth.draw(np.random.default_rng(1), theta, 200)
    np.testing.assert_allclose(density.log_prob(x, theta), truth.log_prob(x, theta), rtol=1e-11)


def test_declared_family_is_the_marginal_of_the_first() -> None:
    member = family("voigt", {"gamma": 0.5})
    families = (member, family("normal", {}))
    matrix = np.array([[1.0, 0.7], [0.7, 1.0]])
    density = gaussian_flow(RESPONSE, families, matrix, (0, 1))
    normals = np.linspace(-9.0, 9.0, 4001)
    for u in (-3.0, 0.2, 4.0):
        x = np.stack([np.full_like(normals, MU[0] + SIGMA[0] * u), MU[1] + SIGMA[1] * normals], 1)
        marginal = np.trapezoid(np.exp(density.log_prob(x, np.zeros(3))), x[:, 1])
        wanted = float(np.exp(member.log_density(jnp.array(u)))) / SIGMA[0]
        assert marginal == pytest.approx(wanted, rel=1e-9)


def test_residuals_are_the_probability_integral_transforms() -> None:
    density, theta = bent(), np.array([0.5, -1.0, 1.0])
    x = np.array([[165.0, 80.0]])
    first, second = np.asarray(density.residuals(x, theta))[:, 0]
    location, scale = respond(theta)
    grid = location[0] + scale[0] * np.linspace(-14.0, (x[0, 0] - location[0]) / scale[0], 4001)
    both = np.stack([grid, np.full_like(grid, x[0, 1])], axis=1)
    density_at = np.exp(density.log_prob(both, theta))
    beyond = grid[-1] + np.arange(4000) * (grid[1] - grid[0])
    rest = np.exp(density.log_prob(np.stack([beyond, np.full_like(beyond, x[0, 1])], 1), theta))
    below, above = np.trapezoid(density_at, grid), np.trapezoid(rest, beyond)
    assert norm.cdf(second) == pytest.approx(below / (below + above), abs=1e-5)
    assert np.isfinite(first)


def test_coefficients_are_taken_out_and_put_back() -> None:
    density = bent()
    values = np.asarray(density.free)
    assert len(values) == 2 * 7 + 3 * density.maps[1].size  # type: ignore[union-attr]
    moved = density.with_free(values + 0.01)
    np.testing.assert_allclose(moved.free, values + 0.01)
    again = density.with_free(values)
    x = np.array([[170.0, 82.0], [190.0, 75.0]])
    np.testing.assert_array_equal(again.log_prob(x, np.ones(3)), density.log_prob(x, np.ones(3)))
    slope = jax.jacfwd(lambda free: density.with_free(free).log_prob(x, np.ones(3)))(density.free)
    assert slope.shape == (2, len(values))
