"""Dependence of the observables of one event."""

import numpy as np
import pytest
from scipy.stats import kstest, spearmanr

from pullfactory.densities import Family, family
from pullfactory.simulation.dependence import mixer

EVENTS = 40_000
NORMAL = family("normal", {})
BIFURCATED = family("bifurcated_normal", {"sigma_ratio": 1.6})
VOIGT = family("voigt", {"gamma": 0.5})
CRYSTAL_BALL = family(
    "crystal_ball", {"alpha_low": 1.5, "n_low": 5.0, "alpha_high": 1.2, "n_high": 8.0}
)


def normals(observables: int = 2, seed: int = 11) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((observables, EVENTS))


def factor(rho: float) -> np.ndarray:
    return np.linalg.cholesky(np.array([[1.0, rho], [rho, 1.0]]))


def test_linear_is_the_recipe_of_the_poster() -> None:
    """Steps 2 to 5: independent draws, standardised, mixed, rescaled."""
    rho, base = 0.5, normals()
    events = mixer(base, [BIFURCATED, CRYSTAL_BALL], "linear")(factor(rho))
    first = BIFURCATED.from_normal(base[0])
    second = CRYSTAL_BALL.from_normal(base[1])
    hat_1 = (first - BIFURCATED.mean) / BIFURCATED.std
    hat_2 = (second - CRYSTAL_BALL.mean) / CRYSTAL_BALL.std
    mixed = rho * hat_1 + np.sqrt(1 - rho**2) * hat_2
    assert np.allclose(events[0], first, atol=1e-12)
    assert np.allclose(events[1], mixed * CRYSTAL_BALL.std + CRYSTAL_BALL.mean, atol=1e-12)


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.5, 0.9])
def test_linear_has_the_correlation_asked_for(rho: float) -> None:
    """Fisher's z of a sample correlation has standard error 1 / sqrt(n - 3); allow four."""
    events = mixer(normals(), [NORMAL, NORMAL], "linear")(factor(rho))
    found = np.asarray(np.corrcoef(events))[0, 1]
    assert abs(np.arctanh(found) - np.arctanh(rho)) < 4 / np.sqrt(EVENTS - 3)


def test_models_agree_for_gaussians() -> None:
    base = normals()
    linear = mixer(base, [NORMAL, NORMAL], "linear")(factor(0.7))
    copula = mixer(base, [NORMAL, NORMAL], "gaussian_copula")(factor(0.7))
    assert np.allclose(linear, copula, atol=1e-14)


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.3, 0.9])
def test_copula_keeps_every_marginal(rho: float) -> None:
    """Kolmogorov-Smirnov; 16 tests of the suite, so a p-value below 1e-4 / 16 is a failure."""
    members: list[Family] = [NORMAL, VOIGT, BIFURCATED, CRYSTAL_BALL]
    matrix = np.where(np.eye(4, dtype=bool), 1.0, rho if rho >= 0 else rho / 3)
    events = mixer(normals(4), members, "gaussian_copula")(np.linalg.cholesky(matrix))
    for row, member in zip(events, members, strict=True):
        assert kstest(row, member.cdf).pvalue > 1e-4 / 16


@pytest.mark.parametrize("rho", [-0.6, 0.3, 0.9])
def test_copula_has_the_rank_correlation_asked_for(rho: float) -> None:
    """Spearman's rho is (6 / pi) asin(rho / 2); its standard error is below 1 / sqrt(n - 1)."""
    events = mixer(normals(), [VOIGT, CRYSTAL_BALL], "gaussian_copula")(factor(rho))
    expected = 6 / np.pi * np.arcsin(rho / 2)
    assert abs(spearmanr(*events).statistic - expected) < 4 / np.sqrt(EVENTS - 1)


def test_the_same_base_serves_every_correlation() -> None:
    base = normals()
    untouched = base.copy()
    mix = mixer(base, [VOIGT, CRYSTAL_BALL], "gaussian_copula")
    first = mix(factor(0.5))
    mix(factor(0.9))
    assert np.array_equal(mix(factor(0.5)), first)
    assert np.array_equal(base, untouched)
