"""Errors of linear fits with noisy slopes, beside what these fits really do."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from pullfactory.auditing.linear_fit import LinearFit
from pullfactory.auditing.tally import GROUPS
from pullfactory.auditing.units import UnitFamily
from pullfactory.auditing.whole_error import (
    enough_events,
    factor_error,
    infinite_factor,
    whole_errors,
)

N, BINS, EVENTS = 2000.0, 12, 20_000.0
FITS = 400


def slopes_of(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """True slopes of two channels of a unit normal: a mass and a scale, shape (2 bins, 2)."""
    one = -N * np.diff(norm.pdf(edges))
    return np.stack([np.r_[one * 0.1, one * 0.0], np.r_[one * 0.08, one * 0.06]], axis=1)


EDGES = norm.ppf(np.linspace(0, 1, BINS + 1))
SLOPES = slopes_of(EDGES)
RATES = np.full(2 * BINS, N / BINS)
PENALTY = np.array([0.0, 1.0])
SCORE = np.cumsum(np.ones(BINS)) - (BINS + 1) / 2
SCORE /= np.sqrt(np.mean(SCORE**2))
PAIRED = 0.3 * np.outer(SCORE, SCORE) * N / BINS**2
COUNTS = np.block([[np.diag(RATES[:BINS]), PAIRED], [PAIRED.T, np.diag(RATES[BINS:])]])


def fit_of(
    rng: np.random.Generator | None, noisy: tuple[float, float], *, held: bool = False
) -> LinearFit:
    """A fit whose slopes have the noise of so many events; exact without a generator."""
    slopes, units = SLOPES.copy(), []
    for k, events in enumerate(noisy):
        if rng is None or not events:
            continue
        spread = np.sqrt(N * RATES / (2 * events))
        moved = rng.standard_normal((GROUPS, 2 * BINS)) * spread / np.sqrt(GROUPS)
        slopes[:, k] += moved.sum(axis=0)
        units.append(
            UnitFamily(
                columns=np.array([k]),
                slopes=moved[:, :, None],
                log_slopes=moved[:, :, None] / RATES[:, None],
                information=None,
                scores=None,
            )
        )
    log_slopes = slopes / RATES[:, None]
    kept = np.array([True, held])
    return LinearFit(
        slopes=slopes,
        rates=RATES,
        scatter=log_slopes.T @ COUNTS @ log_slopes,
        counts=COUNTS,
        penalty=np.diag(PENALTY),
        auxiliary=np.diag(np.where(kept, 0.0, PENALTY)),
        template=np.zeros((2, 2)),
        free=np.array([True, False]),
        held=kept,
        local=np.array([False, False]),
        units=tuple(units),
        events=EVENTS,
    )


def actual_slope(fit: LinearFit) -> NDArray[np.float64]:
    """What the estimates of a fit move for each unit of the truth."""
    moving = np.where(fit.held, 0.0, PENALTY)
    return np.asarray(fit.claimed @ (fit.log_slopes.T @ SLOPES + np.diag(moving)))


def actual_error(fit: LinearFit) -> NDArray[np.float64]:
    """Covariance of its estimates around truths of the scale from its constraint."""
    away = (actual_slope(fit) - np.eye(2))[:, 1]
    sampling = fit.claimed @ (fit.scatter + fit.auxiliary) @ fit.claimed
    return np.asarray(sampling + np.outer(away, away))


def within(values: NDArray[np.float64], wanted: float, errors: float = 4.0) -> None:
    """Their mean is right within so many of its standard errors."""
    assert abs(values.mean() - wanted) < errors * values.std(ddof=1) / np.sqrt(len(values))


@pytest.mark.parametrize("noisy", [(50_000.0, 0.0), (0.0, 100_000.0), (50_000.0, 50_000.0)])
@pytest.mark.parametrize("held", [False, True])
def test_slopes_and_errors_are_those_of_the_fits(noisy: tuple[float, float], *, held: bool) -> None:
    """Means are compared with their own errors, spreads with 1 / sqrt(2 FITS), four times.

    To second order, noise within the span of the slopes is no fake information: 1 - A is too large
    by (parameters + 1) / bins of it. E has the mean square of A without its covariance with the
    truth, which is the product of the spreads at most.
    """
    rng = np.random.default_rng(5)
    fits = [fit_of(rng, noisy, held=held) for _ in range(FITS)]
    whole = np.mean([f.whole[0, 0] for f in fits])
    true = np.array([actual_error(f)[0, 0] for f in fits])
    unknown = 4 * true.std() / FITS**0.5
    for k in np.flatnonzero(noisy):
        away = np.array([(np.eye(2) - f.slope)[0, k] for f in fits])
        off = np.array([(f.slope - actual_slope(f))[0, k] for f in fits])
        told = np.array([f.slope_scatters[k][0, 0] for f in fits]) ** 0.5
        second = 3 / (2 * BINS) * abs(np.mean(away))
        assert abs(np.mean(off)) < 4 * np.std(off) / FITS**0.5 + second
        spread = np.sqrt(np.mean(off**2) / np.mean(told**2))
        assert spread == pytest.approx(1.0, abs=4 / np.sqrt(2 * FITS) + 2 * second)
        if k == 1:
            unknown += 2 * np.std(off) * np.std(away) + 2 * second * abs(np.mean(away))
    assert abs(whole - true.mean()) < unknown


def test_without_noise_nothing_changes() -> None:
    """E is the sandwich, whether auxiliary values are held or measured, and A is 1."""
    exact, held = fit_of(None, (0, 0)), fit_of(None, (0, 0), held=True)
    np.testing.assert_allclose(exact.whole, exact.sampling, rtol=1e-12)
    np.testing.assert_allclose(held.whole, exact.whole, rtol=1e-12)
    np.testing.assert_allclose(exact.slope, np.eye(2), atol=1e-12)
    found, error = infinite_factor(exact)
    wanted = np.sqrt(np.diag(exact.sampling) / np.diag(exact.claimed))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    np.testing.assert_allclose(error, 0.0)
    np.testing.assert_allclose(infinite_factor(held)[0], found, rtol=1e-12)
    assert factor_error(exact) == pytest.approx(0.0)
    assert exact.calibrated()[0] == pytest.approx(exact.whole[0, 0] ** 0.5)
    assert np.isnan(exact.calibrated()[1])


@pytest.mark.parametrize("held", [False, True])
def test_correlation_alone(*, held: bool) -> None:
    """The noise is taken off: the factor is that of exact slopes, with the error that is told."""
    rng = np.random.default_rng(6)
    exact = infinite_factor(fit_of(None, (0, 0)))[0]
    fits = (fit_of(rng, (50_000.0, 50_000.0), held=held) for _ in range(FITS))
    found = np.array([infinite_factor(fit) for fit in fits])
    for k in (0, 1):
        pulls = (found[:, 0, k] - exact[k]) / found[:, 1, k]
        # second order: half of the square of the noise's part, 0.1, beside its spread
        assert abs(pulls.mean()) < 4 / FITS**0.5 + 0.3
        assert pulls.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * FITS) + 0.1)


def test_calibrated_estimates_are_covered() -> None:
    """At the nominal point and three errors off it, in new data; 68.3 % of normal errors."""
    rng = np.random.default_rng(7)
    inside = {0.0: [0.0], 1.0: [0.0]}
    for truth, seen in inside.items():
        for _ in range(2 * FITS):
            fit = fit_of(rng, (20_000.0, 0.0))
            theta = np.array([truth, rng.standard_normal()])
            aux = theta[1] + rng.standard_normal()
            counts = rng.multivariate_normal(SLOPES @ theta, COUNTS, method="cholesky")
            score = fit.log_slopes.T @ counts + PENALTY * np.array([0.0, aux])
            estimate = (fit.claimed @ score)[0] / fit.slope[0, 0]
            error = fit.calibrated(np.array([estimate, 0.0]))[0]
            seen.append(float(abs(estimate - truth) < error))
        covered = float(np.mean(seen[1:]))
        # binomial, three errors; the slope's mean is known to second order, 0.2^2 of its error
        assert covered == pytest.approx(0.683, abs=3 * np.sqrt(0.683 * 0.317 / (2 * FITS)) + 0.02)


def test_enough_events() -> None:
    """With so many events the error of exact slopes grows by 5 %; one digit is told."""
    rng = np.random.default_rng(8)
    told = np.median([enough_events(fit_of(rng, (EVENTS, 0.0)))[0] for _ in range(40)])
    fits = [fit_of(rng, (float(told), 0.0)) for _ in range(FITS)]
    exact = fit_of(None, (0, 0)).claimed
    inner = fit_of(None, (0, 0))
    more = np.mean([(exact @ f.noise[1] @ exact)[0, 0] for f in fits])
    assert more / inner.sampling[0, 0] == pytest.approx(0.1025, rel=0.25)


def test_nothing_but_noise() -> None:
    rng = np.random.default_rng(9)
    fit = fit_of(rng, (30.0, 0.0))
    bare = replace(fit, slopes=fit.slopes - SLOPES)
    assert not bare.usable
    assert np.isnan(infinite_factor(bare)[0]).all()
    assert np.isnan(enough_events(bare)).all()
    assert np.isnan(bare.calibrated()).all()


def test_what_follows_a_free_parameter() -> None:
    """By how much a mass two errors away moves the scale: by formula, and as fits really do.

    The mean over fits is known to the spread over the root of their number.
    """
    rng, off = np.random.default_rng(21), []
    for _ in range(FITS):
        fit = fit_of(rng, (3000.0, 0.0))
        off.append((fit.slope - actual_slope(fit))[1, 0])
    within(np.array(off), 0.0)
    found = whole_errors(fit, ("m", "j"), (0, 1))
    moved = 2.0 * np.sqrt(fit.whole[0, 0]) * abs(fit.slope[1, 0])
    assert found.dragged == pytest.approx([0.0, moved / np.sqrt(fit.claimed[1, 1])])


@pytest.mark.parametrize(("name", "answer"), [("m", "calibrate"), ("j", "cannot")])
def test_an_error_is_not_right_where_the_estimate_follows(name: str, answer: str) -> None:
    """A free parameter can be divided by a matrix of slopes, a constrained one cannot."""
    exact = whole_errors(fit_of(None, (0.0, 0.0)), ("m", "j"), (0, 1))
    known = replace(
        exact,
        factor=np.array([1.0, 1.0]),
        factor_error=np.array([0.01, 0.01]),
        slope=np.array([1.0, 1.0]),
        slope_error=np.array([0.01, 0.01]),
    )
    assert known.told(name)["answer"] == "yes"
    told = replace(known, dragged=np.array([0.31, 0.31])).told(name)
    assert told["answer"] == answer
    assert (told["whole_error"] is None) == (answer == "cannot")
    assert known.told(name, contradicted=True) == known.told(name) | {
        "answer": "cannot",
        **dict.fromkeys(("whole_error", "factor", "factor_error", "calibrated_error")),
    }
