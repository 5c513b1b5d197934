"""Location and scale per sample, and the response through all of them."""

from functools import partial

import numpy as np
import pytest
from iminuit import Minuit
from iminuit.cost import UnbinnedNLL
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import voigt_profile

from pullfactory._jax import jnp
from pullfactory.calibration.moments import fit_location_scale, fit_response, influence
from pullfactory.densities import Family, Spline, family
from pullfactory.errors import CalibrationError

SHAPES: dict[str, dict[str, float]] = {
    "normal": {},
    "voigt": {"gamma": 0.4},
    "bifurcated_normal": {"sigma_ratio": 1.5},
    "crystal_ball": {"alpha_low": 1.5, "n_low": 5.0, "alpha_high": 1.2, "n_high": 8.0},
}


def _part(z: NDArray[np.float64], part: slice) -> NDArray[np.float64]:
    return z[:, part]


@pytest.mark.parametrize("name", SHAPES)
def test_errors_are_those_of_repeated_samples(name: str) -> None:
    """Pulls of 200 samples: a mean of 200 pulls has error 0.071, a width 0.05; allow four.

    The families here have kurtosis of their estimates near a Gaussian's at 2000 events.
    """
    member = family(name, SHAPES[name])
    rng = np.random.default_rng(5)
    pulls = []
    for _ in range(200):
        events = 50 + 4 * member.sample(rng, 2000)
        found = fit_location_scale(member, events)
        z = (events - found[0]) / found[1]
        covariance = influence(member, partial(_part, z[None]), found[1:], 2000)
        pulls.append((found - [50, 4]) / np.sqrt(np.diag(covariance)))
    assert np.all(np.abs(np.mean(pulls, axis=0)) < 4 * 0.071)
    assert np.all(np.abs(np.std(pulls, axis=0) - 1) < 4 * 0.05)


def test_agrees_with_minuit() -> None:
    member = family("voigt", SHAPES["voigt"])
    events = 50 + 4 * member.sample(np.random.default_rng(1), 5000)
    cost = UnbinnedNLL(events, lambda x, mu, sigma: voigt_profile(x - mu, sigma, 0.4 * sigma))
    minuit = Minuit(cost, mu=49.0, sigma=3.0)
    minuit.migrad()
    minuit.hesse()
    found = fit_location_scale(member, events)
    assert np.all(np.abs(found - np.array(minuit.values)) < 0.01 * np.array(minuit.errors))


SPLINE = Spline(
    knots=(-2.5, -1.2, -0.4, 0.3, 1.1, 2.0, 3.4), values=(-4.0, -1.4, -0.9, -1.0, -1.7, -2.6, -5.0)
)


def test_weighted_normal_has_the_weighted_mean_and_standard_deviation() -> None:
    rng = np.random.default_rng(3)
    events, weights = rng.normal(50, 4, 1000), rng.exponential(size=1000)
    mean = np.average(events, weights=weights)
    std = np.sqrt(np.average((events - mean) ** 2, weights=weights))
    for scale in (1.0, 1e-6):
        found = fit_location_scale(family("normal", {}), events, scale * weights)
        np.testing.assert_allclose(found, [mean, std], rtol=1e-12)


@pytest.mark.parametrize(
    "member", [family("crystal_ball", SHAPES["crystal_ball"]), SPLINE], ids=["ball", "spline"]
)
def test_weighted_fit_minimises_the_weighted_likelihood(member: Family) -> None:
    rng = np.random.default_rng(4)
    events, weights = 50 + 4 * member.sample(rng, 3000), rng.exponential(size=3000)
    weights[::7] = 0.0

    def nll(x: NDArray[np.float64]) -> float:
        log_density = np.asarray(member.log_density(jnp.asarray((events - x[0]) / x[1])))
        return float(np.average(np.log(x[1]) - log_density, weights=weights))

    expected = minimize(nll, [49.5, 4.2], method="Nelder-Mead", options={"xatol": 1e-7})
    found = fit_location_scale(member, events, weights)
    # The minimum of a function known to 1e-15 is known to the root of that.
    np.testing.assert_allclose(found, expected.x, rtol=1e-6)


@pytest.mark.parametrize("name", SHAPES)
def test_whole_weights_repeat_events(name: str) -> None:
    member = family(name, SHAPES[name])
    rng = np.random.default_rng(6)
    events, counts = 50 + 4 * member.sample(rng, 1000), rng.integers(0, 4, 1000)
    repeated = fit_location_scale(member, np.repeat(events, counts))
    weighted = fit_location_scale(member, events, counts.astype(np.float64))
    np.testing.assert_allclose(weighted, repeated, rtol=1e-8)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 1.0], "weights of shape (2,) for events of shape (3,); give one weight"),
        ([1.0, -0.5, 1.0], "1 of 3 weights are negative or not finite, the first is weights[1]"),
        ([1.0, 1.0, np.nan], "1 of 3 weights are negative or not finite, the first is weights[2]"),
        ([0.0, 0.0, 0.0], "the weights of all 3 events are 0"),
    ],
)
def test_bad_weights_are_refused(weights: list[float], message: str) -> None:
    with pytest.raises(CalibrationError) as caught:
        fit_location_scale(family("normal", {}), np.arange(3.0), np.array(weights))
    assert str(caught.value).startswith(message)


def test_shared_events_are_fully_correlated() -> None:
    """Two points made of the same events: their difference is known far better than each."""
    member = family("normal", {})
    standard = np.random.default_rng(2).standard_normal(100_000)
    z = np.stack([standard, standard])
    covariance = influence(member, partial(_part, z), np.array([10.0, 11.0]), 100_000)
    error = np.sqrt(np.diag(covariance))
    assert np.allclose(covariance[0, 2] / (error[0] * error[2]), 1.0, atol=1e-9)
    assert np.allclose(error[::2], np.array([10.0, 11.0]) / np.sqrt(100_000), rtol=0.02)


def test_response_is_found_exactly_without_noise() -> None:
    points = np.array(np.meshgrid(*3 * [[-1, 0, 1]], indexing="ij")).reshape(3, -1).T
    points = points[np.argsort(np.abs(points).sum(axis=1), kind="stable")]
    slopes = np.array([[0.0058, 0.0046, 0.0005], [0.008, 0.0095, 0.02]])
    values = np.array([171.8, 10.4]) * np.prod(1 + points[:, None, :] * slopes, axis=2)
    fit = fit_response(points, values, np.eye(54) * 1e-4)
    assert np.allclose(fit.mu, [171.8, *slopes[0]], rtol=1e-10)
    assert np.allclose(fit.sigma, [10.4, *slopes[1]], rtol=1e-9)


def test_covariance_of_the_response_is_propagated() -> None:
    """Against the spread of 400 noisy fits, whose standard deviation is known to 3.5 %."""
    rng = np.random.default_rng(8)
    points = np.array([[0], [1], [-1]])
    values = np.array([[100.0, 10.0], [101.0, 10.2], [99.0, 9.8]])
    root = rng.normal(size=(6, 6)) * 0.01
    covariance = root @ root.T
    fit = fit_response(points, values, covariance)
    noise = rng.multivariate_normal(np.zeros(6), covariance, 400).reshape(400, 3, 2)
    refits = [fit_response(points, values + shift, covariance) for shift in noise]
    spread = np.std([np.concatenate([f.mu, f.sigma]) for f in refits], axis=0)
    assert np.allclose(spread, np.sqrt(np.diag(fit.covariance)), rtol=4 * 0.035)
