"""What the noise of a calibration does to the pulls, against repeated calibrations."""

import numpy as np
import pytest

from pullfactory import Calibration, Study, build_method, calibrate, draw_toys, fit_toys
from pullfactory.fitting import fit_events
from pullfactory.inference.calibration_noise import (
    CalibrationNoise,
    calibration_noise,
    noise_warnings,
)
from pullfactory.likelihoods import JointData, UnbinnedData
from pullfactory.methods import method_kind
from pullfactory.methods.template_noise import template_factors
from pullfactory.simulation.response import Response

STUDY = Study.preset("poster").with_settings(
    {
        "calibration.events_per_point": 30_000,
        "calibration.grid": "needed",
        "ensemble.n_toys": 2**10,
        "ensemble.rho": [0.0],
    }
)


METHODS = ("unbinned", "binned", "unbinned_joint", "binned_joint")


def expected(calibration: Calibration, method: str) -> dict[str, tuple[float, float]]:
    rows = [row for row in calibration_noise(calibration) if row.method == method]
    return {
        row.parameter: (row.shift, row.width)
        for row in rows
        if row.shift is not None and row.width is not None
    }


def test_unbinned_shift_is_that_of_repeated_calibrations() -> None:
    """Fits of the exact moments with 72 calibrations: the root mean square is known to 1 / 12.

    The three shifts are compared one by one: four standard errors.
    """
    study = STUDY.with_settings({"calibration.events_per_point": 3000, "methods": ["unbinned"]})
    true, n_events = Response.from_study(study), study.ensemble.n_events
    data = UnbinnedData(
        observables=tuple(
            np.array([[n_events, mu, n_events * sigma**2]])
            for mu, sigma in zip(true.mu, true.sigma, strict=True)
        ),
        weights=None,
        aux=np.zeros((1, 2)),
    )
    pulls = []
    for replica in range(72):
        calibration = calibrate(study, replica=replica)
        fit = fit_toys(build_method("unbinned", calibration).likelihood, data)
        pulls.append(fit.estimate[0] / fit.error[0])
    found = np.sqrt(np.mean(np.square(pulls), axis=0))
    for shift, (predicted, _) in zip(
        found, expected(calibration, "unbinned").values(), strict=True
    ):
        assert abs(shift / predicted - 1.0) < 4 / 12


@pytest.mark.slow
@pytest.mark.parametrize("rho", [-0.6, 0.9])
def test_unbinned_joint_shift_is_that_of_repeated_calibrations(rho: float) -> None:
    """As above, of samples that keep the shifts small; these learn the correlation too."""
    study = STUDY.with_settings(
        {
            "calibration.events_per_point": 20_000,
            "methods": ["unbinned_joint"],
            "ensemble.rho": [rho],
        }
    )
    true, n_events = Response.from_study(study), study.ensemble.n_events
    covariance = study.correlation(rho) * np.outer(true.sigma, true.sigma)
    data = JointData(
        marginals=UnbinnedData(
            observables=tuple(
                np.array([[n_events, mu, n_events * sigma**2]])
                for mu, sigma in zip(true.mu, true.sigma, strict=True)
            ),
            weights=None,
            aux=np.zeros((1, 2)),
        ),
        spread=n_events * covariance[None],
        events=None,
    )
    pulls = []
    for replica in range(72):
        calibration = calibrate(study, replica=replica, workers=1)
        fit = fit_toys(build_method("unbinned_joint", calibration, rho).likelihood, data)
        pulls.append(fit.estimate[0] / fit.error[0])
    found = np.sqrt(np.mean(np.square(pulls), axis=0))
    told = expected(calibrate(study, workers=1), "unbinned_joint")
    for shift, (predicted, _) in zip(found, told.values(), strict=True):
        assert abs(shift / predicted - 1.0) < 4 / 12


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "rho", "truth"),
    [
        *((method, 0.0, "prior") for method in METHODS),
        ("binned_joint", -0.6, "prior"),
        ("binned", 0.0, "fixed"),
        ("unbinned_optimal", 0.9, "prior"),
        ("binned_optimal", 0.9, "prior"),
    ],
)
def test_every_method_tells_the_width_of_repeated_calibrations(
    method: str, rho: float, truth: str
) -> None:
    """Widths within one calibration, over 12 of them with 256 toys each.

    Within 5 % and four standard errors, from the spread of the 12; the noise of one method would
    not do for another: those of `unbinned_joint` are 1.00, those of `binned` 1.14 to 1.23.
    """
    study = STUDY.with_settings(
        {
            "methods": [method],
            "ensemble.rho": [rho],
            "ensemble.truth": truth,
            "calibration.events_per_point": 50_000,
        }
    )
    found = []
    for replica in range(12):
        calibration = calibrate(study, replica=replica, workers=1)
        toys = draw_toys(study, replica, rho)
        fits = fit_events(build_method(method, calibration, rho), toys)
        fits = fits.select(study.parameter_names)
        found.append(np.var((fits.estimate - toys.theta_true) / fits.error, axis=0, ddof=1))
    width = np.sqrt(np.mean(found, axis=0))
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found)) / (2 * width)
    told = [told for _, told in expected(calibrate(study, workers=1), method).values()]
    assert np.max(error) < 0.03
    assert np.all(np.abs(width - told) < 0.05 * width + 4 * error)


@pytest.mark.parametrize(
    ("morphing", "step"), [("additive", 1.0), ("additive_cross", 1.0), ("multiplicative", 3.0)]
)
def test_at_a_calibration_point_its_template_is_all(morphing: str, step: float) -> None:
    """A free parameter is linear in its templates, but where bins are multiplied."""
    calibration = calibrate(STUDY.with_settings({"workspace.morphing": morphing}))
    theta = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [step, 0.0, 0.0]])
    factors, slopes, _ = template_factors(calibration.channels, 0, theta)
    for at, found in zip(theta[:3], factors[:3], strict=True):
        own = (calibration.points == at).all(axis=1).astype(float)
        assert found == pytest.approx(own, abs=1e-3)
    up, down, nominal = (
        factors[3][(calibration.points == sign * theta[3]).all(axis=1)].item()
        for sign in (1, -1, 0)
    )
    whole = (1.0, 0.0, 0.0) if morphing == "multiplicative" else (0.5, -0.5, 1.0)
    assert (up, down, nominal) == pytest.approx(whole, abs=1e-3)
    assert slopes.sum(axis=-1) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("method", ["binned", "binned_joint"])
def test_the_nominal_template_is_noisy_where_the_truth_is_nominal(method: str) -> None:
    """There its rates have no slope, and its noise shifts the pulls as it does over the prior."""
    study = STUDY.with_settings({"methods": [method]})
    fixed = study.with_settings({"ensemble.truth": "fixed"})
    over_prior, at_nominal = (
        expected(calibrate(one, workers=1), method).values() for one in (study, fixed)
    )
    for (wanted, _), (shift, width) in zip(over_prior, at_nominal, strict=True):
        assert shift == pytest.approx(wanted, rel=0.1)
        assert width > 1.0


def test_exact_calibration_has_no_noise(tiny_study: Study) -> None:
    assert calibration_noise(calibrate(tiny_study)) == ()


def test_few_events_are_warned_of() -> None:
    rows = calibration_noise(calibrate(STUDY))
    (unbinned, binned) = noise_warnings(rows, 30_000)
    assert unbinned.startswith("calibration from 30000 events a point: expect unbinned pulls of ")
    assert binned.startswith("calibration from 30000 events a point: expect binned pulls of ")
    needed = int(binned.split("use at least ")[1].split()[0])
    enough = calibrate(STUDY.with_settings({"calibration.events_per_point": 2 * needed}))
    assert not [row for row in calibration_noise(enough) if not row.tolerable]
    assert not list(noise_warnings(calibration_noise(enough), 2 * needed))


def of_method(rows: tuple[CalibrationNoise, ...], method: str) -> list[CalibrationNoise]:
    return [row for row in rows if row.method == method]


def test_joint_methods_tell_their_own_noise_at_every_rho() -> None:
    study = STUDY.with_settings({"methods": list(METHODS), "ensemble.rho": [-0.6, 0.5]})
    rows = calibration_noise(calibrate(study, workers=1))
    for method in METHODS:
        kind = method_kind(method)
        told = [row.rho for row in of_method(rows, method)]
        assert told == ([0.0] * 3 if kind.independent else [-0.6] * 3 + [0.5] * 3)
    widths = {m: [row.width for row in of_method(rows, m)] for m in METHODS}
    assert widths["unbinned_joint"] == pytest.approx([1.0] * 6, abs=0.02)
    assert all(width is not None and width > 1.05 for width in widths["binned_joint"])
    assert widths["binned_joint"][:3] != pytest.approx(widths["binned"], abs=0.02)


@pytest.mark.parametrize("correlation", ["given", "fitted"])
def test_a_correlation_without_noise_shifts_less(correlation: str) -> None:
    """At rho = 0.9 the shift of m_t is mostly that of the learnt correlation."""
    joint = {"methods": ["unbinned_joint"], "ensemble.rho": [0.9]}
    learnt = calibrate(STUDY.with_settings(joint), workers=1)
    other = calibrate(STUDY.with_settings({**joint, "joint.correlation": correlation}), workers=1)
    own, less = (expected(one, "unbinned_joint")["m_t"][0] for one in (learnt, other))
    assert less < own


def test_optimal_weights_of_independent_observables_are_those_of_the_product() -> None:
    """To half a percent: of tails, which 2000 points of a density leave out, and noisy rates."""
    names = ["unbinned", "binned", "unbinned_optimal", "binned_optimal"]
    study = STUDY.with_settings({"methods": names, "ensemble.rho": [0.0, 0.9]})
    told = {
        (row.method, row.rho, row.parameter): (row.shift, row.width)
        for row in calibration_noise(calibrate(study, workers=1))
    }
    for name in names[:2]:
        for parameter in study.parameter_names:
            product = told[name, 0.0, parameter]
            assert told[f"{name}_optimal", 0.0, parameter] == pytest.approx(product, rel=0.01)
            correlated = told[f"{name}_optimal", 0.9, parameter]
            assert correlated != pytest.approx(product, rel=0.02)


def test_what_a_method_cannot_tell_is_withheld_with_the_reason() -> None:
    study = STUDY.with_settings({"methods": list(METHODS), "ensemble.dependence": "t_copula"})
    rows = calibration_noise(calibrate(study, workers=1))
    for row in rows:
        known = method_kind(row.method).independent
        assert (row.width is not None, row.shift is not None, row.reason is None) == 3 * (known,)
        assert row.tolerable is not None if known else row.tolerable is None
    lines = list(noise_warnings(rows, 30_000))
    assert sum(line.startswith("calibration noise of ") for line in lines) == 2
    assert "its corrected errors are withheld" in lines[-1]
