"""The joint histogram as a pyhf model: workspace, counts, fits."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import jax
import jax.numpy as jnp
import numpy as np
import pyhf
import pytest

from pullfactory import (
    Calibration,
    FitStatus,
    Study,
    build_joint_workspace,
    build_method,
    calibrate,
    draw_toys,
    fit_minuit,
    fit_toys,
    run,
)
from pullfactory.settings.methods import BUILT_IN

STUDY = Study.preset("poster").with_settings(
    {
        "name": "joint",
        "methods": ["binned_joint"],
        "calibration.source": "exact",
        "ensemble.n_events": 500,
        "ensemble.n_toys": 16,
        "ensemble.rho": [-0.4, 0.5],
        "joint.n_bins": [4, 3],
    }
)
MORPHINGS = ("additive", "additive_cross", "multiplicative")


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrate(STUDY)


@pytest.mark.parametrize("morphing", MORPHINGS)
def test_workspace_is_one_that_pyhf_reads(morphing: str) -> None:
    one = calibrate(STUDY.with_settings({"joint.morphing": morphing}))
    model = pyhf.Workspace(build_joint_workspace(one, 0.5)).model()
    assert model.config.channels == ["joint"]
    totals = ["total_joint"] if morphing == "multiplicative" else []
    assert sorted(model.config.par_order) == ["JRF", "JSF", "m_t", *totals]
    rates = model.expected_data(model.config.suggested_init(), include_auxdata=False)
    assert np.allclose(rates, 500 / 12)
    up = one.joint_channel(0.5).template(0, {"JSF": 1.0}) * 500 / 1e6
    at = model.config.suggested_init()
    at[model.config.par_map["JSF"]["slice"].start] = 1.0
    assert np.allclose(model.expected_data(at, include_auxdata=False), up)


def test_grid_takes_the_edges_of_the_observables() -> None:
    edges = [150.0, 165.0, 172.0, 178.0, 200.0]
    one = calibrate(STUDY.with_settings({"joint.binning": "grid", "observable.m_t.edges": edges}))
    bins = one.joint_at(0.5).bins
    assert bins is not None
    assert np.array_equal(bins.edges[0], [edges[1:-1]])
    assert np.ptp(bins.edges[1], axis=0).max() == 0
    assert build_joint_workspace(one, 0.5)["observations"][0]["data"] == pytest.approx(
        list(one.joint_channel(0.5).template(0) * 500 / 1e6)
    )


def test_fits_agree_with_minuit(calibration: Calibration) -> None:
    method = build_method("binned_joint", calibration, 0.5)
    data = method.observe(draw_toys(STUDY, 0, 0.5)).data
    likelihood = method.likelihood
    assert np.all(data[:, :12].sum(axis=1) == 500)
    found = fit_toys(likelihood, data, recover=False)
    assert set(found.status) == {FitStatus.CONVERGED}
    for toy in range(2):
        other = fit_minuit(likelihood, jnp.asarray(data[toy]))
        errors = np.sqrt(np.diag(other.covariance))
        assert np.all(np.abs(found.estimate[toy] - other.estimate) < 0.01 * errors)
        assert np.allclose(found.error[toy], errors, rtol=0.01)


def test_correlations_of_the_scan_share_their_program(calibration: Calibration) -> None:
    structures = {
        jax.tree.structure(build_method("binned_joint", calibration, rho).likelihood)
        for rho in (-0.4, 0.5)
    }
    assert len(structures) == 1


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rho is fitted with what belongs to it, and its workspace is written."""
    monkeypatch.setattr("pullfactory.results.result.write_figures", lambda *_, **__: None)
    result = run(STUDY.with_settings({"methods": ["unbinned_joint", "binned_joint"]}))
    assert all(status["converged"] == 32 for status in result.failures.values())
    errors = {
        (row.method, row.rho): row.pulls.claimed_error or np.nan
        for row in result.pulls
        if row.pulls.parameter == "m_t"
    }
    for method in ("unbinned_joint", "binned_joint"):
        assert errors[method, 0.5] < 0.8 * errors[method, -0.4]
    folder = result.write(tmp_path / "joint")
    for rho in ("-0.4", "0.5"):
        spec = json.loads((folder / "workspaces" / f"joint_rho_{rho}.json").read_text())
        assert spec == build_joint_workspace(result.calibration, float(rho))


def test_all_methods_in_one_word() -> None:
    assert STUDY.with_settings({"methods": "all"}).methods == tuple(BUILT_IN)


def test_command_writes_the_joint_workspace(
    invoke: Callable[..., CompletedProcess[str]], tmp_path: Path, calibration: Calibration
) -> None:
    (tmp_path / "joint.toml").write_text(STUDY.to_toml())
    command = ("workspace", tmp_path / "joint.toml", "--joint", "--output", "-")
    ended = invoke(*command, "--rho", "0.5")
    assert json.loads(ended.stdout) == build_joint_workspace(calibration, 0.5)
    assert "choose one with --rho" in invoke(*command).stderr
