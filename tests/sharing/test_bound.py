"""How wrong errors of a workspace can be at most, without any event."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from pullfactory import (
    BinnedLikelihood,
    WorkspaceAuditResult,
    audit_workspace,
    read,
    read_workspace,
)
from pullfactory.likelihoods.log_slopes import log_slopes
from pullfactory.sharing import Point
from tests.sharing.workspaces import Spec, copies, same_events


def test_copies_of_one_channel_reach_the_root_of_their_number() -> None:
    """All events in every channel: the variance of the only free rate is n times as large."""
    for number in (1, 3):
        (row,) = audit_workspace(copies(number, np.array([40.0, 60.0]))).rows
        claimed = 1.0 / np.sqrt(100.0 * number)
        assert row.claimed_error == pytest.approx(claimed, rel=1e-12)
        assert row.largest_factor == pytest.approx(np.sqrt(number), rel=1e-12)
        assert row.largest_factor_simulated == row.largest_factor


def test_a_single_channel_has_nothing_to_share() -> None:
    result = audit_workspace(same_events(1))
    assert {row.largest_factor for row in result.rows} == {1.0}
    assert {row.largest_factor_simulated for row in result.rows} == {1.0}
    assert "one channel shares no events" in " ".join(result.answer)


@pytest.fixture(scope="module")
def spec() -> Spec:
    return same_events(3)


@pytest.fixture(scope="module")
def result(spec: Spec) -> WorkspaceAuditResult:
    return audit_workspace(spec, name="three")


def test_bounds_of_observables_of_the_same_events(result: WorkspaceAuditResult) -> None:
    """Three channels make at most sqrt(3) of the counts, and gammas come to these."""
    assert [row.kind for row in result.rows] == ["interest"] + 2 * ["parameter"] + 15 * ["gamma"]
    for row in result.rows:
        assert 1.0 < row.largest_factor <= row.largest_factor_simulated <= np.sqrt(3.0)
    mu = result.rows[0]
    assert (mu.parameter, result.status) == ("mu", "converged")
    assert f"at most {mu.largest_factor:.2f} times what the fit claims" in result.answer[0]


def test_large_models_are_expanded_by_structure() -> None:
    likelihood = BinnedLikelihood.from_pyhf(read_workspace(same_events(3, bins=40)))
    assert likelihood.layout is not None
    theta = np.clip(likelihood.init + 0.01, *likelihood.bounds.T)
    point = Point.at(likelihood, theta)
    assert point.rates == pytest.approx(np.asarray(likelihood.expected(theta)), rel=1e-12)
    slopes = np.asarray(log_slopes(likelihood, theta[None])[0])
    assert point.slopes == pytest.approx(slopes, rel=1e-12, abs=1e-12)


def test_it_is_read_back(result: WorkspaceAuditResult, tmp_path: Path) -> None:
    folder = result.write(tmp_path / "out")
    found = read(folder)
    assert found.summary() == json.loads(json.dumps(result.summary()))
    assert repr(found) == repr(result)


def test_command(
    spec: Spec,
    result: WorkspaceAuditResult,
    tmp_path: Path,
    invoke: Callable[..., CompletedProcess[str]],
) -> None:
    path = tmp_path / "three.json"
    path.write_text(json.dumps(spec))
    ended = invoke("audit", path, "--output", tmp_path / "out", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    errors = json.loads(ended.stdout)["errors"]
    assert [row["largest_factor"] for row in errors] == [r.largest_factor for r in result.rows]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["three.json", "--blind"], "an audit of a workspace has no --blind; leave it out"),
        (["three.json", "--n-toys", "5"], "--n-toys has no effect without events; leave it out"),
        (["three.json", "events.toml", "--seed", "x"], "--seed x: give a whole number"),
        (["events.toml", "--patch", "a.json"], "an audit of events has no --patch; leave it out"),
        (["three.json"], "workspace 'three.json' cannot be read"),
    ],
)
def test_options_of_the_other_kind_are_refused(
    words: list[str], message: str, invoke: Callable[..., CompletedProcess[str]]
) -> None:
    ended = invoke("audit", *words)
    assert ended.returncode == 2
    assert message in ended.stderr
