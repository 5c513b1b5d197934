"""An event of weight 2 is the event twice, but its variance is 4: for every method."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
import pytest
from _pytest.mark import ParameterSet
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pullfactory import FitBatch, Study, bootstrap, build_method, calibrate, draw_toys
from pullfactory._jax import jax
from pullfactory.errors import LikelihoodError
from pullfactory.events import first_rows
from pullfactory.fitting import fit_events, sandwich_covariance
from pullfactory.likelihoods import BinnedLikelihood, Observation
from pullfactory.likelihoods.log_slopes import log_slopes
from pullfactory.methods import Method
from pullfactory.simulation.toys import ToyBlock

EVENTS = 240
POSTER = Study.preset("poster").with_settings(
    {
        "calibration.source": "exact",
        "workspace.n_bins": 5,
        "joint.n_bins": 4,
        "ensemble.n_events": EVENTS,
        "ensemble.n_toys": 4,
        "ensemble.rho": [0.5],
        "methods": ["unbinned", "binned", "unbinned_joint", "binned_joint"],
    }
)
POISSON = POSTER.with_settings({"ensemble.n_events_law": "poisson"})
VOIGT = POSTER.with_settings(
    {
        "observable.m_t.density": "voigt",
        "observable.m_t.shape": {"gamma": 0.3},
        "ensemble.dependence": "gaussian_copula",
    }
)
CASES = {
    "unbinned": ("unbinned", POSTER),
    "unbinned, no sufficient statistics": ("unbinned", VOIGT),
    "unbinned_joint": ("unbinned_joint", POSTER),
    "unbinned_joint, no sufficient statistics": ("unbinned_joint", VOIGT),
    "binned": ("binned", POISSON),
    "binned_joint": ("binned_joint", POISSON),
}
FIXED = {f"{name}, fixed number": (name, POSTER) for name in ("binned", "binned_joint")}


def marked(cases: Iterable[str]) -> list[ParameterSet]:
    """Fits of events without sufficient statistics take seconds to compile."""
    slow = "no sufficient statistics"
    return [pytest.param(case, marks=pytest.mark.slow if slow in case else ()) for case in cases]


@cache
def method_of(case: str) -> Method:
    name, study = {**CASES, **FIXED}[case]
    return build_method(name, calibrate(study), 0.5)


@cache
def events() -> ToyBlock:
    block = draw_toys(POSTER, 0, 0.5)
    return replace(
        block, theta_true=block.theta_true[:1], aux=block.aux[:1], events=block.events[:1]
    )


def weighted(weights: NDArray[np.float64]) -> ToyBlock:
    return replace(events(), event_weights=weights[None])


def rows(chosen: NDArray[np.int_]) -> ToyBlock:
    return replace(events(), events=events().events[:, chosen])


def scatter(method: Method, block: ToyBlock, fits: FitBatch) -> NDArray[np.float64]:
    seen: Observation = method.observe(block)
    return np.asarray(method.scatter(fits.estimate, seen.pairs)[0])


def same_fit(found: FitBatch, other: FitBatch, claimed: float = 1.0) -> None:
    """Fits agree to a thousandth of an error; `claimed` is the expected ratio of covariances."""
    error = other.error[0]
    assert np.all(np.abs(found.estimate - other.estimate)[0] < 1e-3 * error)
    assert np.allclose(found.covariance, claimed * other.covariance, rtol=1e-3, atol=0)


@pytest.mark.parametrize("case", marked(CASES))
def test_weight_2_is_the_event_twice_with_variance_4(case: str) -> None:
    method = method_of(case)
    heavy = np.arange(0, EVENTS, 3)
    twice = np.sort(np.concatenate([np.arange(EVENTS), heavy]))
    weights = np.bincount(twice, minlength=EVENTS).astype(float)
    found, other = fit_events(method, weighted(weights)), fit_events(method, rows(twice))
    same_fit(found, other)
    light = np.setdiff1d(np.arange(EVENTS), heavy)
    parts = [scatter(method, rows(some), found) for some in (light, heavy)]
    squares = scatter(method, weighted(weights), found)
    assert np.allclose(squares, parts[0] + 4 * parts[1], rtol=1e-9, atol=1e-9)
    assert np.allclose(scatter(method, rows(twice), found), parts[0] + 2 * parts[1], rtol=1e-9)
    expected = sandwich_covariance(found.covariance, squares[None], method.aux_scatter)
    assert found.sandwich is not None
    assert np.allclose(found.sandwich, expected, rtol=1e-9)


@pytest.mark.parametrize("case", marked([*CASES, *FIXED]))
def test_one_weight_for_all_events(case: str) -> None:
    """C is that of weight 1 times c^2; without constraints the errors would not change."""
    method = method_of(case)
    once = fit_events(method, events())
    for c in (0.002, 3.0):
        block = weighted(np.full(EVENTS, c))
        plain = scatter(method, events(), once)
        assert np.allclose(scatter(method, block, once), c**2 * plain, rtol=1e-9)
    if isinstance(method.likelihood, BinnedLikelihood):
        return  # whose rates are those of weight 1
    observed = method.observe(weighted(np.full(EVENTS, 0.002))).data
    penalties = method.likelihood.nll(once.estimate[0], _one(observed))
    plain_nll = method.likelihood.nll(once.estimate[0], _one(method.observe(events()).data))
    shift = once.estimate[0][1:3] - events().aux[0]
    penalty = 0.5 * float(shift @ shift)
    assert float(penalties) - penalty == pytest.approx(0.002 * (float(plain_nll) - penalty))


def _one(data: object) -> object:
    return jax.tree.map(lambda leaf: leaf[0], data)


@pytest.mark.parametrize("case", marked([*CASES, *FIXED]))
@settings(max_examples=2, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**31))
def test_order_of_events_does_not_matter(case: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, order = rng.exponential(size=EVENTS), rng.permutation(EVENTS)
    method = method_of(case)
    block = weighted(weights)
    mixed = replace(block, events=block.events[:, order], event_weights=weights[None, order])
    found, other = (fit_events(method, each) for each in (block, mixed))
    same_fit(found, other)
    assert found.sandwich is not None
    assert other.sandwich is not None
    assert np.allclose(found.sandwich, other.sandwich, rtol=1e-6)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**31))
def test_fixed_number_of_weighted_events(seed: int) -> None:
    """C is the covariance of a sum of that many independent w s."""
    method = method_of("binned, fixed number")
    likelihood = method.likelihood
    assert isinstance(likelihood, BinnedLikelihood)
    weights = np.random.default_rng(seed).lognormal(size=EVENTS)
    weights[:7] = 0.0  # no events
    theta = np.array([[0.3, -0.2, 0.4]])
    slopes = np.asarray(log_slopes(likelihood, theta))[0]
    edges = calibrate(POSTER).edges
    scores = sum(
        slopes[likelihood.channel_slice(name)][
            np.searchsorted(edges[o][1:-1], events().events[0, :, o], side="right")
        ]
        for o, name in enumerate(POSTER.observable_names)
    )
    used = (weights[:, None] * np.asarray(scores))[7:]
    expected = len(used) * np.cov(used, rowvar=False, bias=True)
    found = method.scatter(theta, method.observe(weighted(weights)).pairs)[0]
    assert np.allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", marked([*CASES, *FIXED]))
def test_light_events_are_expected_ones(case: str) -> None:
    """Half of everything, twice: no weight is squared."""
    method = method_of(case)
    order = np.tile(np.arange(EVENTS), 2)
    halves = replace(rows(order), multiplicity=np.full((1, 2 * EVENTS), 0.5))
    found, once = fit_events(method, halves), fit_events(method, events())
    same_fit(found, once)
    assert np.allclose(scatter(method, halves, once), scatter(method, events(), once), rtol=1e-9)


@pytest.mark.parametrize("case", marked([*CASES, *FIXED]))
def test_rows_of_one_event(case: str) -> None:
    """C is that of sums of w s over the rows of an event, k times; s are gradients, row by row."""
    rng, rows_used = np.random.default_rng(4), 60
    method = method_of(case)
    likelihood = method.likelihood
    some = rows(np.arange(rows_used))
    event = rng.integers(20, size=rows_used)
    weights = rng.lognormal(size=rows_used)
    weights[event == 3], weights[:5] = 0.0, 0.0
    often = rng.poisson(1.0, 20).astype(float)
    block = replace(
        some,
        event_weights=weights[None],
        multiplicity=often[event][None],
        owners=first_rows(event.astype(np.uint64))[None],
    )
    theta = likelihood.start[None] + 0.1
    alone = np.vstack([np.eye(rows_used), np.zeros(rows_used)])

    def repeated(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.repeat(values, len(alone), axis=0)

    single = replace(
        some,
        theta_true=repeated(some.theta_true),
        aux=repeated(some.aux),
        events=repeated(some.events),
        event_weights=alone,
    )
    slope = jax.jit(jax.vmap(jax.grad(likelihood.nll), (None, 0)))
    slopes = slope(theta[0], method.observe(single).data)
    scores = np.asarray(slopes[-1] - slopes[:-1])
    sums = np.zeros((20, scores.shape[1]))
    np.add.at(sums, event, weights[:, None] * scores)
    expected = (sums.T * often) @ sums
    if case in FIXED:
        used = np.bincount(event, weights, 20) > 0
        expected -= np.outer(often @ sums, often @ sums) / (often @ used)
    found = method.scatter(theta, method.observe(block).pairs)[0]
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("case", ["unbinned", "binned", "binned, fixed number"])
def test_bootstrap_of_weighted_events(case: str) -> None:
    """Beside the sandwich of the same events; the weights nearly double the variance of counts.

    A standard deviation from n replicas has the relative error 1 / sqrt(2 (n - 1)); four of them,
    and 3 % for what is not linear in 240 events.
    """
    weights = np.random.default_rng(3).lognormal(sigma=0.8, size=EVENTS)
    weights /= weights.mean()
    law: Literal["fixed", "poisson"] = "fixed" if case.endswith("fixed number") else "poisson"
    drawn = bootstrap(method_of(case), weighted(weights), replicas=511, n_events_law=law).select(
        POSTER.parameter_names
    )
    assert drawn.error == pytest.approx(
        drawn.fit.corrected_error[0], rel=4 / np.sqrt(2 * 510) + 0.03
    )
    once = fit_events(method_of(case), events()).select(POSTER.parameter_names)
    assert drawn.error[0] > 1.15 * once.corrected_error[0, 0]
    x, y = events().events[0].T
    assert drawn.correlation[0, 1] == pytest.approx(
        np.cov(x, y, aweights=weights)[0, 1]
        / np.sqrt(np.cov(x, aweights=weights) * np.cov(y, aweights=weights))
    )


def test_what_cannot_take_weights_says_so() -> None:
    weights = np.ones(EVENTS)
    weights[3] = -0.5
    for name in ("unbinned", "unbinned_joint"):
        with pytest.raises(LikelihoodError, match=r"1 events have negative weights \(such as -0.5"):
            fit_events(method_of(name), weighted(weights))
    assert fit_events(method_of("binned"), weighted(weights)).status[0] == 0
    expected = replace(events(), multiplicity=np.full((1, EVENTS), 0.5))
    with pytest.raises(LikelihoodError, match="a bootstrap needs observed events"):
        bootstrap(method_of("unbinned"), expected)
