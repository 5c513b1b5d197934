"""The integral of a density, where it is known to be 1."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory.likelihoods.integral import integral

Array = NDArray[np.float64]


def student(events: jax.Array, theta: jax.Array) -> jax.Array:
    """Three observables with Student's t of 3 degrees of freedom around theta, uncorrelated."""
    distance = jnp.sum((events - theta[0]) ** 2, axis=1)
    return jnp.asarray(
        np.log(4.0 / (3.0 * np.sqrt(3.0) * np.pi**2)) - 3.0 * jnp.log1p(distance / 3.0)
    )


def banana(events: jax.Array, theta: jax.Array) -> jax.Array:
    """A Gaussian, and another one whose mean and width follow it."""
    first, second = events[:, 0] - theta[0], events[:, 1]
    width = jnp.exp(0.6 * first)
    second = (second - first**2) / width
    return -0.5 * (first**2 + second**2) - jnp.log(2.0 * jnp.pi * width)


def heavy(random: np.random.Generator) -> Array:
    u, chi2 = random.standard_normal((4000, 3)), random.chisquare(3.0, (4000, 1))
    return np.asarray(u * np.sqrt(3.0 / chi2))


def bent(random: np.random.Generator) -> Array:
    u = random.standard_normal((4000, 2))
    return np.stack([u[:, 0], u[:, 0] ** 2 + np.exp(0.6 * u[:, 0]) * u[:, 1]], axis=1)


@pytest.mark.parametrize(("density", "draw"), [(student, heavy), (banana, bent)])
def test_a_density_integrates_to_one(density, draw) -> None:  # type: ignore[no-untyped-def]
    """Within 4 of its standard errors, which are below 2 %; twice the density to 2."""
    random, theta = np.random.default_rng(5), np.zeros(1)
    events = draw(random)
    found = integral(density, theta, events, random)
    assert found.error < 0.02
    assert found.value == pytest.approx(1.0, abs=4 * found.error)
    twice = integral(lambda x, at: density(x, at) + np.log(2.0), theta, events, random)
    assert twice.value == pytest.approx(2.0, abs=4 * twice.error)


def test_where_a_density_is_no_number_it_is_none() -> None:
    """Half of a Gaussian, not defined elsewhere, integrates to a half."""
    random = np.random.default_rng(6)
    events = np.abs(random.standard_normal((4000, 1)))
    found = integral(
        lambda x, _: jnp.log(jnp.sqrt(x[:, 0])) * 0.0 - 0.5 * (x[:, 0] ** 2 + np.log(2 * np.pi)),
        np.zeros(1),
        events,
        random,
    )
    assert found.value == pytest.approx(0.5, abs=4 * found.error)
