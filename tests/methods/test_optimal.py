"""Optimal combinations of the observables, as methods of a study.

Their predicted errors are compared with matrices and with statsmodels in `reference/`.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pullfactory as pf
from pullfactory import Study, build_method, calibrate
from pullfactory.errors import LikelihoodError, StudyError
from pullfactory.likelihoods.bin_contents import rake
from pullfactory.likelihoods.optimal import (
    Constraints,
    Directions,
    OptimalLikelihood,
    measured_weight,
)
from pullfactory.simulation.toys import ToyBlock

OPTIMAL = ("unbinned_optimal", "binned_optimal")
POSTER = Study.preset("poster").with_settings(
    {"calibration.source": "exact", "ensemble.n_toys": 1, "ensemble.rho": [0.9]}
)
CONSTRAINED = np.array([0.0, 1.0, 1.0])


def fitted(study: Study, method: str, rho: float = 0.9) -> tuple[pf.FitBatch, Any]:
    toys = pf.draw_toys(study, 0, rho)
    return pf.fit_events(build_method(method, calibrate(study), rho), toys), toys


# --- one toy ---------------------------------------------------------------------------------


def scores(theta: NDArray[np.float64], events: NDArray[np.float64]) -> tuple[Any, Any]:
    """Scores z and z^2 - 1 of each event, and how their expectations move; of Gaussians."""
    response = pf.Response.from_study(POSTER)
    mu, sigma = response(theta)
    z = (events - mu) / sigma
    steps = [pf.Response.from_study(POSTER)(theta + 1e-6 * e) for e in np.eye(3)]
    to_mu = np.stack([(m - mu) / 1e-6 / sigma for m, _ in steps], axis=1)
    to_sigma = np.stack([(s - sigma) / 1e-6 / sigma for _, s in steps], axis=1)
    return np.concatenate([z, z**2 - 1], axis=1), np.concatenate([to_mu, 2 * to_sigma])


def test_the_estimate_solves_the_equation() -> None:
    """D^T Omega^-1 u = theta - a, with u and D where it is; weights there instead of nearby."""
    fits, toys = fitted(POSTER, "unbinned_optimal")
    r = np.array([[1.0, 0.9], [0.9, 1.0]])
    inverse = np.linalg.inv(np.block([[r, 0 * r], [0 * r, 2 * r**2]]))
    for toy in range(20):
        u, slopes = scores(fits.estimate[toy], toys.events[toy])
        pull = np.append(0.0, fits.estimate[toy, 1:] - toys.aux[toy])
        left = slopes.T @ inverse @ u.sum(axis=0) - pull
        information = len(u) * slopes.T @ inverse @ slopes + np.diag(CONSTRAINED)
        assert fits.error[toy] == pytest.approx(
            np.sqrt(np.diag(np.linalg.inv(information))), rel=0.02
        )
        distance = np.linalg.solve(information, left) / fits.error[toy]
        assert np.abs(distance).max() < 0.1


def test_the_sandwich_is_that_of_its_score() -> None:
    fits, toys = fitted(POSTER, "unbinned_optimal")
    r = np.array([[1.0, 0.9], [0.9, 1.0]])
    inverse = np.linalg.inv(np.block([[r, 0 * r], [0 * r, 2 * r**2]]))
    u, slopes = scores(fits.estimate[0], toys.events[0])
    each = u @ inverse @ slopes
    bread = np.linalg.inv(len(u) * slopes.T @ inverse @ slopes + np.diag(CONSTRAINED))
    both = bread @ (each.T @ each + np.diag(CONSTRAINED)) @ bread
    assert fits.corrected_error[0] == pytest.approx(np.sqrt(np.diag(both)), rel=0.02)


def test_general_families_do_what_gaussians_do() -> None:
    """A bifurcated normal with equal sides is a Gaussian, and goes the way of events."""
    same = {f"observable.{o}.{key}": value for o in ("m_t", "m_W") for key, value in SAME.items()}
    study = POSTER.with_settings({**same, "ensemble.dependence": "gaussian_copula"})
    toys = pf.draw_toys(POSTER, 0, 0.9)
    one, other = (
        pf.fit_events(build_method("unbinned_optimal", calibrate(each), 0.9), toys)
        for each in (POSTER, study)
    )
    assert other.estimate == pytest.approx(one.estimate, abs=5e-3)  # a sample has the weights
    assert other.error == pytest.approx(one.error, rel=0.01)
    assert other.corrected_error == pytest.approx(one.corrected_error, rel=0.01)


SAME: Mapping[str, Any] = {"density": "bifurcated_normal", "shape": {"sigma_ratio": 1.0}}


@pytest.mark.parametrize("method", OPTIMAL)
def test_chi_square_has_the_number_of_elements_that_are_left(method: str) -> None:
    """2 q observed numbers and 2 auxiliary ones less 3 parameters: 3, or 37 for bins."""
    fits, _ = fitted(POSTER, method)
    chi_square, degrees = 2 * fits.nll, {"unbinned_optimal": 3, "binned_optimal": 37}[method]
    mean = chi_square.mean()
    assert mean == pytest.approx(degrees, abs=4 * np.sqrt(2 * degrees / len(chi_square)))


# --- weights ---------------------------------------------------------------------------------


def test_directions_without_a_variance_are_counted() -> None:
    """Each channel has the same number of events, whatever the parameters are."""
    for method, null in (("unbinned_optimal", 0), ("binned_optimal", 2)):
        assert build_method(method, calibrate(POSTER), 0.9).null == null


class Straight:
    """Elements that move in proportion to the only parameter."""

    groups = (slice(None),)

    def __init__(self, slopes: list[float]) -> None:
        self.slopes = np.array(slopes)

    def __call__(self, theta: Any, reference: Any) -> Any:  # noqa: ARG002
        return self.slopes * theta[0]


def straight(slopes: list[float]) -> OptimalLikelihood:
    nothing = np.zeros(0)
    return OptimalLikelihood(
        scores=Straight(slopes),
        constraints=Constraints(nothing.astype(int), nothing, np.zeros((0, 0))),
        first=np.zeros(1),
        limits=np.array([[-10.0, 10.0]]),
        held=np.zeros(1, dtype=bool),
        names=("m",),
    )


def test_an_element_that_comes_twice_counts_once() -> None:
    twice = np.ones((2, 2))
    found = Directions.of(straight([1.0, 1.0]), twice, np.zeros(1), np.zeros(1))
    assert (found.number, found.null) == (1, 1)
    slopes = np.ones(2)
    assert slopes @ found.weight(twice) @ slopes == pytest.approx(1.0)


def test_what_would_be_known_exactly_is_refused() -> None:
    with pytest.raises(LikelihoodError, match="take for exactly known; leave out an observable"):
        Directions.of(straight([1.0, 2.0]), np.ones((2, 2)), np.zeros(1), np.zeros(1))


def test_few_events_have_no_weights_of_their_own() -> None:
    own = {"optimal.weights": "own", "ensemble.n_events": 199}
    study = POSTER.with_settings(own)
    with pytest.raises(LikelihoodError, match=r"n_events = 199 are too few .* 200 in all"):
        build_method("unbinned_optimal", calibrate(study), 0.9)
    with pytest.raises(LikelihoodError, match=r"each of 38 independent elements, 1900 in all"):
        build_method("binned_optimal", calibrate(study), 0.9)
    enough = study.with_settings({"ensemble.n_events": 200})
    assert build_method("unbinned_optimal", calibrate(enough), 0.9).name == "unbinned_optimal"
    with pytest.raises(StudyError, match=r"optimal\.weights"):
        POSTER.with_settings({"optimal.weights": "mine"})


def test_weights_of_their_own_are_not_biased() -> None:
    """Over samples of 60 events with 4 elements; without the factor they are 9 % too large."""
    rng = np.random.default_rng(5)
    directions = Directions(np.eye(4), 0)
    events = rng.standard_normal((20_000, 60, 4))
    spread = events - events.mean(axis=1, keepdims=True)
    covariance = np.einsum("tni,tnj->tij", spread, spread) * 60 / 59
    weights = measured_weight(directions, covariance, np.full(20_000, 60.0)) * 60
    assert weights.mean(axis=0) == pytest.approx(np.eye(4), abs=0.01)


@pytest.mark.parametrize("method", OPTIMAL)
def test_own_weights_give_nearly_the_same(method: str) -> None:
    """Estimates differ by the noise of the weights, a few hundredths of an error."""
    expected, _ = fitted(POSTER, method)
    own, _ = fitted(POSTER.with_settings({"optimal.weights": "own"}), method)
    moved = (own.estimate - expected.estimate) / expected.error
    assert 0 < np.sqrt(np.mean(moved**2)) < 0.3
    assert np.mean(own.error / expected.error) == pytest.approx(1.0, abs=0.03)


def test_raking_keeps_what_depends_and_gives_the_sums() -> None:
    rng = np.random.default_rng(3)
    joint = rng.random((3, 4))
    rows, columns = rng.dirichlet(np.ones(3), 2), rng.dirichlet(np.ones(4), 2)
    found = rake(joint / joint.sum(), rows, columns)
    assert found.sum(axis=1) == pytest.approx(columns, rel=1e-12)
    assert found.sum(axis=2) == pytest.approx(rows, rel=1e-12)
    odds = found[:, :-1, :-1] * found[:, 1:, 1:] / (found[:, :-1, 1:] * found[:, 1:, :-1])
    assert odds[0] == pytest.approx(odds[1], rel=1e-6)
    one = joint[:-1, :-1] * joint[1:, 1:] / (joint[:-1, 1:] * joint[1:, :-1])
    assert odds[0] == pytest.approx(one, rel=1e-6)


def weighed(block: ToyBlock, as_: str) -> ToyBlock:
    """Every event of a block with weight 2, or as two rows of one event."""
    toys, rows = block.events.shape[:2]
    if as_ == "weights":
        return replace(block, event_weights=np.full((toys, rows), 2.0))
    owners = np.tile(np.repeat(2 * np.arange(rows), 2), (toys, 1))
    return replace(block, events=np.repeat(block.events, 2, axis=1), owners=owners)


@pytest.mark.parametrize("weights", ["expected", "own"])
@pytest.mark.parametrize("method", OPTIMAL)
def test_weight_2_is_the_event_twice_with_four_times_its_variance(
    method: str, weights: str
) -> None:
    """Sums are double and their variance four times: estimates and errors are those of weight 1.

    But for where the product is, which takes it for twice the events: of second order.
    """
    study = POSTER.with_settings({"ensemble.n_events": 2000, "optimal.weights": weights})
    made = build_method(method, calibrate(study), 0.9)
    block = pf.draw_toys(study, 0, 0.9)
    if (method, weights) == ("binned_optimal", "own"):
        for as_ in ("weights", "rows"):
            with pytest.raises(LikelihoodError, match="has no weights of its own for events with"):
                pf.fit_events(made, weighed(block, as_))
        return
    once = pf.fit_events(made, block)
    two, rows = (pf.fit_events(made, weighed(block, as_)) for as_ in ("weights", "rows"))
    for key in ("estimate", "error", "corrected_error"):
        assert getattr(rows, key) == pytest.approx(getattr(two, key), rel=1e-5, abs=1e-6)
    assert two.error == pytest.approx(once.error, rel=0.02)
    assert two.corrected_error == pytest.approx(once.corrected_error, rel=0.02)
    assert np.abs((two.estimate - once.estimate) / once.error).max() < 0.1


# --- in a study ------------------------------------------------------------------------------


def test_they_are_in_everything(tmp_path: Any) -> None:
    study = POSTER.with_settings(
        {"ensemble.n_toys": 40, "ensemble.rho": [0.0, 0.9], "methods": ["unbinned", *OPTIMAL]}
    )
    result = pf.run(study)
    folder = result.write(tmp_path / "out", figures=())
    rows = pf.read_summary(folder)["pulls"]
    assert {row["method"] for row in rows} == {"unbinned", *OPTIMAL}
    assert all(row["n_failed"] == 0 for row in rows)
    assert "pulls_binned_optimal" in result.plots
    assert pf.read(folder).summary()["null"] == {"unbinned_optimal": 0, "binned_optimal": 2}
    assert "binned_optimal leaves out 2 combinations" in (folder / "report.html").read_text()
    told = {(row["method"], row["rho"]): row["optimal_error"] for row in rows}  # of the last one
    own = {(row.method, row.rho): row.actual_error for row in result.predictions}
    assert told["unbinned", 0.9] == pytest.approx(own["unbinned_optimal", 0.9], rel=1e-6)
    assert told["unbinned_optimal", 0.9] is None
    assert pf.read(folder).summary() == result.summary()


def test_totals_that_are_not_kept_say_nothing() -> None:
    """Products of factors do not keep the total: its parameter is held, rates are normalised."""
    study = POSTER.with_settings({"workspace.morphing": "multiplicative"})
    method = build_method("binned_optimal", calibrate(study), 0.9)
    held = np.array(method.likelihood.parameters)[method.likelihood.fixed]
    assert set(held) == {"total_m_t", "total_m_W"}
    assert method.null == 2
    fits, _ = fitted(study, "binned_optimal")
    assert np.all(fits.status == pf.FitStatus.CONVERGED)


def test_the_table_of_the_page_is_what_is_predicted() -> None:
    text = (Path(__file__).parents[2] / "docs" / "optimal.md").read_text(encoding="utf-8")
    said = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]]
        for line in re.findall(r"^\| 20+ .*$", text, re.MULTILINE)
    ]
    assert len(said) == 8
    for events in (200, 2000):
        study = POSTER.with_settings(
            {"ensemble.n_events": events, "ensemble.rho": [-0.6, 0.5, 0.9]}
        )
        found = {
            (str(events), f"{row.rho:g}", row.method, row.parameter): row
            for row in pf.predict(study, workers=1).rows
        }
        for *where, claimed, product, optimal, joint in said:
            if where[0] == str(events):
                row = found[where[0], where[1], where[2], where[3]]
                errors = row.claimed_error, row.actual_error, row.optimal_error, row.joint_error
                assert [f"{error or 0.0:.3f}" for error in errors] == [
                    *(claimed, product, optimal, joint)
                ]


def test_weights_add_up_to_what_is_learnt() -> None:
    """All of a shift is; two alike, independent observables have half of it each."""
    prediction = pf.predict(POSTER, rho=[0.0, 0.9], workers=1)
    sums: dict[tuple[str, float, str], NDArray[np.float64]] = {}
    for row in prediction.weights:
        key = row.method, row.rho, row.parameter
        sums[key] = sums.get(key, np.zeros(2)) + np.array([row.product, row.optimal])
        if row.rho == 0.0:
            assert row.optimal == pytest.approx(row.product, abs=1e-9)
    assert len(sums) == 12
    for both in sums.values():
        assert both == pytest.approx([1.0, 1.0], rel=1e-9)
    slopes = {"mu_slopes": {"m": 0.01}}
    observables = [{"name": name, "mu": 10.0, "sigma": 1.0, **slopes} for name in "ab"]
    alike = Study.from_dict(
        {
            "name": "alike",
            "poi": "m",
            "methods": ["unbinned"],
            "ensemble": {"rho": [0.5]},
            "calibration": {"source": "exact"},
            "parameter": [{"name": "m", "constraint": "free"}],
            "observable": observables,
        }
    )
    rows = pf.predict(alike, workers=1).weights
    assert [row.observable for row in rows] == ["a", "b"]
    assert [row.optimal for row in rows] == pytest.approx([0.5, 0.5], rel=1e-9)


# --- promises --------------------------------------------------------------------------------


def random_study(seed: int) -> tuple[Study, float]:
    """Some Gaussian observables and parameters with random responses and correlations."""
    rng = np.random.default_rng(seed)
    n_observables, n_parameters = rng.integers(2, 5), rng.integers(2, 5)
    root = rng.standard_normal((n_observables, n_observables + 1))
    matrix = root @ root.T
    matrix /= np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)))
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 1.0)
    names = [f"p{k}" for k in range(n_parameters)]
    n_free = rng.integers(1, n_parameters + 1)
    observables = [
        {
            "name": f"x{o}",
            "mu": 100.0,
            "sigma": 10.0,
            **{
                key: dict(
                    zip(names, (0.01 * rng.standard_normal(n_parameters)).tolist(), strict=True)
                )
                for key in ("mu_slopes", "sigma_slopes")
            },
        }
        for o in range(n_observables)
    ]
    parameters = [
        {"name": name, "constraint": "free" if k < n_free else "normal"}
        for k, name in enumerate(names)
    ]
    study = Study.from_dict(
        {
            "name": "random",
            "poi": "p0",
            "ensemble": {"n_events": 1000, "rho": [1.0], "correlation": matrix.tolist()},
            "calibration": {"source": "exact"},
            "methods": ["unbinned"],
            "parameter": parameters,
            "observable": observables,
        }
    )
    return study, 1.0


STUDIES = int(os.environ.get("STUDIES", "60"))  # 200 take two minutes


@pytest.mark.slow
def test_never_worse_than_the_product() -> None:
    """In expectation, where constraints have the variance that the ensemble gives them."""
    better = 0
    for seed in range(STUDIES):
        study, rho = random_study(seed)
        for row in pf.predict(study, rho=[rho], workers=1).rows:
            assert row.optimal_error is not None
            assert row.optimal_error <= row.actual_error * (1 + 1e-9)
            assert row.joint_error is not None
            assert row.joint_error <= row.optimal_error * (1 + 1e-9)
            better += row.optimal_error < 0.95 * row.actual_error
    assert better > STUDIES / 2


def pulls(**settings: Any) -> dict[tuple[str, float, str], Any]:
    study = POSTER.with_settings({key.replace("__", "."): value for key, value in settings.items()})
    return {
        (row.method, row.rho or 0.0, row.pulls.parameter): row.pulls for row in pf.run(study).pulls
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "errors", "part"),
    [
        ({"ensemble__rho": [-0.6, 0.5, 0.9]}, {-0.6: 0.452, 0.5: 0.276, 0.9: 0.160}, 0.02),
        ({"ensemble__n_events": 200}, {0.9: 0.386}, 0.04),
        ({"ensemble__dependence": "t_copula"}, {0.9: 0.160}, 0.02),
        ({"ensemble__dependence": "class_mixture"}, {}, 0.02),
    ],
)
def test_toys_have_the_errors_that_are_claimed(
    settings: dict[str, Any], errors: dict[float, float], part: float
) -> None:
    """Actual errors of m_t, and widths of all parameters, within a part and 3 standard errors."""
    found = pulls(methods=["unbinned_optimal"], ensemble__n_toys=1000, **settings)
    for (_, rho, name), one in found.items():
        assert one.n_failed == 0
        assert one.width == pytest.approx(1.0, abs=part + 3 * one.width_error)
        if name == "m_t" and rho in errors:
            actual = one.actual_error
            assert actual == pytest.approx(
                errors[rho], abs=errors[rho] * (part + 3 * one.width_error / one.width)
            )


@pytest.mark.slow
@pytest.mark.parametrize(("n_events", "part"), [(2000, 0.02), (200, 0.03)])
def test_bins_have_the_errors_that_are_claimed(n_events: int, part: float) -> None:
    """And are not above those of the product, on the same toys."""
    found = pulls(
        methods=["binned", "binned_optimal"],
        ensemble__n_toys=1000,
        ensemble__n_events=n_events,
        ensemble__rho=[0.5, 0.9],
    )
    for (method, rho, name), one in found.items():
        if method == "binned":
            continue
        product = found["binned", rho, name]
        assert one.width == pytest.approx(1.0, abs=part + 3 * one.width_error)
        assert one.actual_error < product.actual_error * (1 + 3 * one.width_error)
        if (n_events, rho, name) == (2000, 0.9, "m_t"):
            assert one.actual_error == pytest.approx(
                0.166, abs=0.166 * (part + 3 * one.width_error)
            )


@pytest.mark.slow
@pytest.mark.parametrize(("n_events", "rho"), [(30, 0.5), (2000, 0.9999)])
def test_weights_that_cannot_be_computed_are_failed_fits(n_events: int, rho: float) -> None:
    """Rates below 0 and cells without events: no warning of numpy, and all toys are counted."""
    found = pulls(
        methods=["binned_optimal"],
        ensemble__n_toys=50,
        ensemble__n_events=n_events,
        ensemble__rho=[rho],
    )
    for one in found.values():
        assert 0 < one.n_failed < 50
        assert one.n_toys == 50
