"""Where the bulk of the events is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pullfactory.calibration.held_out import HeldOut
from pullfactory.inference.core import core
from pullfactory.inference.density_answer import Judged
from pullfactory.inference.density_sums import Ensemble
from pullfactory.inference.density_verdict import judge_density
from pullfactory.inference.transforms import transforms
from pullfactory.likelihoods.density import DensityLikelihood

SLOPE, LEAN = 0.1, 0.7


def cauchy(theta: float, events: int, seed: int) -> HeldOut:
    """A Cauchy number that moves with theta, and another that leans on it."""
    a, b = np.random.default_rng([seed, 7]).standard_cauchy((2, events))
    return HeldOut(np.array([theta]), np.stack([a + SLOPE * theta, b + LEAN * a], 1), None, seed)


def true(x: jax.Array, theta: jax.Array) -> jax.Array:
    a = x[:, 0] - SLOPE * theta[0]
    squares = jnp.stack([a, x[:, 1] - LEAN * a]) ** 2
    return jnp.asarray(-2.0 * np.log(np.pi) - jnp.log1p(squares).sum(axis=0))


def product(x: jax.Array, theta: jax.Array) -> jax.Array:
    """Right marginals: b is a Cauchy number of the scale 1 + LEAN."""
    squares = jnp.stack([x[:, 0] - SLOPE * theta[0], x[:, 1] / (1.0 + LEAN)]) ** 2
    return jnp.asarray(-2.0 * np.log(np.pi) - np.log(1.0 + LEAN) - jnp.log1p(squares).sum(axis=0))


def likelihood(density: object) -> DensityLikelihood:
    return DensityLikelihood(
        density=jax.tree_util.Partial(density),  # type: ignore[no-untyped-call]
        limits=np.array([[-10.0, 10.0]]),
        names=("t",),
        constraint=np.zeros((1, 1)),
        constrained=(),
    )


def test_mean_and_standard_deviation_unless_tails_make_them() -> None:
    rng = np.random.default_rng(1)
    light = rng.standard_normal((20_000, 2)) * [2.0, 5.0]
    assert_array_equal(core(light), [light.mean(axis=0), light.std(axis=0)])
    centre, spread = core(cauchy(0.0, 200_000, 1).events[:, :1])
    # the quantiles at one standard deviation are 1.818 on either side, 0.006 their standard error
    assert centre[0] == pytest.approx(0.0, abs=0.02)
    assert spread[0] == pytest.approx(1.5 * 1.818, abs=0.04)
    assert core(np.repeat([[0.0], [1.0]], [990, 10], axis=0))[1] == pytest.approx(np.sqrt(0.0099))


def test_transforms_of_a_right_density_are_uniform_whatever_its_tails() -> None:
    for one in transforms(likelihood(true), cauchy(0.0, 4000, 1)):
        assert one.p_value > 1e-3


@pytest.mark.slow
def test_what_a_fit_leaves_unused_is_seen_whatever_the_tails() -> None:
    """The error of the product is 1.22 times that of the true density."""
    samples = [cauchy(theta, 400_000, i) for i, theta in enumerate((0.0, 1.0, -1.0))]
    none = np.zeros((1, 1))
    judged = Judged("density", 0.0, ("a", "b"), Ensemble(100, none, none), np.zeros(1), None, "")
    assert judge_density(likelihood(true), samples, judged).answer != "does not close"
    verdict = judge_density(likelihood(product), samples, judged)
    assert verdict.answer == "does not close"
    assert verdict.reason is not None
    assert "times what the events allow" in verdict.reason
