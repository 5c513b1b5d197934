"""A flow learns truths that numpy drew, the same bits each time, with errors that are right."""

import numpy as np
import pytest

from pullfactory.densities import family
from pullfactory.errors import CalibrationError
from pullfactory.flows.learning import FlowPlan, LearntFlow, Shape, influences, learn_flow
from pullfactory.flows.sums import FlowSample
from pullfactory.simulation.response import Response
from tests.flows.truth import (
    AXES,
    MU,
    MU_SLOPES,
    SIGMA,
    SIGMA_SLOPES,
    Truth,
    classes,
    gaussian,
    respond,
)

RESPONSE = Response(MU, MU_SLOPES, SIGMA, SIGMA_SLOPES)
FAMILIES = (family("normal", {}),) * 2


def sample(truth: Truth, n: int, seed: int = 0) -> list[FlowSample]:
    """Independent samples at the mass points; JSF and JRF vary the events of the nominal one."""
    found = []
    for theta in AXES:
        owner = int(theta[0])
        events = truth.draw(np.random.default_rng([seed, owner + 1]), theta.astype(float), n)
        location, scale = respond(theta)
        scores = np.ascontiguousarray(((events - location) / scale).T)
        found.append(FlowSample(theta.astype(float), scores, None, owner))
    return found


def learn(
    samples: list[FlowSample], degree: int = 3, shape: Shape = "fixed", declared: bool = True
) -> LearntFlow:
    plan = FlowPlan(
        observables=("m_t", "m_W"),
        parameters=("m_t", "JSF", "JRF"),
        order=(0, 1),
        shape=shape,
        degree=degree,
        declared=declared,
    )
    return learn_flow(samples, RESPONSE, FAMILIES, plan)


def test_truth_is_learnt_as_well_as_events_allow() -> None:
    """The loss of log likelihood per event is P / 2n in the mean; chance makes it no 4 times."""
    truth, n = gaussian(0.5), 20_000
    flow = learn(sample(truth, n), degree=1)
    events = truth.draw(np.random.default_rng(5), np.zeros(3), 100_000)
    theta = np.zeros(3)
    lost = np.mean(truth.log_prob(events, theta) - np.asarray(flow.density.log_prob(events, theta)))
    expected = len(flow.covariance) / (2 * 3 * n)
    assert 0.0 < lost < 4 * expected


def test_same_events_give_the_same_bits() -> None:
    samples = sample(classes(), 3000)
    one, other = (learn(samples, shape="linear", declared=False) for _ in range(2))
    np.testing.assert_array_equal(one.density.free, other.density.free)
    np.testing.assert_array_equal(one.covariance, other.covariance)
    assert one.degrees == other.degrees


def test_covariance_is_that_of_repeated_samples() -> None:
    """Coefficients of 60 samples scatter as told: chi-square of each within 5 standard errors."""
    truth, repeats = gaussian(0.5), 60
    flows = [learn(sample(truth, 2000, seed), degree=1) for seed in range(repeats)]
    values = np.array([np.asarray(flow.density.free) for flow in flows])
    told = np.mean([flow.covariance for flow in flows], axis=0)
    whole = np.linalg.solve(told, np.cov(values, rowvar=False)).trace() / len(told)
    assert whole == pytest.approx(1.0, abs=5 * np.sqrt(2 / (repeats * len(told))))


def test_influences_sum_to_what_the_prior_pulls() -> None:
    flow = learn(sample(gaussian(0.5), 3000), degree=1)
    samples = sample(gaussian(0.5), 3000)
    total = sum(part.sum(axis=1) for _, _, part in influences(flow.density, samples))
    np.testing.assert_allclose(total, flow.density.free, atol=0.05)


def test_weights_count_as_repeated_events() -> None:
    """Weights 1 and 2, and the events of weight 2 twice, have the same maximum."""
    samples = sample(gaussian(0.5), 3000)[:3]
    twice = [np.where(np.arange(3000) % 2, 2.0, 1.0) for _ in samples]
    weighed = [one._replace(weights=w) for one, w in zip(samples, twice, strict=True)]
    repeated = [
        one._replace(scores=np.repeat(one.scores, w.astype(int), axis=1))
        for one, w in zip(samples, twice, strict=True)
    ]
    first, second = learn(weighed, degree=1), learn(repeated, degree=1)
    np.testing.assert_allclose(first.density.free, second.density.free, atol=1e-6)
    assert np.all(np.diag(first.covariance) > 1.05 * np.diag(second.covariance))


def test_negative_weights_are_refused() -> None:
    weights = np.ones(100)
    weights[3] = -1.0
    samples = [one._replace(weights=weights) for one in sample(gaussian(0.0), 100)]
    with pytest.raises(CalibrationError, match=r"1 of 100 .* negative weights"):
        learn(samples)


def test_changes_are_found_where_they_are() -> None:
    same = learn(sample(gaussian(0.5), 20_000), shape="auto")
    assert not any(row.linear for row in same.changes)
    other = learn(sample(classes(), 20_000), shape="auto", declared=False)
    assert {row.parameter for row in other.changes if row.linear} >= {0, 2}
    fixed = [row for row in other.changes if row.parameter == 1]
    assert not any(row.linear for row in fixed)  # JSF moves all classes alike
    assert all(row.loss < 1e-6 for row in fixed)
