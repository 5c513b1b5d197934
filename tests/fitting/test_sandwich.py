"""The event-paired sandwich, and predictions made of it."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory import Study, build_method, calibrate
from pullfactory._jax import jax
from pullfactory.fitting import fit_events, sandwich_covariance
from pullfactory.inference import predict_pulls
from pullfactory.likelihoods import BinnedLikelihood, UnbinnedLikelihood
from pullfactory.simulation.population import Population
from pullfactory.simulation.toys import ToyBlock, draw_toys

if TYPE_CHECKING:
    from pullfactory.methods import Method

POSTER = Study.preset("poster").with_settings({"calibration.source": "exact"})
FEW = {"ensemble.n_toys": 3, "ensemble.n_events": 40}


def first_toys(study: Study, rho: float, toys: int = 3) -> ToyBlock:
    block = draw_toys(study, 0, rho)
    weights = block.event_weights
    return ToyBlock(
        theta_true=block.theta_true[:toys],
        aux=block.aux[:toys],
        events=block.events[:toys],
        event_weights=None if weights is None else weights[:toys],
    )


def one_free_parameter(mu_slopes: tuple[float, float], sigma_slopes: tuple[float, float]) -> Study:
    """Two standard observables; slopes in units of sigma."""
    observables = [
        {
            "name": name,
            "mu": 100.0,
            "sigma": 1.0,
            "mu_slopes": {"m": to_mu / 100.0},
            "sigma_slopes": {"m": to_sigma},
        }
        for name, to_mu, to_sigma in zip("xy", mu_slopes, sigma_slopes, strict=True)
    ]
    return Study.from_dict(
        {
            "name": "one",
            "poi": "m",
            "methods": ["unbinned"],
            "calibration": {"source": "exact"},
            "parameter": [{"name": "m", "constraint": "free"}],
            "observable": observables,
        }
    )


def predicted_widths(study: Study, rho: float) -> NDArray[np.float64]:
    methods = [build_method(name, calibrate(study)) for name in study.methods]
    rows = predict_pulls(study, {rho: methods})
    return np.array([row.predicted_width for row in rows]).reshape(len(methods), -1)


@pytest.mark.parametrize("rho", [-0.6, 0.3, 0.9])
def test_one_shared_shift(rho: float) -> None:
    """The width is sqrt(1 + 2 rho a b / (a^2 + b^2)); exact expected events."""
    a, b = 0.02, 0.05
    expected = np.sqrt(1 + 2 * rho * a * b / (a**2 + b**2))
    assert predicted_widths(one_free_parameter((a, b), (0, 0)), rho) == pytest.approx(
        expected, 1e-6
    )


@pytest.mark.parametrize("rho", [-0.6, 0.3, 0.9])
def test_one_shared_width(rho: float) -> None:
    """The width is sqrt(1 + rho^2)."""
    expected = np.sqrt(1 + rho**2)
    found = predicted_widths(one_free_parameter((0, 0), (0.03, 0.03)), rho)
    assert found == pytest.approx(expected, 1e-6)


def test_prediction_for_the_poster() -> None:
    """Numbers of an independent calculation: closed form, and exact templates in 20 bins."""
    table = {
        0.5: ((0.754, 1.007, 1.084), (0.759, 1.005, 1.069)),
        0.9: ((0.474, 1.024, 1.249), (0.487, 1.022, 1.222)),
    }
    for rho, expected in table.items():
        assert np.allclose(predicted_widths(POSTER, rho), expected, atol=1.1e-3)


@pytest.mark.parametrize("dependence", ["linear", "gaussian_copula"])
def test_expected_events_against_a_large_sample(
    dependence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2^19 events; a width's error is about w sqrt(2 / 2^19) = 0.2 %, and 0.6 % is allowed."""
    study = POSTER.with_settings({"ensemble.dependence": dependence})
    exact = predicted_widths(study, 0.5)
    monkeypatch.setattr(Population, "of", lambda *_: None)
    assert np.allclose(predicted_widths(study, 0.5), exact, rtol=6e-3)


def test_bin_probabilities_against_the_bivariate_normal() -> None:
    from scipy.stats import multivariate_normal

    population = Population.of(POSTER, 0.7)
    assert population is not None
    edges = (np.array([100.0, 160, 172, 190, 240]), np.array([50.0, 80, 90, 120]))
    found = population.bin_probabilities((0, 1), edges)
    joint = multivariate_normal(cov=[[1, 0.7], [0.7, 1]])
    cuts = [
        np.concatenate([[-9.0], population.normal_scores(o, e[1:-1]), [9.0]])
        for o, e in enumerate(edges)
    ]
    corners = np.array([[joint.cdf([x, y]) for y in cuts[1]] for x in cuts[0]])
    expected = np.diff(np.diff(corners, axis=0), axis=1)
    assert np.allclose(found, expected, atol=1e-8)
    assert found.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"ensemble.n_events_law": "poisson"},
        {"observable.m_W.density": "voigt", "observable.m_W.shape": {"gamma": 0.3}},
    ],
    ids=["gaussian", "poisson", "voigt"],
)
def test_unbinned_scatter_against_a_loop_over_events(settings: dict[str, object]) -> None:
    study = POSTER.with_settings(
        {**FEW, "ensemble.dependence": "gaussian_copula", **settings, "methods": ["unbinned"]}
    )
    method = build_method("unbinned", calibrate(study))
    likelihood = method.likelihood
    assert isinstance(likelihood, UnbinnedLikelihood)
    block = first_toys(study, 0.5)
    theta = np.random.default_rng(1).normal(0, 0.3, block.theta_true.shape)
    found = method.scatter(theta, method.observe(block).pairs)

    @jax.jit
    @jax.grad
    def score(at: jax.Array, event: jax.Array) -> jax.Array:
        location, scale = likelihood.response(at)
        z = (event - location) / scale
        terms = [member.log_density(z[o]) for o, member in enumerate(likelihood.families)]
        return sum(terms) - jax.numpy.log(scale).sum()

    for toy, at in enumerate(theta):
        events = block.events[toy]
        if block.event_weights is not None:
            events = events[block.event_weights[toy] > 0]
        scores = np.array([score(at, event) for event in events])
        assert np.allclose(found[toy], scores.T @ scores, rtol=1e-8)


@pytest.mark.parametrize("law", ["fixed", "poisson"])
def test_binned_scatter_against_a_loop_over_events(law: str) -> None:
    """The score of an event is the log slope of its bin, summed over the channels."""
    study = POSTER.with_settings({**FEW, "ensemble.n_events_law": law})
    calibration = calibrate(study)
    method = build_method("binned", calibration)
    likelihood = method.likelihood
    assert isinstance(likelihood, BinnedLikelihood)
    block = first_toys(study, 0.5)
    theta = np.random.default_rng(1).normal(0, 0.3, (3, 3))
    found = method.scatter(theta, method.observe(block).pairs)
    slices = [likelihood.channel_slice(name) for name in study.observable_names]
    for toy, at in enumerate(theta):
        slopes = np.asarray(likelihood.slopes(at)) / np.asarray(likelihood.expected(at))[:, None]
        events = block.events[toy]
        if block.event_weights is not None:
            events = events[block.event_weights[toy] > 0]
        scores = sum(
            slopes[where][np.searchsorted(calibration.edges[o][1:-1], events[:, o], side="right")]
            for o, where in enumerate(slices)
        )
        if law == "fixed":
            scores = scores - np.mean(scores, axis=0)
        assert np.allclose(found[toy], np.asarray(scores).T @ np.asarray(scores), rtol=1e-9)


def test_parameters_without_error_stay_without() -> None:
    inverse = np.array([[0.5, np.nan], [np.nan, np.nan]])
    found = sandwich_covariance(inverse, np.array([[3.0, 1.0], [1.0, 2.0]]), np.eye(2))
    assert found[0, 0] == pytest.approx(0.5 * 4 * 0.5)
    assert np.isnan(found[1]).all()


def test_fits_carry_both_covariances() -> None:
    study = POSTER.with_settings({"methods": ["unbinned"]})
    method: Method = build_method("unbinned", calibrate(study))
    fits = fit_events(method, first_toys(study, 0.9))
    assert fits.sandwich is not None
    narrowed = fits.corrected_error[:, 0] / fits.error[:, 0]
    # 2000 events: the ratio itself is known to about sqrt(2 / 2000) = 3 %; allow four
    assert np.allclose(narrowed, 0.474, rtol=0.13)
    part = fits.select(("JRF",)).head(2)
    assert part.sandwich is not None
    assert np.array_equal(part.sandwich[:, 0, 0], fits.sandwich[:2, 2, 2])
