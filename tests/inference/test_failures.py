"""Failed fits are counted where they are in the truth."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pullfactory.fitting import FitStatus
from pullfactory.inference import failures as module
from pullfactory.inference.failures import Failures
from pullfactory.report.failure_plots import failure_figure, plot_failed_by_truth
from pullfactory.report.style import figure_style

HALF = 500  # toys of a block


@dataclass(frozen=True)
class Block:
    method: str
    rho: float | None
    parameters: tuple[str, ...]
    toy: NDArray[np.int64]
    truth: NDArray[np.float64]
    status: NDArray[np.int8]


def blocks() -> Iterator[Block]:
    """Fits fail where the truth of `a` is high, at a bound or without a covariance."""
    for rho in (0.0, 0.5):
        for first in (0, HALF):
            rng = np.random.default_rng([int(10 * rho), first])
            truth = rng.uniform(-1.0, 1.0, (HALF, 3)) * [1.0, 2.0, 0.0]
            status = np.where(truth[:, 0] > 0.5, FitStatus.AT_BOUND, FitStatus.CONVERGED)
            status[truth[:, 0] > 0.9] = FitStatus.NOT_POSITIVE_DEFINITE
            toy, names = np.arange(first, first + HALF), ("a", "b", "c")
            yield Block("binned", rho, names, toy, truth, status.astype(np.int8))
            yield Block("unbinned", rho, names, toy, truth, np.zeros(HALF, dtype=np.int8))


def test_failed_fits_are_where_they_fail() -> None:
    (found,) = Failures.of(blocks).methods
    lost = sum(int((block.status > FitStatus.RECOVERED).sum()) for block in blocks())
    assert found.method == "binned"
    assert found.total == lost
    assert found.toys == {0.0: 2 * HALF, 0.5: 2 * HALF}
    a, b = found.bins  # the truth of c is fixed
    assert (a.parameter, b.parameter) == ("a", "b")
    for bins in (a, b):
        assert bins.toys.sum() == 4 * HALF
        assert bins.failed.sum() == lost
    low, high = a.edges[1:] <= 0.5, a.edges[:-1] >= 0.5
    assert not a.failed[low].any()
    assert (a.failed[high].sum(axis=1) == a.toys[high]).all()
    assert a.trend > 10
    assert b.trend < 5


def test_failed_fits_are_listed_with_their_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Failures.of(blocks).listed
    truth = {(one.rho, int(t)): one.truth[i] for one in blocks() for i, t in enumerate(one.toy)}
    for fit in listed:
        assert list(fit.truth.values()) == truth[fit.rho, fit.toy].tolist()
        assert fit.truth["a"] > 0.5
        assert fit.status == ("at_bound" if fit.truth["a"] <= 0.9 else "not_positive_definite")
    monkeypatch.setattr(module, "MOST_LISTED", 10)
    assert Failures.of(blocks).listed == listed[:10]
    assert Failures.of(blocks).methods[0].total == len(listed)


def test_nothing_failed() -> None:
    found = Failures.of(lambda: (one for one in blocks() if one.method == "unbinned"))
    assert (found.methods, found.listed) == ((), ())


def test_fractions_are_drawn_with_their_intervals() -> None:
    (found,) = Failures.of(blocks).methods
    bins = found.bins[0]
    ax = Figure().add_subplot()
    points = plot_failed_by_truth(ax, bins, "a [GeV]").lines[0]
    assert np.asarray(points.get_ydata()) == pytest.approx(bins.failed.sum(axis=1) / bins.toys)
    assert ax.get_xlabel() == "truth of a [GeV]"
    assert ax.get_legend_handles_labels()[1] == ["at bound", "not positive definite", "all failed"]


def test_a_fixed_truth_is_said() -> None:
    fixed = [
        Block(one.method, None, ("c",), one.toy, one.truth[:, 2:], one.status) for one in blocks()
    ]
    (found,) = Failures.of(lambda: fixed).methods
    assert not found.bins
    with figure_style():
        figure = failure_figure(found, {})
    (ax,) = figure.axes
    assert ax.get_title(loc="right") == "the truth is fixed"
