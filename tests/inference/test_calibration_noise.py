"""What the noise of a calibration does to the pulls, against repeated calibrations."""

import numpy as np
import pytest

from pullfactory import Calibration, Study, build_method, calibrate, draw_toys, fit_toys
from pullfactory.inference.calibration_noise import _morphing, calibration_noise, noise_warnings
from pullfactory.likelihoods import UnbinnedData
from pullfactory.simulation.response import Response

STUDY = Study.preset("poster").with_settings(
    {
        "calibration.events_per_point": 30_000,
        "calibration.grid": "needed",
        "ensemble.n_toys": 2**10,
        "ensemble.rho": [0.0],
    }
)


def expected(calibration: Calibration, method: str) -> dict[str, tuple[float, float]]:
    rows = calibration_noise(calibration)
    return {row.parameter: (row.shift, row.width) for row in rows if row.method == method}


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
def test_binned_width_is_that_of_repeated_calibrations() -> None:
    """Squared widths less 1, mean of the parameters, over 24 calibrations with 256 toys each.

    The estimate is of first order in the noise, and the next order is not small where the first
    is half: 25 %, and three standard errors from the spread of the 24.
    """
    study = STUDY.with_settings({"methods": ["binned"]})
    found = []
    for replica in range(24):
        method = build_method("binned", calibrate(study, replica=replica))
        toys = draw_toys(study, replica, 0.0)
        fits = fit_toys(method.likelihood, method.observe(toys).data).select(study.parameter_names)
        pulls = (fits.estimate - toys.theta_true) / fits.error
        found.append(np.var(pulls, axis=0).mean() - 1.0)
    predicted = np.mean(
        [width**2 - 1.0 for _, width in expected(calibrate(study), "binned").values()]
    )
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert error < 0.1 * predicted
    assert abs(np.mean(found) - predicted) < 0.25 * predicted + 3 * error


@pytest.mark.parametrize(
    ("morphing", "step"), [("additive", 1.0), ("additive_cross", 1.0), ("multiplicative", 3.0)]
)
def test_at_a_calibration_point_its_template_is_all(morphing: str, step: float) -> None:
    """A free parameter is linear in its templates, but where bins are multiplied."""
    calibration = calibrate(STUDY.with_settings({"workspace.morphing": morphing}))
    theta = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [step, 0.0, 0.0]])
    factors, slopes, _ = _morphing(calibration, theta)
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
