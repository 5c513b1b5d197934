"""Audits with correlated constraints: the truth is from numpy alone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from iminuit import Minuit

import pullfactory as pf
from pullfactory.auditing.linear_fit import LinearFit
from pullfactory.auditing.parts import direction, divide_error, pull_spread
from pullfactory.auditing.units import UnitFamily
from pullfactory.auditing.whole_error import factor_error
from tests.auditing.test_optimal import (
    EVENTS,
    MU,
    MU_SLOPES,
    NAMES,
    RHO,
    SIGMA,
    SIGMA_SLOPES,
    Array,
    binned_truth,
    column,
    config,
    normals,
    samples,
)
from tests.auditing.test_whole_error import fit_of

CORRELATION = np.array([[1.0, -0.7], [-0.7, 1.0]])
TOGETHER = {
    "constraints.parameters": ["JSF", "JRF"],
    "constraints.correlation": CORRELATION.tolist(),
}
INFORMATION = np.zeros((3, 3))  # of m, JSF, JRF
INFORMATION[1:, 1:] = np.linalg.inv(CORRELATION)


@pytest.fixture(scope="module")
def audited() -> pf.AuditResult:
    return pf.audit(config(**{"toys.n_toys": 250} | TOGETHER), samples(15), workers=1)


def unbinned_errors() -> tuple[Array, Array, Array]:
    """Claimed, actual and optimal ones."""
    a, b = MU_SLOPES * (MU / SIGMA)[:, None], SIGMA_SLOPES
    r = np.array([[1.0, RHO], [RHO, 1.0]])
    claimed = np.linalg.inv(EVENTS * (a.T @ a + 2 * b.T @ b) + INFORMATION)
    score = EVENTS * (a.T @ r @ a + 2 * b.T @ r**2 @ b) + INFORMATION
    both = a.T @ np.linalg.inv(r) @ a + 2 * b.T @ np.linalg.inv(r**2) @ b
    best = np.linalg.inv(EVENTS * both + INFORMATION)
    found = claimed, claimed @ score @ claimed, best
    one, two, three = (np.sqrt(np.diag(each)) for each in found)
    return one, two, three


@pytest.mark.slow
def test_errors_are_those_of_numpy(audited: pf.AuditResult) -> None:
    """What is left is noise of the bins that shifts move events across."""
    claimed, actual, best = unbinned_errors()
    for row in audited.rows:
        k = NAMES.index(row.parameter)
        if row.method == "unbinned":
            assert row.claimed_error == pytest.approx(claimed[k], rel=0.01)
            assert row.actual_error == pytest.approx(actual[k], rel=0.01)
    assert column(audited, "unbinned_optimal", "claimed_error") == pytest.approx(best, rel=0.01)
    found = binned_truth(normals(20), INFORMATION)
    for key, wanted in zip(("claimed_error", "product_error"), found, strict=True):
        assert column(audited, "binned_optimal", key) == pytest.approx(wanted, rel=0.03)


@pytest.mark.slow
def test_the_data_are_fitted_with_the_covariance(audited: pf.AuditResult) -> None:
    """By Minuit, with the true response, within the noise of what the densities learn."""
    events = np.stack([samples(2)["data"][name] for name in "xy"], axis=1)

    def nll(theta: Array) -> float:
        location = MU * (1.0 + MU_SLOPES @ theta)
        scale = SIGMA * (1.0 + SIGMA_SLOPES @ theta)
        z = (events - location) / scale
        away = 0.5 * theta @ INFORMATION @ theta
        return float(0.5 * np.sum(z**2) + len(z) * np.log(scale).sum() + away)

    fit = Minuit(nll, np.zeros(3))
    fit.errordef, fit.strategy = 0.5, 2
    fit.migrad()
    fit.hesse()
    (found,) = (one for one in audited.data if one.method == "unbinned")
    for row in found.estimates:
        k = NAMES.index(row["parameter"])
        assert row["estimate"] == pytest.approx(fit.values[k], abs=0.03 * fit.errors[k])
        assert row["claimed_error"] == pytest.approx(fit.errors[k], rel=0.01)


@pytest.mark.slow
def test_pulls_of_toys_have_unit_width(audited: pf.AuditResult) -> None:
    """With corrected and optimal errors, within 3.5 standard errors."""
    assert len(audited.pulls) == 12
    for row in audited.pulls:
        one = row.pulls
        width = one.width if row.method.endswith("_optimal") else one.corrected_width
        assert width == pytest.approx(1.0, abs=0.02 + 3.5 / np.sqrt(2 * one.n_toys))


@pytest.mark.slow
def test_it_is_said_in_what_is_written(audited: pf.AuditResult, tmp_path: Path) -> None:
    folder = audited.write(tmp_path / "out", figures=())
    read = pf.read(folder)
    assert isinstance(read, pf.AuditResult)
    assert read.config.correlated == ("JSF", "JRF")
    (path,) = (folder / "workspaces").glob("combined.json")
    _, told = json.loads(path.read_text())["measurements"]
    assert "JRF_independent" in told["name"]
    names = {part.parameter for row in audited.paper for part in row.parts}
    assert "JSF+JRF" in names


# --- noise of templates ---------------------------------------------------------------------------


def turned(fit: LinearFit, root: Array) -> LinearFit:
    """The fit of parameters eta, of which its own are root eta."""

    def family(one: UnitFamily) -> UnitFamily:
        def wide(each: Array) -> Array:
            found = np.zeros((*each.shape[:2], 2))
            found[:, :, one.columns] = each
            return np.asarray(found @ root)

        def both(each: Array | None) -> Array | None:
            return None if each is None else np.asarray(root.T @ each @ root)

        return replace(
            one,
            columns=np.arange(2),
            slopes=wide(one.slopes),
            log_slopes=wide(one.log_slopes),
            information=both(one.information),
            scores=both(one.scores),
        )

    return replace(
        fit,
        slopes=fit.slopes @ root,
        scatter=root.T @ fit.scatter @ root,
        template=root.T @ fit.template @ root,
        penalty=root.T @ fit.penalty @ root,
        auxiliary=root.T @ fit.auxiliary @ root,
        units=tuple(map(family, fit.units)),
    )


@pytest.mark.parametrize("held", [False, True])
def test_turned_parameters_have_the_same_errors(*, held: bool) -> None:
    """The first is the same parameter for both, and constraints of the others are independent."""
    made = fit_of(np.random.default_rng(2), (20_000.0, 20_000.0))
    penalty = np.linalg.inv(np.array([[0.5, 0.6], [0.6, 1.0]]))
    fit = replace(
        made,
        penalty=penalty,
        auxiliary=np.zeros((2, 2)) if held else penalty,
        free=np.zeros(2, bool),
        held=np.full(2, held),
        template=0.05 * made.scatter,
    )
    root = np.asarray(np.linalg.cholesky(fit.prior), dtype=np.float64)
    other = replace(turned(fit, root), penalty=np.eye(2))
    np.testing.assert_allclose(other.prior, np.eye(2), atol=1e-12)
    assert len(fit.nuisances) == 1
    assert len(other.nuisances) == 2
    assert fit.whole[0, 0] == pytest.approx(root[0, 0] ** 2 * other.whole[0, 0], rel=1e-9)
    assert factor_error(fit)[0] == pytest.approx(factor_error(other)[0], rel=1e-9)
    spread = np.array(pull_spread(other, 0)) * root[0, 0]
    assert pull_spread(fit, 0) == pytest.approx(spread, rel=1e-9)
    parts = divide_error(fit, direction(fit, 0, calibrated=False), ("m", "j"))
    assert sum(part.size**2 for part in parts) == pytest.approx(fit.whole[0, 0], rel=1e-12)
    assert {part.parameter for part in parts} == {None, "m+j"}
