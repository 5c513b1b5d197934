"""Toys of whole events at the fitted point, and what the observations beside them say."""

import numpy as np
import pytest
from scipy import sparse

from pullfactory import BinnedLikelihood, audit_workspace, read_workspace
from pullfactory.report.sharing import parts_line, sharing_answer
from pullfactory.sharing import (
    Point,
    error_parts,
    gamma_bins,
    pulls_of,
    sample_rates,
    throw_paired,
)
from pullfactory.sharing.answer import Answer
from pullfactory.sharing.filled import Filled, filled
from pullfactory.sharing.gammas import gamma_covariance
from pullfactory.sharing.optimal import combine_optimally
from pullfactory.workspaces.rotation import Rotation
from tests.sharing.analysis import Analysis, analysis
from tests.sharing.toys import cells
from tests.sharing.workspaces import workspace

TOYS = 20_000


@pytest.fixture(scope="module")
def made() -> Analysis:
    return analysis(5000, rho=0.97)


@pytest.fixture(scope="module")
def seen(made: Analysis) -> tuple[Point, Answer, dict[int, int]]:
    """At the initial values, where the events are those of the templates."""
    spec = read_workspace(made.spec)
    likelihood = BinnedLikelihood.from_pyhf(spec)
    point = Point.at(likelihood, likelihood.init)
    gammas = gamma_bins(point, spec)
    simulated = {
        name: filled(bins, likelihood.channels, made.weights[name], place=name)
        for name, bins in made.bins.items()
    }
    scores = gamma_covariance(point, spec, simulated, gammas)
    rates = sample_rates(point, spec, None)
    return point, Answer.of_simulation(point, simulated, rates, point.rates, scores), gammas


def test_toys_have_the_covariance_of_events(
    made: Analysis, seen: tuple[Point, Answer, dict[int, int]]
) -> None:
    """Of counts that of cells of events, of gammas that of shared simulated events.

    A covariance of n toys has an error of sqrt((c_aa c_bb + c_ab^2) / n).
    """
    point, answer, gammas = seen
    toys = throw_paired(point, answer, TOYS, np.random.default_rng(3))
    member, expected = cells(made)
    counts = member.T @ (expected[:, None] * member)
    at = list(gammas)
    own = point.constraint[at]
    noise = np.diag(1.0 / own) + answer.gammas[np.ix_(at, at)] / np.outer(own, own)
    columns = [26 + point.likelihood.aux_index.index(k) for k in at]
    for drawn, truth in ((toys[:, :26], counts), (toys[:, columns], noise)):
        found = np.cov(drawn.T)
        scale = np.outer(np.diag(truth), np.diag(truth)) + truth**2
        assert (np.abs(found - truth) / np.sqrt(scale / TOYS)).max() < 5.0


def test_parts_add_up_to_the_error(seen: tuple[Point, Answer, dict[int, int]]) -> None:
    point, answer, gammas = seen
    parts = error_parts(point, answer, gammas)
    k = point.parameters.index("mu")
    whole = answer.whole.factor[k] * point.claimed[k]
    assert np.sqrt(sum(part.size**2 for part in parts)) == pytest.approx(whole, rel=1e-12)
    assert [part.source for part in parts[:2]] == ["statistics", "nuisance"]
    assert parts[-1].source == "templates"
    assert "in quadrature, of statistics" in parts_line(parts, "mu")


def test_pulls_are_over_their_spreads(seen: tuple[Point, Answer, dict[int, int]]) -> None:
    """V + Sigma - 2 U of a nuisance whose factor is f is Sigma - U + U (f^2 - 1)."""
    point, answer, _ = seen
    k = point.parameters.index("rate")
    claimed, corrected = pulls_of(Point.at(point.likelihood, point.theta + 0.1), None)
    assert np.isnan(corrected).all()
    assert claimed[k] > 0.1
    claimed, corrected = pulls_of(point, answer)
    assert claimed[k] == 0.0
    assert np.isnan(claimed[point.parameters.index("mu")])


def test_correlated_constraints_are_drawn_and_told_together() -> None:
    """One channel of two bins; their auxiliary values have the correlation that is told."""
    modifiers = [
        {"name": "mu", "type": "normfactor", "data": None},
        {"name": "a", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
        {"name": "b", "type": "histosys", "data": {"hi_data": [32, 70], "lo_data": [28, 70]}},
    ]
    channel = {
        "name": "one",
        "samples": [{"name": "signal", "data": [30.0, 70.0], "modifiers": modifiers}],
    }
    spec = workspace([channel], [{"name": "one", "data": [30.0, 70.0]}])
    root = np.linalg.cholesky(np.array([[1.0, 0.8], [0.8, 1.0]]))
    told = Rotation(parameters=("A", "B"), independent=("a", "b"), root=root)
    likelihood = BinnedLikelihood.from_pyhf(read_workspace(spec)).rotated(told)
    point = Point.at(likelihood, likelihood.init)
    events = filled(
        np.repeat([[0], [1]], [30, 70], axis=0), likelihood.channels, None, place="data"
    )
    answer = Answer.of_data(point, events)
    parts = error_parts(point, answer, {})
    assert {part.parameter for part in parts} == {"B+A", None}
    whole = point.claimed[point.parameters.index("mu")]
    assert np.sqrt(sum(part.size**2 for part in parts)) == pytest.approx(whole, rel=1e-9)
    toys = throw_paired(point, answer, TOYS, np.random.default_rng(4))
    correlation = np.asarray(np.corrcoef(toys[:, 2:].T))[0, 1]
    assert abs(correlation - 0.8) < 5.0 * (1.0 - 0.8**2) / np.sqrt(TOYS)
    combined = combine_optimally(point, Answer.of_data(point, _more(events)), {})
    assert combined.rows[0].error == pytest.approx(whole, rel=1e-6)


def _more(events: Filled) -> Filled:
    """Enough for a combination."""
    return sparse.vstack([events] * 3, format="csr")


def test_combination_is_that_of_least_squares() -> None:
    """Two channels with 1000 events in common and 100 in one alone: the closed form."""
    rates = np.array([[300.0, 700.0], [600.0, 500.0]])
    both = np.array([[250.0, 50.0], [250.0, 450.0]])
    signal = np.array([[270.0, 140.0], [300.0, 225.0]])
    free = {"name": "mu", "type": "normfactor", "data": None}
    channels, observed = [], []
    for name, all_of_it, part in zip(("one", "two"), rates, signal, strict=True):
        samples = [
            {"name": "signal", "data": part.tolist(), "modifiers": [free]},
            {"name": "other", "data": (all_of_it - part).tolist(), "modifiers": []},
        ]
        channels.append({"name": name, "samples": samples})
        observed.append({"name": name, "data": all_of_it.tolist()})
    likelihood = BinnedLikelihood.from_pyhf(read_workspace(workspace(channels, observed)))
    point = Point.at(likelihood, likelihood.init)
    kinds = [[0, 2], [0, 3], [1, 2], [1, 3], [-1, 2]]
    bins = np.repeat(kinds, [*both.astype(int).ravel(), 100], axis=0)
    answer = Answer.of_data(point, filled(bins, likelihood.channels, None, place="data"))
    found = combine_optimally(point, answer, {})
    covariance = np.diag(rates.ravel())
    covariance[:2, 2:], covariance[2:, :2] = both, both.T
    slopes = signal.ravel()
    (row,) = found.rows
    error = 1.0 / np.sqrt(slopes @ np.linalg.solve(covariance, slopes))
    assert row.error == pytest.approx(error, rel=1e-6)
    assert row.error < row.product_error
    assert row.estimate == pytest.approx(1.0, abs=1e-6)
    assert (found.elements, found.null, found.degrees) == (4, 0, 3)


@pytest.mark.slow
def test_no_multiplier_is_quoted_of_a_fit_that_is_refused(
    made: Analysis,
) -> None:
    """A bin with 120 events too many, beside 100 toys."""
    member, expected = cells(made)
    kinds = np.where(member.astype(bool), np.arange(26), -1)
    data = np.repeat(kinds, np.random.default_rng(2).poisson(expected), axis=0)
    more = np.repeat(kinds[(kinds == 9).any(axis=1)][:1], 120, axis=0)
    good, bad = (
        audit_workspace(made.with_data(each), data=each, n_toys=100)
        for each in (data, np.concatenate([data, more]))
    )
    assert good.goodness is not None
    assert good.goodness.withheld is None
    assert [row.of for row in good.goodness.rows] == ["all bins", "CR", "SR1", "SR2"]
    assert all(0.01 < row.p_value < 0.99 for row in good.goodness.rows)
    assert good.rows[0].factor is not None
    assert bad.goodness is not None
    assert bad.goodness.withheld is not None
    assert {row.factor for row in bad.rows} == {None}
    assert (bad.parts, bad.optimal) == ((), None)
    (line,) = sharing_answer(bad.rows, bad.status, 3, bad.goodness)
    assert "cannot be told: the model does not fit the data" in line


def test_fit_without_a_distance_is_no_misfit() -> None:
    """As many free rates as bins: distances are 0 but for rounding, of either sign."""
    signal, background = np.array([10.0, 90.0]), np.array([600.0, 300.0])
    samples = [
        {
            "name": free,
            "data": each.tolist(),
            "modifiers": [{"name": free, "type": "normfactor", "data": None}],
        }
        for free, each in (("mu", signal), ("k", background))
    ]
    channels = [{"name": name, "samples": samples} for name in "ab"]
    bin_of = np.repeat([0, 1], [595, 255])  # mu = -0.5
    observed = np.bincount(bin_of).tolist()
    spec = workspace(
        channels,
        [{"name": name, "data": observed} for name in "ab"],
        {"name": "mu", "bounds": [[-5.0, 10.0]]},
    )
    for toys in (0, 30):
        found = audit_workspace(spec, np.stack([bin_of, bin_of + 2], axis=1), n_toys=toys)
        assert found.goodness is not None
        assert found.goodness.withheld is None
        assert found.goodness.chi_square is not None
        assert found.goodness.chi_square.statistic == 0.0
        assert found.goodness.chi_square.p_value == 1.0
        assert all(row.p_value == 1.0 for row in found.goodness.rows)
        assert found.rows[0].factor == pytest.approx(np.sqrt(2.0), rel=1e-9)
