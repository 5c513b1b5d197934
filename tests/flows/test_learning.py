"""A flow learns truths that numpy drew, the same bits each time, with errors that are right."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, multivariate_normal, norm, rankdata

from pullfactory.densities import family
from pullfactory.errors import CalibrationError
from pullfactory.flows.conditional import Conditional
from pullfactory.flows.learning import FlowPlan, LearntFlow, Shape, influences, learn_flow
from pullfactory.flows.sums import FlowSample, log_densities
from pullfactory.flows.training import train_map
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
    """Weights 1 and 2, and the events of weight 2 twice, have the same maximum but for the prior.

    It moves coefficients by less for 13 500 events than for the 8100 that the weighted ones count
    as; log densities differ by 0.011 at most, and without weights by 0.05.
    """
    samples = sample(gaussian(0.5), 3000)[:3]
    twice = [np.where(np.arange(3000) % 2, 2.0, 1.0) for _ in samples]
    weighed = [one._replace(weights=w) for one, w in zip(samples, twice, strict=True)]
    repeated = [
        one._replace(scores=np.repeat(one.scores, w.astype(int), axis=1))
        for one, w in zip(samples, twice, strict=True)
    ]
    first, second = learn(weighed, degree=1), learn(repeated, degree=1)
    events, theta = gaussian(0.5).draw(np.random.default_rng(1), np.zeros(3), 1000), np.zeros(3)
    values = [one.density.log_prob(events, theta) for one in (first, second)]
    np.testing.assert_allclose(values[0], values[1], atol=0.015)
    assert np.all(np.diag(first.covariance) > 1.05 * np.diag(second.covariance))


def weighed(n: int, scale: float = 1.0, seed: int = 0) -> list[FlowSample]:
    """Events of a wider density without correlation, with weights for one with 0.5."""
    wide, found = 1.3, []
    for one in sample(gaussian(0.0), n, seed):
        scores = wide * one.scores
        truth = multivariate_normal([0.0, 0.0], [[1.0, 0.5], [0.5, 1.0]]).pdf(scores.T)
        weights = truth / norm.pdf(scores, scale=wide).prod(axis=0)
        found.append(one._replace(scores=scores, weights=scale * weights))
    return found


def test_weighted_events_are_those_of_the_density_that_they_weigh_to() -> None:
    """A Gaussian copula is inside a map of degree 1: 9 known coefficients, and a chi-square."""
    samples, true = weighed(20_000), np.sqrt(0.75)
    flow = learn(samples, degree=1)
    known = np.array([0.0, 0.0, -0.5 / true, *[-np.log(true)] * 6])
    off = np.asarray(flow.density.free) - known
    assert chi2.sf(off @ np.linalg.solve(flow.covariance, off), 9) > 1e-3
    alike = learn(sample(gaussian(0.5), 20_000), degree=1)
    effective = flow.events / alike.events
    integral = 1.3**2 / 0.75 / np.sqrt((2 / 1.5 - 1 / 1.69) * (2 / 0.5 - 1 / 1.69))  # of p^2 / q
    assert effective == pytest.approx(1 / integral, rel=0.02)
    unweighed = learn([one._replace(weights=None) for one in samples], degree=1)
    off = np.asarray(unweighed.density.free) - known
    assert chi2.sf(off @ np.linalg.solve(unweighed.covariance, off), 9) < 1e-9
    other = learn(weighed(20_000, scale=1e-4), degree=1)
    np.testing.assert_allclose(other.density.free, flow.density.free, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(other.covariance, flow.covariance, rtol=1e-6, atol=1e-15)


def test_errors_of_weighted_events_are_those_of_repeated_samples() -> None:
    """Coefficients of 40 samples scatter as told: chi-square of all within 5 standard errors."""
    flows = [learn(weighed(2000, seed=seed), degree=1) for seed in range(40)]
    values = np.array([np.asarray(flow.density.free) for flow in flows])
    told = np.mean([flow.covariance for flow in flows], axis=0)
    whole = np.linalg.solve(told, np.cov(values, rowvar=False)).trace() / len(told)
    assert whole == pytest.approx(1.0, abs=5 * np.sqrt(2 / (40 * len(told))))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_ring_is_learnt(seed: int) -> None:
    """Given m_t there are two peaks of m_W: the steps to the maximum are many, and end there.

    Its density has 0.675 of the log likelihood per event over that of independent observables
    (by numerical integration); a polynomial map has part of that.
    """

    def ring(events: int, stream: int) -> FlowSample:
        rng = np.random.default_rng([seed, stream])
        radius, angle = 10 + rng.standard_normal(events), rng.uniform(0, 2 * np.pi, events)
        x = np.stack([radius * np.cos(angle), radius * np.sin(angle)])
        return FlowSample(np.zeros(1), norm.ppf(rankdata(x, axis=1) / (events + 1)), None, 0)

    conditional = Conditional(before=1, shift_degree=3, shape_degree=2)
    learnt = train_map(conditional, [ring(3000, 0)], [False]).coefficients[0]
    others = ring(3000, 1)
    gain = log_densities(conditional, others, learnt) - norm.logpdf(others.scores[1])
    assert np.mean(gain) > 0.3


def spoilt(change: Callable[[FlowSample], FlowSample]) -> list[FlowSample]:
    samples = sample(gaussian(0.0), 300)
    return [*samples[:2], change(samples[2]), *samples[3:]]


def scored(row: int, values: NDArray[np.float64]) -> Callable[[FlowSample], FlowSample]:
    def change(one: FlowSample) -> FlowSample:
        scores = one.scores.copy()
        scores[row, : len(values)] = values
        return one._replace(scores=scores)

    return change


def weights(*first: float) -> Callable[[FlowSample], FlowSample]:
    return lambda one: one._replace(weights=np.append(first, np.ones(one.events - len(first))))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (weights(-1.0, -2.0), r"2 of 300 .* at theta = \(-1, 0, 0\) have negative weights"),
        (weights(np.nan), "1 of 300 .* weights that are no finite numbers"),
        (weights(1e9), "300 .* which count as 1, are too few to learn a flow from; .* 100"),
        (lambda one: one.part(slice(0, 99)), r"99 calibration .* -?\d\) are too few"),
        (scored(1, np.full(3, np.nan)), r"3 of 300 .* lack an observable"),
        (scored(0, np.full(300, 0.2)), "observable 'm_t' is the same in all calibration events"),
        (
            lambda one: one._replace(scores=one.scores[[1, 1]] * [[1.0], [-2.0]]),
            "each of the observables m_t, m_W is known from the others",
        ),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    change: Callable[[FlowSample], FlowSample], complaint: str
) -> None:
    with pytest.raises(CalibrationError, match=complaint):
        learn(spoilt(change))


def test_changes_of_few_events_are_none() -> None:
    """10 flows with 1e-3 for one change in any; up to 23 coefficients from 100 events a point."""
    flows = [
        learn(sample(gaussian(0.5), 100, seed), degree=3, shape="auto", declared=False)
        for seed in range(10)
    ]
    assert not any(row.linear for flow in flows for row in flow.changes)


def test_changes_are_found_where_they_are() -> None:
    same = learn(sample(gaussian(0.5), 20_000), shape="auto")
    assert not any(row.linear for row in same.changes)
    other = learn(sample(classes(), 20_000), shape="auto", declared=False)
    assert {row.parameter for row in other.changes if row.linear} >= {0, 2}
    fixed = [row for row in other.changes if row.parameter == 1]
    assert not any(row.linear for row in fixed)  # JSF moves all classes alike
    assert all(row.loss < 1e-6 for row in fixed)
