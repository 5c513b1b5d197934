"""Dependence of the observables of one event."""

import numpy as np
import pytest
from scipy.stats import kstest, norm, spearmanr, t

from pullfactory.densities import Family, family
from pullfactory.settings.sections import Ensemble
from pullfactory.simulation.dependence import Mixer, mixer

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


def mix_with(dependence: str, base: np.ndarray, families: list[Family], **settings: float) -> Mixer:
    ensemble = Ensemble.model_validate({"dependence": dependence, **settings})
    return mixer(base, families, ensemble, np.random.default_rng(12))


def test_linear_is_the_recipe_of_the_poster() -> None:
    """Steps 2 to 5: independent draws, standardised, mixed, rescaled."""
    rho, base = 0.5, normals()
    events = mix_with("linear", base, [BIFURCATED, CRYSTAL_BALL])(factor(rho))
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
    events = mix_with("linear", normals(), [NORMAL, NORMAL])(factor(rho))
    found = np.asarray(np.corrcoef(events))[0, 1]
    assert abs(np.arctanh(found) - np.arctanh(rho)) < 4 / np.sqrt(EVENTS - 3)


def test_models_agree_for_gaussians() -> None:
    base = normals()
    linear = mix_with("linear", base, [NORMAL, NORMAL])(factor(0.7))
    copula = mix_with("gaussian_copula", base, [NORMAL, NORMAL])(factor(0.7))
    assert np.allclose(linear, copula, atol=1e-14)


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.3, 0.9])
def test_copula_keeps_every_marginal(rho: float) -> None:
    """Kolmogorov-Smirnov; 16 tests of the suite, so a p-value below 1e-4 / 16 is a failure."""
    members: list[Family] = [NORMAL, VOIGT, BIFURCATED, CRYSTAL_BALL]
    matrix = np.where(np.eye(4, dtype=bool), 1.0, rho if rho >= 0 else rho / 3)
    events = mix_with("gaussian_copula", normals(4), members)(np.linalg.cholesky(matrix))
    for row, member in zip(events, members, strict=True):
        assert kstest(row, member.cdf).pvalue > 1e-4 / 16


@pytest.mark.parametrize("rho", [-0.6, 0.3, 0.9])
def test_copula_has_the_rank_correlation_asked_for(rho: float) -> None:
    """Spearman's rho is (6 / pi) asin(rho / 2); its standard error is below 1 / sqrt(n - 1)."""
    events = mix_with("gaussian_copula", normals(), [VOIGT, CRYSTAL_BALL])(factor(rho))
    expected = 6 / np.pi * np.arcsin(rho / 2)
    assert abs(spearmanr(*events).statistic - expected) < 4 / np.sqrt(EVENTS - 1)


def test_the_same_base_serves_every_correlation() -> None:
    base = normals()
    untouched = base.copy()
    mix = mix_with("gaussian_copula", base, [VOIGT, CRYSTAL_BALL])
    first = mix(factor(0.5))
    mix(factor(0.9))
    assert np.array_equal(mix(factor(0.5)), first)
    assert np.array_equal(base, untouched)


@pytest.mark.parametrize("dependence", ["t_copula", "class_mixture"])
@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.5])
def test_other_dependences_keep_every_marginal(dependence: str, rho: float) -> None:
    """Kolmogorov-Smirnov; 12 tests, so a p-value below 1e-4 / 12 is a failure."""
    events = mix_with(dependence, normals(), [NORMAL, VOIGT])(factor(rho))
    for row, member in zip(events, [NORMAL, VOIGT], strict=True):
        assert kstest(row, member.cdf).pvalue > 1e-4 / 12


def test_t_copula_has_the_tail_dependence_of_its_formula() -> None:
    """P(U1 > q | U2 > q) tends to 2 t_{nu+1}(-sqrt((nu + 1)(1 - rho) / (1 + rho))).

    At q = 0.999 it is a little above its limit, while a Gaussian copula is on its way to 0; the
    standard error is that of a binomial fraction of the expected 400 events.
    """
    base = np.random.default_rng(3).standard_normal((2, 400_000))
    level = norm.isf(1e-3)
    found = {}
    for dependence in ("t_copula", "gaussian_copula"):
        events = mix_with(dependence, base, [NORMAL, NORMAL])(factor(0.5))
        high = events > level
        found[dependence] = (high[0] & high[1]).sum() / high[1].sum()
    limit = 2 * t.cdf(-np.sqrt(5 * 0.5 / 1.5), 5)
    error = np.sqrt(limit * (1 - limit) / 400)
    assert found["t_copula"] > limit - 4 * error
    assert found["gaussian_copula"] < limit - 4 * error


def test_t_copula_is_dependent_without_correlation() -> None:
    """The squares are correlated; Fisher's z, four standard errors."""
    events = mix_with("t_copula", normals(), [NORMAL, NORMAL])(factor(0.0))
    plain, squares = (np.asarray(np.corrcoef(rows))[0, 1] for rows in (events, events**2))
    assert abs(plain) < 6 / np.sqrt(EVENTS)
    assert squares > 6 / np.sqrt(EVENTS)


@pytest.mark.parametrize("rho", [-0.5, 0.3])
def test_classes_are_independent_within(rho: float) -> None:
    """The hidden classes are drawn again to look inside; Fisher's z, four standard errors."""
    events = mix_with("class_mixture", normals(), [NORMAL, NORMAL])(factor(rho))
    wrong = np.random.default_rng(12).random(EVENTS) < 0.3
    assert np.sign(np.asarray(np.corrcoef(events))[0, 1]) == np.sign(rho)
    for some in (events[:, wrong], events[:, ~wrong]):
        assert abs(np.asarray(np.corrcoef(some))[0, 1]) < 4 / np.sqrt(some.shape[1] - 3)
