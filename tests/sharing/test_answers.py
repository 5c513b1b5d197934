"""What events of several channels do to errors, beside toys of whole events."""

import os
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from pullfactory import (
    BinnedLikelihood,
    FitBatch,
    WorkspaceAuditResult,
    audit_workspace,
    fit_minuit,
    fit_toys,
    read_workspace,
)
from tests.sharing.analysis import Analysis, analysis
from tests.sharing.toys import cells, paired_toys, shuffled
from tests.sharing.workspaces import copies, workspace

TOYS = int(os.environ.get("TOYS", "1500"))


@pytest.fixture(scope="module")
def made() -> Analysis:
    """With observables of the two signal regions that are nearly the same."""
    return analysis(5000, rho=0.97)


@pytest.fixture(scope="module")
def result(made: Analysis) -> WorkspaceAuditResult:
    return audit_workspace(made.spec, simulated=made.bins, weights=made.weights, n_toys=0)


def factors(result: WorkspaceAuditResult, key: str = "factor") -> dict[str, float]:
    return {row.parameter: getattr(row, key) for row in result.rows}


@pytest.mark.slow
def test_factors_are_those_of_toys_with_whole_events(
    made: Analysis, result: WorkspaceAuditResult
) -> None:
    """Widths of paired toys over those of the same toys with their regions shuffled.

    Each width has the relative error 1 / sqrt(2 n), and the ratio 1 / sqrt(n).
    """
    likelihood = BinnedLikelihood.from_pyhf(read_workspace(made.spec))
    rng = np.random.default_rng(7)
    data = paired_toys(made, likelihood, TOYS, rng)
    fits = [fit_toys(likelihood, toys) for toys in (data, shuffled(data, likelihood, rng))]
    paired, alone = (_widths(fit) for fit in fits)
    told = factors(result)
    expected = np.array([told[name] for name in likelihood.names])
    assert np.abs(paired / alone / expected - 1.0) == pytest.approx(0, abs=0.01 + 3 / np.sqrt(TOYS))
    assert told["JES"] - 1.0 > 0.01 + 3 / np.sqrt(TOYS)  # or nothing would be seen of it
    if "TOYS" in os.environ:
        _agree_with_minuit(likelihood, data[:1000], fits[0])


def _widths(fits: FitBatch) -> Any:
    good = fits.status <= 1
    assert good.mean() > 0.99
    return fits.estimate[good].std(axis=0, ddof=1)


def _agree_with_minuit(likelihood: BinnedLikelihood, data: Any, fits: FitBatch) -> None:
    for i, toy in enumerate(data):
        fit = fit_minuit(likelihood, toy)
        assert np.abs((fit.estimate - fits.estimate[i]) / fits.error[i]).max() < 0.05


def test_factors_stay_below_the_largest(result: WorkspaceAuditResult) -> None:
    for row in result.rows:
        assert row.factor is not None
        assert row.factor <= row.largest_factor_simulated
        assert row.factor_counts is not None
        assert row.factor_counts <= row.largest_factor


def test_shared_events_are_counted(made: Analysis, result: WorkspaceAuditResult) -> None:
    (pair,) = result.pairs
    both = {
        name: (made.bins[name][:, 1:] >= 0).all(axis=1) @ weights
        for name, weights in made.weights.items()
    }
    assert (pair.channel, pair.other, pair.data) == ("SR1", "SR2", None)
    assert pair.simulated == pytest.approx(sum(both.values()), rel=1e-3)  # raked to the fit


def test_covariance_of_the_counts(made: Analysis, result: WorkspaceAuditResult) -> None:
    found = result.covariance
    assert found is not None
    assert np.diag(found.counts) == pytest.approx(found.expected, rel=1e-12)
    member, expected = cells(made)
    whole = member.T @ (expected[:, None] * member)
    assert found.counts == pytest.approx(whole, rel=0.1, abs=0.5)
    assert np.linalg.eigvalsh(found.counts).min() > 0
    (one,) = found.to_hs3("all")["data"]
    sigma, correlation = (np.array(one["uncertainty"][key]) for key in ("sigma", "correlation"))
    assert correlation * np.outer(sigma, sigma) == pytest.approx(found.counts, rel=1e-12)
    assert one["contents"] == found.observed.tolist()
    assert found.edges is not None
    assert np.isnan(found.edges).all()  # bins have numbers here
    fills = [(made.bins[name][:, :, None] == np.arange(26)).sum(axis=1) for name in made.bins]
    assert found.events is not None
    assert found.events.tolist() == np.sum([each.T @ each for each in fills], axis=0).tolist()


def test_copies_of_one_channel_are_root_n_off() -> None:
    """All events are in all channels, and the bound is reached."""
    bins = np.repeat(np.arange(2), [40, 60])[:, None] + 2 * np.arange(3)
    result = audit_workspace(copies(3, np.array([40.0, 60.0])), data=bins, n_toys=0)
    (row,) = result.rows
    assert row.factor == pytest.approx(np.sqrt(3.0), rel=1e-12)
    assert row.factor == pytest.approx(row.largest_factor, rel=1e-12)


def test_events_that_are_in_one_channel_change_nothing(made: Analysis) -> None:
    """Every event that is in two signal regions becomes two events."""
    bins, weights = {}, {}
    for name, each in made.bins.items():
        alone = each.copy()
        both = (each[:, 1:] >= 0).all(axis=1)
        alone[both, 1] = -1
        second = np.where(np.arange(3) == 1, each, -1)[both]
        bins[name] = np.concatenate([alone, second])
        weights[name] = np.concatenate([made.weights[name], made.weights[name][both]])
    result = audit_workspace(made.spec, simulated=bins, weights=weights, n_toys=0)
    assert np.array(list(factors(result).values())) == pytest.approx(1.0, abs=1e-12)
    assert result.pairs == ()


def test_sparse_and_numbered_events_are_the_same(
    made: Analysis, result: WorkspaceAuditResult
) -> None:
    matrices = {}
    for name, bins in made.bins.items():
        rows, columns = np.nonzero(bins >= 0)
        entries = (made.weights[name][rows], (rows, bins[rows, columns]))
        matrices[name] = sparse.coo_array(entries, shape=(len(bins), 26))
    again = audit_workspace(made.spec, simulated=matrices, n_toys=0)
    assert factors(again) == pytest.approx(factors(result), rel=1e-12)


@pytest.mark.parametrize("strength", [-0.5, 5.0])
def test_pairs_of_a_sample_follow_its_own_rate(strength: float) -> None:
    """Signal in both channels, background in one alone, far from the nominal strength.

    The covariance of the counts of a and b is the rate of the signal, which generalised least
    squares of two rates turn into the factors, by numpy alone.
    """
    signal, background = np.array([10.0, 90.0]), np.array([600.0, 300.0])
    observed = strength * signal + background
    samples = [
        {
            "name": name,
            "data": each.tolist(),
            "modifiers": [{"name": free, "type": "normfactor", "data": None}],
        }
        for name, free, each in (("signal", "mu", signal), ("back", "k", background))
    ]
    spec = workspace(
        [{"name": name, "samples": samples} for name in "ab"],
        [{"name": name, "data": observed.tolist()} for name in "ab"],
        {"name": "mu", "bounds": [[-5.0, 10.0]]},
    )
    bin_of = np.repeat([0, 1], [10, 90])
    shared, own = np.stack([bin_of, bin_of + 2], axis=1), np.repeat([0, 1], [600, 300])[:, None]
    bins = {"signal": shared, "back": np.concatenate([own, own + 2])}

    slopes = np.tile(np.stack([signal, background], axis=1), (2, 1))
    pulls = slopes / np.tile(observed, 2)[:, None]
    claimed = np.linalg.inv(pulls.T @ slopes)
    pulls = pulls @ claimed
    joint = np.kron([[0.0, 1.0], [1.0, 0.0]], np.diag(strength * signal))
    truth = np.sqrt(1.0 + np.diag(pulls.T @ joint @ pulls) / np.diag(claimed))

    found = audit_workspace(spec, simulated=bins, n_toys=20)
    assert [row.factor for row in found.rows] == pytest.approx(truth, rel=1e-6)
    assert found.goodness is not None
    assert found.goodness.rows  # toys are drawn of a signal below 0 too
    without = audit_workspace(spec, simulated={"signal": shared}, n_toys=0)
    assert [row.factor_alone for row in without.rows] == pytest.approx(truth, rel=1e-6)
