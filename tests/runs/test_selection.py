"""Sets of observables: what they promise and what they hold."""

import itertools
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from pullfactory import PredictedPull, SelectionResult, Study, calibrate, predict, select
from pullfactory.errors import StudyError
from pullfactory.inference.rows import SelectionRow
from pullfactory.report.selection_plots import plot_selection
from pullfactory.report.style import new_panels

Invoke = Callable[..., CompletedProcess[str]]

LJETS = Study.preset("ljets")
NAMES = LJETS.observable_names


@cache
def of_ljets() -> SelectionResult:
    return select(LJETS)


# --- subsets ---------------------------------------------------------------------------------


def test_subset_of_a_study_keeps_order_parameters_and_correlations() -> None:
    part = LJETS.with_settings({"joint.n_bins": [2, 3, 4, 5]}).subset(["R_bq", "m_t"])
    assert part.observable_names == ("m_t", "R_bq")
    assert part.parameter == LJETS.parameter
    assert part.joint.n_bins == (2, 5)
    assert part.ensemble.correlation == ((1.0, 0.2), (0.2, 1.0))
    with pytest.raises(StudyError, match="'m_b' is no observable; use one of m_t, m_W"):
        LJETS.subset(["m_t", "m_b"])


def test_subset_of_a_calibration_is_the_calibration_of_the_subset() -> None:
    part, alone = calibrate(LJETS).subset(["m_t", "m_lb"]), calibrate(LJETS.subset(["m_t", "m_lb"]))
    assert part.to_dict() == alone.to_dict()


def test_subset_that_leaves_a_free_parameter_alone_is_refused() -> None:
    study = LJETS.with_settings({"parameter.bJSF.constraint": "free"})
    with pytest.raises(StudyError, match=r"parameter\.bJSF is free, but no observable"):
        study.subset(["m_W"])


# --- which observables -----------------------------------------------------------------------


def test_every_set_is_there_with_its_prediction() -> None:
    result = of_ljets()
    sets = [row.observables for row in result.rows]
    assert sets == [s for n in range(1, 5) for s in itertools.combinations(NAMES, n)]
    assert result.skipped == ()
    pair = LJETS.subset(["m_t", "m_W"]).with_settings({"methods": ["unbinned"]})
    (expected,) = [row for row in predict(pair).rows if row.parameter == "m_t"]
    (found,) = [row.pull for row in result.rows if row.observables == ("m_t", "m_W")]
    assert found.claimed_error == pytest.approx(expected.claimed_error, rel=1e-9)
    assert found.actual_error == pytest.approx(expected.actual_error, rel=1e-9)


def test_more_observables_promise_more_and_a_joint_fit_keeps_it() -> None:
    rows = {row.observables: row.pull for row in of_ljets().rows}
    for smaller, larger in itertools.permutations(rows, 2):
        if set(smaller) < set(larger):
            assert rows[larger].claimed_error < rows[smaller].claimed_error * (1 + 1e-9)
            one, other = rows[smaller].joint_error, rows[larger].joint_error
            assert one is not None
            assert other is not None
            assert other < one * (1 + 1e-9)
    for pull in rows.values():
        assert pull.joint_error is not None
        assert pull.joint_error < pull.actual_error * (1 + 1e-9)


def test_an_observable_of_ljets_does_not_pay() -> None:
    result = of_ljets()
    promised, best = (result.best("unbinned", f"{kind}_error") for kind in ("claimed", "actual"))
    assert promised.observables == NAMES
    assert result.do_not_pay("unbinned", "actual_error") == ("m_lb",)
    assert best.observables == ("m_t", "m_W", "R_bq")
    assert best.pull.actual_error < 0.98 * promised.pull.actual_error
    assert result.best("unbinned", "joint_error").observables == NAMES
    without = next(row for row in result.rows if row.observables == ("m_t", "m_W"))
    assert best.pull.actual_error < 0.8 * without.pull.actual_error


def test_an_optimal_use_lets_every_observable_of_ljets_pay() -> None:
    """The product of all four 0.392, their optimal combination 0.365, a joint fit 0.362."""
    result = of_ljets()
    best = result.best("unbinned")
    assert best.observables == NAMES == result.of("unbinned")[0].observables
    assert result.do_not_pay("unbinned") == ()
    errors = best.pull.actual_error, best.optimal_error, best.pull.joint_error
    assert errors == pytest.approx((0.392, 0.365, 0.362), abs=5e-4)


def test_what_hardly_helps_does_not_pay() -> None:
    rows = [
        SelectionRow(observables=names, pull=PredictedPull.of("unbinned", 0.0, "m_t", error, error))
        for names, error in ((("m_t",), 1.0), (("m_t", "m_W"), 0.9995), (("m_W",), 3.0))
    ]
    result = SelectionResult(
        study=LJETS.subset(["m_t", "m_W"]), rho=0.0, rows=tuple(rows), skipped=()
    )
    assert result.best("unbinned").observables == ("m_t",)
    assert result.do_not_pay("unbinned") == ("m_W",)


def test_many_observables_grow_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pullfactory.inference.sets._MAX_SUBSETS", 3)
    many = select(LJETS)
    sizes = [len(row.observables) for row in many.rows]
    assert sizes == [1, 1, 1, 1, 2, 2, 2, 3, 3, 4]
    before: set[str] = set()
    for _, rows in itertools.groupby(many.rows, key=lambda row: len(row.observables)):
        looked_at = list(rows)
        assert all(before < set(row.observables) for row in looked_at)
        before = set(min(looked_at, key=lambda row: row.reached).observables)


def test_sets_that_cannot_be_fitted_are_left_out_with_the_reason() -> None:
    free = {f"parameter.{name}.constraint": "free" for name in ("JSF", "bJSF")}
    result = select(LJETS.subset(["m_t", "m_W"]).with_settings(free))
    assert [row.observables for row in result.rows] == [("m_t", "m_W")]
    (first, second) = result.skipped
    assert (first.observables, second.observables) == (("m_t",), ("m_W",))
    assert first.reason == "it does not determine all free parameters; add an observable"
    assert second.reason.startswith("parameter.bJSF is free, but no observable depends on it")


def test_rho_must_be_one() -> None:
    with pytest.raises(StudyError, match=r"ensemble\.rho has 9 values; choose one, such as 0\.9"):
        select(Study.preset("poster"))


def test_methods_take_observables_as_independent() -> None:
    with pytest.raises(StudyError, match="method 'binned_joint' does not take the observables"):
        select(LJETS, methods=["unbinned", "binned_joint"])


# --- figure and command ----------------------------------------------------------------------


def test_figure_shows_the_best_sets() -> None:
    rows = of_ljets().of("unbinned")
    _, ((ax,),) = new_panels(1)
    points = plot_selection(ax, LJETS, rows, "unbinned")
    drawn = np.asarray(points["optimal"].get_xdata())
    assert np.all(np.diff(drawn) >= 0)
    assert len(drawn) == sum(r.pull.actual_error <= 2 * rows[0].pull.actual_error for r in rows)
    assert list(points) == ["claimed", "actual", "optimal", "joint"]
    assert ax.get_title("right") == f"{len(rows) - len(drawn)} worse sets not drawn"


def test_command_writes_a_folder_and_answers(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = invoke("select", "--preset", "ljets")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert "unbinned, do not pay: m_lb\n" in outcome.stdout
    assert "(gives 0.365)\nunbinned, do not pay even then: none\n" in outcome.stdout
    folder = Path("results/ljets_selection")
    assert {path.name for path in folder.rglob("*.*")} == {
        *("selection.json", "manifest.json", "study.toml", "selection.png")
    }
    summary = json.loads((folder / "selection.json").read_text())
    assert summary == of_ljets().summary()
    assert summary["schema"] == "pullfactory-selection/2"
    assert len(summary["sets"]) == 15


def test_command_wants_one_rho(invoke: Invoke, tmp_path: Path) -> None:
    for command in ("select", "bootstrap"):
        outcome = invoke(command, "-o", tmp_path / "out")
        assert outcome.returncode == 2
        assert outcome.stderr == "Error: ensemble.rho has 9 values; choose one, such as 0.9\n"
