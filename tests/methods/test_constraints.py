"""Fits with correlated constraints, beside independent calculations with the full covariance."""

import json
import os
from functools import partial
from typing import Any

import numpy as np
import pyhf
import pytest
from iminuit import Minuit
from numpy.typing import NDArray

import pullfactory as pf
from pullfactory.fitting import fit_events
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.methods import build_method
from pullfactory.workspaces._pyhf import PYHF_LOCK
from pullfactory.workspaces.reading import read_workspace

Array = NDArray[np.float64]

RHO, CORRELATION, EVENTS = 0.9, np.array([[1.0, 0.8], [0.8, 1.0]]), 2000
POSTER = pf.Study.preset("poster").with_settings(
    {
        "calibration.source": "exact",
        "ensemble.n_toys": 2,
        "ensemble.rho": [RHO],
        "ensemble.truth": "fixed",
        "joint.correlation": "given",
        "methods": [
            "unbinned",
            "binned",
            "unbinned_optimal",
            "binned_optimal",
            "unbinned_joint",
            "flow",
        ],
    }
)
TOGETHER = POSTER.with_settings(
    {"constraints.parameters": ["JRF", "JSF"], "constraints.correlation": CORRELATION.tolist()}
)
INFORMATION = np.zeros((3, 3))  # of m_t, JSF, JRF
INFORMATION[1:, 1:] = np.linalg.inv(CORRELATION)
MU, SIGMA = np.array([171.8, 83.3]), np.array([10.4, 6.8])
MU_SLOPES = np.array([[0.0058, 0.0046, 0.0005], [0.0003, 0.0053, 0.0016]])
SIGMA_SLOPES = np.array([[0.008, 0.0095, 0.02], [0.0, 0.0074, 0.02]])


@pytest.fixture(scope="module")
def calibration() -> pf.Calibration:
    return pf.calibrate(TOGETHER)


@pytest.fixture(scope="module")
def toys() -> Any:
    return pf.draw_toys(TOGETHER, 0, RHO)


def minimised(nll: Any, n: int = 3) -> tuple[Array, Array]:
    """Estimates and errors."""
    fit = Minuit(nll, np.zeros(n))
    fit.errordef, fit.strategy = 0.5, 2
    fit.migrad()
    fit.hesse()
    return np.array(fit.values), np.array(fit.errors)


def penalty(theta: Array, aux: Array) -> float:
    away = theta - np.append(0.0, aux)
    return float(0.5 * away @ INFORMATION @ away)


def standardised(theta: Array, events: Array) -> tuple[Array, Array]:
    location, scale = MU, SIGMA
    for k in range(3):
        location = location * (1.0 + MU_SLOPES[:, k] * theta[k])
        scale = scale * (1.0 + SIGMA_SLOPES[:, k] * theta[k])
    return (events - location) / scale, np.log(scale)


def joint_nll(inverse: Array, events: Array, aux: Array, theta: Array) -> float:
    z, logs = standardised(theta, events)
    squares = 0.5 * np.einsum("eo,op,ep->", z, inverse, z)
    return float(squares + len(z) * logs.sum() + penalty(theta, aux))


def test_single_events(calibration: pf.Calibration, toys: Any) -> None:
    """The product and the joint density, with the covariance of the constraints."""
    events, aux = toys.events[0], toys.aux[0]
    both = np.array([[1.0, RHO], [RHO, 1.0]])
    joint = np.linalg.inv(both)
    for name, inverse in (("unbinned", np.eye(2)), ("unbinned_joint", joint), ("flow", joint)):
        estimate, error = minimised(partial(joint_nll, inverse, events, aux))
        fits = fit_events(build_method(name, calibration, RHO), toys)
        assert fits.estimate[0] == pytest.approx(estimate, abs=1e-3 * error.min())
        assert fits.error[0] == pytest.approx(error, rel=2e-3)


def pyhf_fit(spec: Any, data: Array) -> tuple[Array, Array, list[str]]:
    """pyhf's own fit, with its own minimiser."""
    with PYHF_LOCK:
        backend, optimizer = pyhf.get_backend()
        try:
            pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3))
            model = pyhf.Workspace(spec).model()
            values = pyhf.infer.mle.fit(data.tolist(), model, return_uncertainties=True)
        finally:
            pyhf.set_backend(backend, optimizer)
    return values[:, 0], values[:, 1], list(model.config.par_names)


def test_the_rotated_workspace_in_pyhf(calibration: pf.Calibration, toys: Any) -> None:
    """Its independent parameters are turned back by hand; m_t and JSF are its own."""
    spec = pf.build_workspace(calibration)
    method = build_method("binned", calibration)
    likelihood = method.likelihood
    assert isinstance(likelihood, BinnedLikelihood)
    seen = method.observe(toys)
    fits = fit_events(method, toys)
    root = np.linalg.cholesky(CORRELATION)  # JRF, JSF
    names = list(likelihood.names)
    at = [names.index("JRF"), names.index("JSF")]
    data = np.array(seen.data)[0]
    terms = likelihood.n_main + np.array([likelihood.aux_index.index(k) for k in at])
    data[terms] = np.linalg.solve(root, data[terms])
    estimate, error, known = pyhf_fit(spec, data)
    assert sorted(known) == ["JRF", "JSF_independent", "m_t"]
    found = dict(zip(known, estimate, strict=True))
    theta = root @ [found["JRF"], found["JSF_independent"]]
    wanted = dict(zip(("JRF", "JSF", "m_t"), (*theta, found["m_t"]), strict=True))
    errors = dict(zip(known, error, strict=True))
    for name in ("m_t", "JRF"):
        k = names.index(name)
        assert fits.error[0, k] == pytest.approx(errors[name], rel=0.01)
    for name, value in wanted.items():
        k = names.index(name)
        assert fits.estimate[0, k] == pytest.approx(value, abs=0.01 * fits.error[0, k])


def test_the_workspace_says_of_what_it_is_made(calibration: pf.Calibration) -> None:
    """Read back it has the parameters of the study, and minus the logpdf of pyhf."""
    spec = pf.build_workspace(calibration)
    _, told = spec["measurements"]
    rows = json.loads(told["name"])["correlated parameters"]
    assert rows["JRF"] == {"JRF": 1.0}
    assert rows["JSF"] == pytest.approx({"JRF": 0.8, "JSF_independent": 0.6}, rel=1e-12)
    read = BinnedLikelihood.from_pyhf(read_workspace(spec))
    assert set(read.names) == {"m_t", "JSF", "JRF"}
    theta = np.array([{"m_t": 0.4, "JSF": 0.5, "JRF": -0.3}[name] for name in read.names])
    values = {name: float(value) for name, value in read.model_values(theta).items()}
    assert values == pytest.approx({"m_t": 0.4, "JRF": -0.3, "JSF_independent": 0.74 / 0.6})
    with PYHF_LOCK:
        model = pyhf.Workspace(spec).model()
        given = [values[name] for name in model.config.par_names]
        wanted = -float(np.asarray(model.logpdf(given, read.observed.tolist())).item())
    assert float(read.nll(theta, read.observed)) == pytest.approx(wanted, rel=1e-10)


def test_no_correlation_changes_nothing() -> None:
    """To the last digit."""
    identity = TOGETHER.with_settings({"constraints.correlation": np.eye(2).tolist()})
    assert pf.build_workspace(pf.calibrate(identity)) == pf.build_workspace(pf.calibrate(POSTER))
    block = pf.draw_toys(POSTER, 0, RHO)
    np.testing.assert_array_equal(pf.draw_toys(identity, 0, RHO).aux, block.aux)
    for name in ("unbinned", "binned_optimal"):  # which fits the product in bins before
        one, other = (
            fit_events(build_method(name, pf.calibrate(study), RHO), block)
            for study in (POSTER, identity)
        )
        np.testing.assert_array_equal(one.estimate, other.estimate)
        np.testing.assert_array_equal(one.corrected_error, other.corrected_error)


def expected_errors(correlation: Array = CORRELATION) -> dict[str, Array]:
    """Claimed, actual, optimal and joint errors of fits of single events, from matrices."""
    information = np.zeros((3, 3))
    information[1:, 1:] = np.linalg.inv(correlation)
    a, b = MU_SLOPES * (MU / SIGMA)[:, None], SIGMA_SLOPES
    r = np.array([[1.0, RHO], [RHO, 1.0]])
    i = np.linalg.inv(r)
    claimed = np.linalg.inv(EVENTS * (a.T @ a + 2 * b.T @ b) + information)
    score = EVENTS * (a.T @ r @ a + 2 * b.T @ r**2 @ b) + information
    best = EVENTS * (a.T @ i @ a + 2 * b.T @ np.linalg.inv(r**2) @ b) + information
    joint = EVENTS * (a.T @ i @ a + b.T @ (np.eye(2) + r * i) @ b) + information
    return {
        "claimed_error": np.sqrt(np.diag(claimed)),
        "actual_error": np.sqrt(np.diag(claimed @ score @ claimed)),
        "optimal_error": np.sqrt(np.diag(np.linalg.inv(best))),
        "joint_error": np.sqrt(np.diag(np.linalg.inv(joint))),
    }


def test_predicted_errors() -> None:
    prediction = pf.predict(TOGETHER, methods=["unbinned"], workers=1)
    for key, wanted in expected_errors().items():
        found = [getattr(row, key) for row in prediction.rows]
        assert found == pytest.approx(wanted, rel=1e-3), key
    parts = np.zeros((3, 2))
    for row in prediction.weights:
        k = TOGETHER.parameter_names.index(row.parameter)
        parts[k] += row.product, row.optimal
    assert parts == pytest.approx(np.ones((3, 2)), rel=1e-9)


TOYS = int(os.environ.get("TOYS", "500"))


@pytest.mark.slow
@pytest.mark.parametrize("truth", ["fixed", "prior"])
def test_pulls_have_width_1(truth: str) -> None:
    """Corrected ones of all methods, all parameters, within 3.5 standard errors."""
    study = TOGETHER.with_settings({"ensemble.n_toys": TOYS, "ensemble.truth": truth})
    actual = expected_errors()
    for row in pf.run(study, workers=2).pulls:
        one = row.pulls
        k = study.parameter_names.index(one.parameter)
        assert one.n_failed == 0
        assert one.corrected_width == pytest.approx(
            1.0, abs=0.01 + 3.5 * (one.corrected_width_error or 0.0)
        )
        if row.method in ("unbinned", "unbinned_optimal"):
            key = "actual_error" if row.method == "unbinned" else "optimal_error"
            assert one.actual_error == pytest.approx(
                actual[key][k], rel=0.01 + 3.5 / np.sqrt(2 * TOYS)
            )


@pytest.mark.slow
@pytest.mark.parametrize("ensemble", ["fixed", "prior"])
def test_toys_of_the_workspace(ensemble: Any, calibration: pf.Calibration) -> None:
    """Thrown with correlated constraints, at rho 0 as all toys of a workspace."""
    likelihood = BinnedLikelihood.from_pyhf(read_workspace(pf.build_workspace(calibration)))
    result = pf.run_toys(likelihood, 4 * TOYS, 3, ensemble=ensemble)
    for row in result.pulls:
        one = row.pulls
        assert one.width == pytest.approx(1.0, abs=0.02 + 3.5 * (one.width_error or 0.0))
