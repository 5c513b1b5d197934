"""Parts of the whole error, pulls and impacts of linear fits."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory.auditing.impacts import nuisance_impacts
from pullfactory.auditing.linear_fit import LinearFit
from pullfactory.auditing.paper import PaperRow, SlopeMatrix, as_weighted
from pullfactory.auditing.parts import direction, divide_error, pull_spread
from pullfactory.inference.error_part import Part
from tests.auditing.test_whole_error import COUNTS, PENALTY, RATES, SLOPES, fit_of

NAMES = ("m", "j")


def noisy(seed: int = 1, *, held: bool = False) -> LinearFit:
    """Of a mass and a scale from few events, with noise of the nominal templates."""
    fit = fit_of(np.random.default_rng(seed), (20_000.0, 20_000.0), held=held)
    return replace(fit, template=0.05 * fit.scatter)


def squares(parts: tuple[Part, ...]) -> float:
    return sum(part.size**2 for part in parts)


def sizes(parts: tuple[Part, ...]) -> dict[tuple[str, str | None], float]:
    return {(part.source, part.parameter): part.size for part in parts}


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("k", [0, 1])
def test_parts_add_up_to_the_whole_error(k: int, *, held: bool) -> None:
    fit = noisy(held=held)
    parts = divide_error(fit, direction(fit, k, calibrated=False), NAMES)
    assert squares(parts) == pytest.approx(fit.whole[k, k], rel=1e-12)
    assert {part.source for part in parts} == {"statistics", "nuisance", "leakage", "templates"}


def line(fit: LinearFit, estimate: float, *, calibrated: bool, blind: bool = False) -> PaperRow:
    """That of the mass at one estimate."""
    return PaperRow(
        method="binned",
        parameter="m",
        nominal=100.0,
        shift=None,
        value=None,
        error=None,
        claimed_error=1.0,
        calibrated=calibrated,
        blinded=False,
        reason=None,
        parts=divide_error(fit, direction(fit, 0, calibrated=False), NAMES),
        slopes=SlopeMatrix.of(fit, np.zeros(2), NAMES, 0),
    ).at({"m": estimate, "j": -0.4}, blind=blind)


@pytest.mark.parametrize("held", [False, True])
def test_parts_of_a_calibrated_estimate(*, held: bool) -> None:
    fit = noisy(held=held)
    row = line(fit, 1.7, calibrated=True)
    assert row.shift == pytest.approx(1.7 / fit.slope[0, 0], rel=1e-12)
    assert row.value == pytest.approx(100.0 + 1.7 / fit.slope[0, 0], rel=1e-12)
    wanted = fit.calibrated(np.array([1.7 / fit.slope[0, 0], 0.0]))[0]
    assert row.error == pytest.approx(wanted, rel=1e-12)
    assert squares(row.parts) == pytest.approx(wanted**2, rel=1e-12)
    spread = np.sqrt(fit.slope_scatters[0][0, 0])
    slope = abs(spread * 1.7 / fit.slope[0, 0] ** 2)  # sigma_A theta / A of theta divided by A
    assert sizes(row.parts)["slope", None] == pytest.approx(slope, rel=1e-12)


def test_far_from_nominal_the_estimate_is_divided() -> None:
    """Where its slope may move it by 0.3 of its error; never by what a blinded audit knows."""
    fit = noisy()
    slope, error = fit.slope[0, 0], fit.whole[0, 0] ** 0.5
    unknown = 1.645 * fit.slope_scatters[0][0, 0] ** 0.5
    reach = slope * 0.3 * error / (1 - slope + unknown / slope)
    near, far = (line(fit, part * reach, calibrated=False) for part in (0.99, 1.01))
    assert not near.calibrated
    assert (near.shift, near.error) == pytest.approx((0.99 * reach, error), rel=1e-12)
    assert far == line(fit, 1.01 * reach, calibrated=True)
    assert far.shift == pytest.approx(1.01 * reach / slope, rel=1e-12)
    blinded = line(fit, 1.01 * reach, calibrated=False, blind=True)
    assert not blinded.calibrated
    assert blinded.at({"m": 1.01 * reach}, blind=False) == far


def test_several_free_parameters_are_divided_by_a_matrix() -> None:
    free = np.array([True, True])
    fit = noisy()
    fit = replace(fit, free=free, held=free, penalty=np.zeros((2, 2)), auxiliary=np.zeros((2, 2)))
    slopes = SlopeMatrix.of(fit, np.array([0.0, 1.0]), NAMES, 0)
    away = slopes.calibrated({"m": 1.0, "j": 1.5})
    np.testing.assert_allclose(away, np.linalg.solve(fit.slope, [1.0, 0.5]), rtol=1e-12)
    parts = divide_error(fit, direction(fit, 0, calibrated=True), NAMES)
    more = away**2 @ np.array(slopes.variances)
    assert squares(parts) + more == pytest.approx(fit.calibrated(away)[0] ** 2, rel=1e-12)


def test_correlated_auxiliary_measurements_are_one_part() -> None:
    both = np.array([[2.0, 0.7], [0.7, 1.0]])
    fit = replace(noisy(), penalty=np.diag([2.0, 1.0]), auxiliary=both, free=np.zeros(2, bool))
    parts = divide_error(fit, direction(fit, 0, calibrated=False), NAMES)
    moved = fit.claimed[0]
    assert sizes(parts)["nuisance", "m+j"] == pytest.approx(np.sqrt(moved @ both @ moved))
    assert squares(parts) == pytest.approx(fit.whole[0, 0], rel=1e-12)


def test_factors_of_bins_are_noise_of_the_templates() -> None:
    fit = replace(noisy(), local=np.array([False, True]))
    parts = divide_error(fit, direction(fit, 0, calibrated=False), NAMES)
    assert {part.source for part in parts} == {"statistics", "templates"}
    wanted = abs(fit.claimed[0, 1]) * fit.auxiliary[1, 1] ** 0.5
    assert sizes(parts)["templates", None] == pytest.approx(wanted)
    assert squares(parts) == pytest.approx(fit.whole[0, 0], rel=1e-12)


def estimates(
    fit: LinearFit,
    rng: np.random.Generator,
    number: int,
    *,
    held: bool,
    slopes: NDArray[np.float64] = SLOPES,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimates of a linear fit in new data, and auxiliary values; scales from the constraint."""
    theta = np.stack([np.zeros(number), rng.standard_normal(number)], axis=1)
    aux = np.zeros(number) if held else theta[:, 1] + rng.standard_normal(number)
    noise = rng.multivariate_normal(np.zeros(len(RATES)), COUNTS, number, method="cholesky")
    counts = theta @ slopes.T + noise
    score = counts @ fit.log_slopes + PENALTY * np.stack([np.zeros(number), aux], axis=1)
    return score @ fit.claimed, aux


@pytest.mark.parametrize("held", [False, True])
def test_corrected_pulls_have_width_one(*, held: bool) -> None:
    """Spread of estimate - auxiliary value, of a scale that both channels measure alike.

    Errors of spreads are 1 / sqrt(2 n), four of them; the claimed width is off by more.
    """
    one = SLOPES[: len(SLOPES) // 2, 0]
    slopes = np.stack([np.r_[one, -one], 0.2 * np.r_[one, one]], axis=1)
    number, fit = 20_000, fit_of(None, (0, 0), held=held)
    log_slopes = slopes / RATES[:, None]
    fit = replace(fit, slopes=slopes, scatter=log_slopes.T @ COUNTS @ log_slopes)
    found, aux = estimates(fit, np.random.default_rng(3), number, held=held, slopes=slopes)
    claimed, corrected = pull_spread(fit, 1)
    width, known = float(np.std(found[:, 1] - aux)), 4 / np.sqrt(2 * number)
    assert width / corrected == pytest.approx(1.0, abs=known)
    assert abs(width / claimed - 1.0) > 2 * known


@pytest.mark.parametrize("held", [False, True])
def test_corrected_pulls_know_the_noise_of_templates(*, held: bool) -> None:
    """Over fits with noisy slopes; errors of the mean square are those among the fits, four."""
    rng, ratios = np.random.default_rng(4), []
    for _ in range(400):
        fit = fit_of(rng, (50_000.0, 50_000.0), held=held)
        found, aux = estimates(fit, rng, 100, held=held)
        ratios.append(np.mean((found[:, 1] - aux) ** 2) / pull_spread(fit, 1)[1] ** 2)
    assert np.mean(ratios) == pytest.approx(1.0, abs=4 * np.std(ratios) / len(ratios) ** 0.5)


def test_part_of_a_nuisance_is_what_its_auxiliary_value_moves() -> None:
    """The fit again with an auxiliary value one width higher; the impact is another number."""
    fit = fit_of(None, (0, 0))
    moved = fit.claimed @ np.array([0.0, PENALTY[1] * 1.0])
    along = direction(fit, 0, calibrated=False)
    (row,) = nuisance_impacts(fit, along, 0, NAMES, {}, "binned")
    assert row.part == pytest.approx(abs(moved[0]), rel=1e-12)
    assert row.leakage == 0.0
    errors = np.sqrt(np.diag(fit.claimed))
    fixed = np.linalg.inv(fit.information[:1, :1]) @ fit.information[:1, 1:] * errors[1]
    assert row.claimed_impact == pytest.approx(-fixed[0, 0], rel=1e-12)
    assert abs(fixed[0, 0]) > abs(moved[0])
    assert row.corrected_impact == pytest.approx(fit.whole[0, 1] / np.sqrt(fit.whole[1, 1]))


def test_impacts_are_sorted_and_sum_up_with_the_other_parts() -> None:
    fit = noisy()
    third = replace(fit, free=np.array([False, False]), penalty=np.diag([0.5, 1.0]))
    along = direction(third, 0, calibrated=False)
    rows = nuisance_impacts(third, along, 0, NAMES, {"j": 0.25}, "binned")
    assert [row.parameter for row in rows] == ["j"]
    told = sizes(divide_error(third, along, NAMES))
    assert rows[0].part == pytest.approx(told["nuisance", "j"], rel=1e-12)
    assert rows[0].leakage == pytest.approx(told["leakage", "j"], rel=1e-12)
    pulled = rows[0].pulled({"j": 1.0})
    assert pulled.claimed_pull == pytest.approx(0.75 / pull_spread(third, 1)[0], rel=1e-12)
    assert pulled.uncorrected().corrected_pull is None
    assert pulled.uncorrected().claimed_pull == pulled.claimed_pull


def test_an_event_of_weight_two_has_the_variance_of_four() -> None:
    """The same counts of half as many events: the statistical part grows by sqrt(2), no other."""
    fit = noisy()
    double = as_weighted(fit, np.full(len(RATES), 2.0))
    along = direction(fit, 0, calibrated=False)
    once, twice = (sizes(divide_error(each, along, NAMES)) for each in (fit, double))
    statistics = "statistics", None
    assert twice.pop(statistics) == pytest.approx(np.sqrt(2.0) * once.pop(statistics), rel=1e-12)
    assert twice == once
    assert as_weighted(fit, np.ones(len(RATES))) is fit
