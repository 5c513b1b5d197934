"""Pull summaries."""

import numpy as np
import pytest
from scipy.stats import binomtest

from pullfactory import FitBatch, FitStatus, PullSummary, summarise_pulls
from pullfactory.errors import LikelihoodError
from pullfactory.inference import PullSums
from pullfactory.inference.judgement import judge_error


def _fits(pulls: np.ndarray, error: float = 0.5) -> tuple[FitBatch, np.ndarray]:
    truth = np.full_like(pulls, 2.0)
    covariance = np.tile(np.eye(pulls.shape[1]) * error**2, (len(pulls), 1, 1))
    fits = FitBatch(
        parameters=tuple("ab"[: pulls.shape[1]]),
        estimate=truth + error * pulls,
        covariance=covariance,
        nll=np.zeros(len(pulls)),
        status=np.zeros(len(pulls), dtype=np.int8),
    )
    return fits, truth


PULLS = np.random.default_rng(6).standard_normal((500, 2)) * [1.0, 1.3] + [0.0, 0.4]


def test_against_numpy() -> None:
    summary = summarise_pulls(*_fits(PULLS))[1]
    pull = PULLS[:, 1]
    assert summary.mean == pytest.approx(pull.mean())
    assert summary.mean_error == pytest.approx(pull.std(ddof=1) / np.sqrt(500))
    assert summary.width == pytest.approx(pull.std(ddof=1))
    assert summary.coverage_68 == np.mean(np.abs(pull) < 1)
    assert summary.coverage_95 == np.mean(np.abs(pull) < 2)
    assert summary.bias == pytest.approx(0.5 * pull.mean())
    assert summary.claimed_error == pytest.approx(0.5)
    assert summary.actual_error == pytest.approx(0.5 * pull.std(ddof=1))
    assert (summary.n_toys, summary.n_failed) == (500, 0)
    interval = binomtest(int(np.sum(np.abs(pull) < 1)), 500).proportion_ci(0.6826895, "wilson")
    assert summary.coverage_68_low == pytest.approx(interval.low)
    assert summary.coverage_68_high == pytest.approx(interval.high)


def test_width_error_is_the_spread_of_widths() -> None:
    """A Student t with 9 degrees has excess kurtosis 1.2: 1 / sqrt(2 n) is 21 % too small.

    2000 repetitions know their own spread to 1.6 %; the mean of the estimated errors is
    compared within 10 %, as the fourth moment of 2000 pulls is itself biased low.
    """
    rng = np.random.default_rng(9)
    widths, errors = [], []
    for _ in range(2000):
        summary = summarise_pulls(*_fits(rng.standard_t(9, (2000, 1))))[0]
        widths.append(summary.width or 0.0)
        errors.append(summary.width_error)
    assert np.mean(np.array(errors, dtype=float)) == pytest.approx(np.std(widths), rel=0.1)


def test_sums_add() -> None:
    fits, truth = _fits(PULLS)
    whole = PullSums.of(fits, truth)
    tail = FitBatch(
        parameters=fits.parameters,
        estimate=fits.estimate[200:],
        covariance=fits.covariance[200:],
        nll=fits.nll[200:],
        status=fits.status[200:],
    )
    parts = PullSums.of(fits.head(200), truth[:200]) + PullSums.of(tail, truth[200:])
    assert parts.toys == whole.toys
    assert np.allclose(parts.powers, whole.powers)
    assert np.array_equal(parts.histogram, whole.histogram)
    one, two = (PullSummary.from_sums(("a", "b"), s) for s in (whole, parts))
    assert one[0].width == pytest.approx(two[0].width)


def test_failed_fits_are_counted_and_have_no_pull() -> None:
    fits, truth = _fits(PULLS)
    status = fits.status.copy()
    status[:50] = FitStatus.ITERATION_LIMIT
    status[50:60] = FitStatus.RECOVERED
    status[60:70] = FitStatus.AT_BOUND
    covariance = fits.covariance.copy()
    covariance[60:70, 0, 0] = np.nan
    changed = FitBatch(
        parameters=fits.parameters,
        estimate=fits.estimate,
        covariance=covariance,
        nll=fits.nll,
        status=status,
    )
    first, second = summarise_pulls(changed, truth)
    assert (first.n_failed, second.n_failed) == (60, 50)
    assert second.mean == pytest.approx(PULLS[50:, 1].mean())
    sums = PullSums.of(changed, truth)
    assert sums.status[FitStatus.ITERATION_LIMIT] == 50
    assert sums.status.sum() == 500


@pytest.mark.parametrize("n", [0, 1])
def test_what_cannot_be_had_is_none(n: int) -> None:
    fits, truth = _fits(PULLS)
    status = np.full(500, FitStatus.NON_FINITE, dtype=np.int8)
    status[:n] = FitStatus.CONVERGED
    broken = FitBatch(
        parameters=fits.parameters,
        estimate=fits.estimate,
        covariance=fits.covariance,
        nll=fits.nll,
        status=status,
    )
    summary = summarise_pulls(broken, truth)[0]
    assert summary.n_failed == 500 - n
    assert summary.width is None
    assert summary.width_error is None
    assert (summary.mean is None) == (n == 0)
    assert (summary.coverage_68 is None) == (n == 0)


def test_shapes_must_agree() -> None:
    fits, truth = _fits(PULLS)
    with pytest.raises(LikelihoodError, match="one true value per toy"):
        summarise_pulls(fits, truth[:3])


@pytest.mark.parametrize(
    ("factor", "error", "kind"),
    [
        (1.04, 0.01, "right"),
        (1.04, 0.03, "unknown"),
        (1.06, 0.01, "wrong"),
        (0.90, 0.04, "unknown"),
        (0.86, 0.04, "wrong"),
        (None, 0.01, "unknown"),
        (1.0, None, "unknown"),
    ],
)
def test_judgement_of_an_error(factor: float | None, error: float | None, kind: str) -> None:
    assert judge_error(factor, error) == kind
