"""The likelihood of a density that is given: value, derivatives, and what it refuses."""

import re
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

import pullfactory as pf
from pullfactory import Study
from pullfactory.errors import LikelihoodError
from pullfactory.likelihoods.density import DensityLikelihood
from pullfactory.methods import Method
from pullfactory.simulation.toys import ToyBlock
from tests.likelihoods.true_density import RHO, log_prob, true_response

STUDY = Study.preset("poster").with_settings(
    {
        "calibration.source": "exact",
        "ensemble.n_events": 300,
        "ensemble.n_toys": 64,
        "ensemble.rho": [RHO],
        "methods": ["unbinned_joint"],
    }
)
THETA = np.array([0.4, -0.7, 0.9])


@pytest.fixture(scope="module")
def methods() -> tuple[Method, Method]:
    calibration = pf.calibrate(STUDY)
    given = pf.density_method(log_prob)
    return tuple(pf.build_method(one, calibration, RHO) for one in ("unbinned_joint", given))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def block() -> ToyBlock:
    """Sixteen toys with weights: events of the weight 2 stand for two."""
    drawn = pf.draw_toys(STUDY, 0, RHO)
    weights = np.random.default_rng(3).integers(0, 3, size=drawn.events.shape[:2]).astype(float)
    some = {key: getattr(drawn, key)[:16] for key in ("theta_true", "aux", "events")}
    return replace(drawn, **some, event_weights=weights[:16])


def of_toy(method: Method, block: ToyBlock, toy: int) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[toy], method.observe(block).data)


def test_value_is_that_of_scipy(methods: tuple[Method, Method], block: ToyBlock) -> None:
    mu, sigma = true_response(THETA)
    covariance = np.outer(sigma, sigma) * [[1, RHO], [RHO, 1]]
    each = multivariate_normal(mu, covariance).logpdf(block.events[2])
    assert block.event_weights is not None
    expected = 0.5 * (0.7**2 + 0.9**2) - (block.event_weights[2] * each).sum()
    likelihood = methods[1].likelihood
    found = likelihood.nll(jnp.asarray(THETA), of_toy(methods[1], block, 2))
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_derivatives_are_those_of_the_copula(
    methods: tuple[Method, Method], block: ToyBlock
) -> None:
    """The same density in closed form: gradient, Hessian, covariance of the score."""
    theta = jnp.asarray(THETA)
    joint, given = (
        jax.jit(one.likelihood.expansion)(theta, of_toy(one, block, 0)) for one in methods
    )
    assert float(given.nll) == pytest.approx(float(joint.nll), rel=1e-12)
    np.testing.assert_allclose(given.gradient, joint.gradient, rtol=1e-9, atol=1e-9)
    hessian = jax.jit(methods[1].likelihood.hessian)(theta, of_toy(methods[1], block, 0))
    np.testing.assert_allclose(hessian, joint.curvature, rtol=1e-9, atol=1e-9)
    scatters = [one.scatter(np.tile(THETA, (16, 1)), one.observe(block).pairs) for one in methods]
    np.testing.assert_allclose(scatters[1], scatters[0], rtol=1e-9, atol=1e-9)


def test_steps_take_the_products_of_the_scores(
    methods: tuple[Method, Method], block: ToyBlock
) -> None:
    likelihood = methods[1].likelihood
    assert isinstance(likelihood, DensityLikelihood)
    data = of_toy(methods[1], block, 0)
    scores = np.asarray(likelihood.scores(jnp.asarray(THETA), data.events))
    expected = (scores * np.asarray(data.weights)) @ scores.T + np.diag([0.0, 1.0, 1.0])
    found = likelihood.expansion(jnp.asarray(THETA), data).curvature
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_fits_are_those_of_the_copula(methods: tuple[Method, Method], block: ToyBlock) -> None:
    """Within the distance to the minimum at which a fit ends, 4e-5 errors."""
    joint, given = (pf.fit_events(one, block) for one in methods)
    assert np.all(given.status == joint.status)
    assert np.all(np.abs(given.estimate - joint.estimate) < 1e-4 * joint.error)
    np.testing.assert_allclose(given.error, joint.error, rtol=1e-4)
    np.testing.assert_allclose(given.corrected_error, joint.corrected_error, rtol=1e-4)


def build(density: Any) -> Method:
    return pf.build_method(pf.density_method(density), pf.calibrate(STUDY), RHO)


@pytest.mark.parametrize(
    ("density", "complaint"),
    [
        (lambda x, t: log_prob(x, t).sum(), r"gives shape \(\) for 2 events; .* shape \(2,\)"),
        (lambda x, t: log_prob(x, t)[:, None], r"gives shape \(2, 1\) for 2 events"),
        (lambda x, _t: np.asarray(x).sum(axis=1), "write it with jax.numpy"),
        (lambda x, t: log_prob(x, t)[x.shape[0] : "a"], "fails for x of shape"),
        (lambda x, t: log_prob(x, t).astype(jnp.float32), "gives float32 numbers"),
        (lambda x, t: [log_prob(x, t)], "gives a list for 2 events"),
        (lambda _x, _t: 1.0, r"'density': log_prob\(x, theta\) gives shape \(\) for 2 events"),
        (lambda x, t: log_prob(x, t) if t[0] > 0 else None, "boolean conversion of traced"),
        (lambda _x, _t: None, "gives a NoneType for 2 events"),
        (3.0, "has no density; give a function"),
        (lambda x, t: log_prob(x, t) * jnp.nan, "is nan at x = .* for 16384 of 16384 simulated"),
        (lambda x, t: jnp.where(x[:, 0] > 182.2, -jnp.inf, log_prob(x, t)), "-inf at x = .*"),
    ],
)
def test_what_is_no_density_is_refused(density: Any, complaint: str) -> None:
    with pytest.raises(LikelihoodError, match=complaint):
        build(density)


def test_events_without_a_density_are_counted() -> None:
    """Beyond one standard deviation are 15.9 % of 16384 events, within 5 errors of 0.3 %."""
    with pytest.raises(LikelihoodError) as refused:
        build(lambda x, t: jnp.where(x[:, 0] > 171.8 + 10.4, jnp.nan, log_prob(x, t)))
    found = re.search(r"no finite number for (\d+) of 16384 simulated events", str(refused.value))
    assert found is not None
    assert int(found[1]) / 16384 == pytest.approx(norm.sf(1.0), abs=5 * 0.003)


def test_events_that_it_cannot_take_are_refused(
    methods: tuple[Method, Method], block: ToyBlock
) -> None:
    assert block.event_weights is not None
    negative = replace(block, event_weights=block.event_weights - 1.0)
    with pytest.raises(LikelihoodError, match=r"events have negative weights .* fit them binned"):
        methods[1].observe(negative)
    events = block.events.copy()
    events[0, :3, 1] = np.nan
    events[1, block.event_weights[1] == 0, 0] = np.nan
    counted = int(np.sum(block.event_weights[0, :3] != 0))
    with pytest.raises(LikelihoodError, match=f"{counted} of 4800 events lack an observable"):
        methods[1].observe(replace(block, events=events))
