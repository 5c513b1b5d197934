"""The calibration as a whole."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory import Calibration, Study, calibrate
from pullfactory.binning.edges import exact_probabilities
from pullfactory.calibration.grid import calibration_points, label_point, sample_index
from pullfactory.errors import CalibrationError, StudyError
from pullfactory.simulation.response import Response

POSTER = Study.preset("poster")
SMALL = POSTER.with_settings({"calibration.events_per_point": 20_000})


def points_of(study: Study) -> NDArray[np.float64]:
    return calibration_points(study.parameter, study.workspace, study.calibration.grid)


@pytest.fixture(scope="module")
def simulated() -> Calibration:
    return calibrate(SMALL)


@pytest.fixture(scope="module")
def exact() -> Calibration:
    return calibrate(POSTER.with_settings({"calibration.source": "exact"}))


def test_grid_of_the_poster() -> None:
    points = points_of(POSTER)
    assert points.shape == (27, 3)
    assert label_point(POSTER.parameter_names, points[0]) == "nominal"
    assert len(np.unique(points, axis=0)) == 27
    samples = sample_index(POSTER.resimulated, points)
    assert len(np.unique(samples)) == 3
    for sample in np.unique(samples):
        assert len(np.unique(points[samples == sample][:, 0])) == 1


def test_needed_points_are_enough_for_the_workspace() -> None:
    study = SMALL.with_settings({"calibration.grid": "needed"})
    points = points_of(study)
    assert len(points) == 1 + 6 + 8
    full = calibrate(SMALL)
    needed = calibrate(study)
    for label, counts in zip(needed.labels, needed.counts[0], strict=True):
        assert np.array_equal(counts, full.counts[0][full.labels.index(label)])


def test_does_not_depend_on_the_workers(simulated: Calibration) -> None:
    assert calibrate(SMALL, workers=1).sha256 == simulated.sha256


def test_finds_the_truth_within_errors(simulated: Calibration) -> None:
    """16 numbers, half of them independent: five standard errors, and rounding where exact."""
    for row in simulated.comparison():
        assert abs(row.result - row.truth) < 5 * row.error + 1e-9 * abs(row.result), row


@pytest.mark.slow
def test_errors_of_the_response_are_those_of_repeated_calibrations() -> None:
    """Pull widths over 100 calibrations: known to 1 / sqrt(200) = 0.07; allow four."""
    pulls: dict[tuple[str, str], list[float]] = {}
    for seed in range(100):
        found = calibrate(
            POSTER.with_settings({"calibration.events_per_point": 3000, "seed": seed})
        )
        for row in found.comparison():
            if row.error > 0:
                key = (row.observable, row.quantity)
                pulls.setdefault(key, []).append((row.result - row.truth) / row.error)
    assert len(pulls) >= 10
    for key, values in pulls.items():
        assert abs(np.std(values) - 1) < 4 * 0.07, key
        assert abs(np.mean(values)) < 4 * 0.1, key


def test_exact_is_the_truth(exact: Calibration) -> None:
    true = Response.from_study(exact.study)
    for mine, theirs in zip(exact.response, true, strict=True):
        assert np.array_equal(mine, theirs)
    assert np.all(exact.moment_errors == 0)
    location, scale = true(exact.points.astype(float))
    expected = exact_probabilities(exact.study, exact.edges, location, scale)
    assert np.allclose(exact.counts[1] / 1_000_000, expected[1])


def test_templates_are_named_histograms(simulated: Calibration) -> None:
    template = simulated.templates[0]
    assert [axis.name for axis in template.axes] == ["variation", "m_t"]
    assert template.axes[1].label == "$m_\\mathrm{t}^\\mathrm{reco}$ [GeV]"
    assert template.values()[0].sum() == 20_000
    up = template.axes[0].index("JSF+1")
    assert np.array_equal(template.values()[up], simulated.template(0, {"JSF": 1}))


def test_templates_follow_the_densities(simulated: Calibration) -> None:
    """Bin contents against exact probabilities: binomial errors, 1080 bins, allow five."""
    location, scale = Response.from_study(SMALL)(simulated.points.astype(float))
    for o in range(2):
        p = exact_probabilities(SMALL, simulated.edges, location, scale)[o]
        deviation = (simulated.counts[o] - 20_000 * p) / np.sqrt(20_000 * p * (1 - p))
        assert np.abs(deviation).max() < 5


def test_reads_back_what_it_writes(simulated: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(simulated.to_dict()))
    again = Calibration.read(path)
    assert again.sha256 == simulated.sha256
    assert np.array_equal(again.response.mu, simulated.response.mu)
    assert again.spectra[0] == simulated.spectra[0]


@pytest.mark.parametrize(
    ("keys", "value", "complaint"),
    [
        (("points",), [[0.0, 0.0]], r"numbers of shape \(1, 2\) where \(-1, 3\) is needed"),
        (("points", 0), [0.0], "setting an array element with a sequence"),
        (("moments", 0, 0, 0), math.inf, "a number is not finite"),
        (("moments",), "many", "could not convert string to float: 'many'"),
        (("response",), [], "AttributeError: 'list' object has no attribute 'items'"),
        (("response", "mu"), None, r"numbers of shape \(\) where \(2,\) is needed"),
        (("templates", "m_t"), {}, "TypeError: Only axes"),
        (("templates", "m_t", "axes", 0, "categories"), ["a"], "shape"),
        (("templates", "m_t", "storage", "values", 0, 0), 1e300, "more events than can be counted"),
        (("spectra", "m_t", "axes"), 3, "TypeError"),
        (("joint",), [{"edges": None}], "KeyError: 'counts'"),
        (("study",), None, "study of the calibration: null: must be a table"),
    ],
)
def test_a_foreign_calibration_is_refused(
    simulated: Calibration, keys: tuple[Any, ...], value: object, complaint: str
) -> None:
    content = simulated.to_dict()
    del content["sha256"]
    inner: Any = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    with pytest.raises((CalibrationError, StudyError), match=complaint) as raised:
        Calibration.from_dict({**content, "sha256": digest})
    assert isinstance(raised.value, StudyError) or "write it again" in str(raised.value)


def test_another_study_is_refused(simulated: Calibration) -> None:
    other = POSTER.with_settings({"observable.m_W.sigma": 7.0})
    with pytest.raises(CalibrationError, match="other values of 'observable'"):
        simulated.for_study(other)
    with pytest.raises(CalibrationError, match="has 20 bins, study 'poster' wants 10"):
        simulated.for_study(POSTER.with_settings({"workspace.n_bins": 10}))


def test_missing_point_is_named(simulated: Calibration) -> None:
    with pytest.raises(CalibrationError, match="no calibration sample at m_t\\+2"):
        simulated.template(0, {"m_t": 2})


def test_voigt_calibration_closes() -> None:
    study = SMALL.with_settings(
        {
            "observable.m_W.density": "voigt",
            "observable.m_W.shape": {"gamma": 0.3},
            "ensemble.dependence": "gaussian_copula",
            "calibration.grid": "needed",
        }
    )
    for row in calibrate(study).comparison():
        assert abs(row.result - row.truth) < 5 * row.error + 1e-6 * abs(row.result) + 1e-9, row


def test_further_points_are_on_the_axis_and_change_no_other_sample() -> None:
    study = SMALL.with_settings(
        {"parameter.m_t.points": [-6, -3, -1, 0, 1, 3, 6], "parameter.JSF.points": [2.5]}
    )
    assert study.calibration_steps("m_t") == (-6, -3, -1, 0, 1, 3, 6)
    points, before = points_of(study), points_of(SMALL)
    assert np.array_equal(points[: len(before)], before)
    labels = [label_point(study.parameter_names, point) for point in points[len(before) :]]
    assert labels == ["m_t-6", "m_t-3", "m_t+3", "m_t+6", "JSF+2.5"]
    samples = sample_index(study.resimulated, points)
    assert np.array_equal(samples[: len(before)], sample_index(SMALL.resimulated, before))
    assert samples[-1] == samples[0]  # the jet scale varies the same events
    assert len(set(samples)) == 3 + 4  # of the mass, each point has its own


def test_further_points_narrow_the_slope_of_the_mass() -> None:
    """Least squares of a line: the variance falls as the sum of the squared steps grows."""
    further = SMALL.with_settings({"parameter.m_t.points": [-6, -3, 3, 6]})
    before, after = (
        np.array([row.error for row in calibrate(study).comparison() if "m_t" in row.quantity])
        for study in (SMALL, further)
    )
    assert np.all(after[:2] < before[:2] / 2)


def test_wide_mass_brings_its_points() -> None:
    study = SMALL.with_settings(
        {
            "workspace.morphing": "multiplicative",
            "workspace.mass_step": 2,
            "calibration.grid": "needed",
        }
    )
    labels = {label_point(study.parameter_names, point) for point in points_of(study)}
    axes = {f"{name}{step}" for name in study.parameter_names for step in ("-1", "+1")}
    assert labels == {"nominal", *axes, "m_t-2", "m_t+2"}


def test_replicas_are_independent() -> None:
    """The difference of two independent counts has twice the variance of one; 20 bins, 5 sigma."""
    study = SMALL.with_settings({"calibration.grid": "needed"})
    first, second = (calibrate(study, replica=r).counts[0] for r in (1, 2))
    chi_square = ((first[1:] - second[1:]) ** 2 / (first[1:] + second[1:])).sum(axis=1)
    assert np.all(np.abs(chi_square - 20) < 5 * np.sqrt(2 * 20))
    assert np.array_equal(first, calibrate(study, workers=1, replica=1).counts[0])
