"""Directions in which the likelihood does not change: refused, or never an error."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

import pullfactory as pf
from pullfactory import (
    BinnedLikelihood,
    FitStatus,
    Study,
    fit_toys,
    read_workspace,
    run_toys,
    throw_toys,
)
from pullfactory.errors import LikelihoodError, StudyError
from pullfactory.fitting.flatness import flat_parameters

Spec = dict[str, Any]


def factor(name: str) -> Spec:
    return {"name": name, "type": "normfactor", "data": None}


def shape(name: str) -> Spec:
    return {"name": name, "type": "shapefactor", "data": None}


def scale(name: str, hi: float = 1.1, lo: float = 0.9) -> Spec:
    return {"name": name, "type": "normsys", "data": {"hi": hi, "lo": lo}}


def sample(name: str, data: list[float], *modifiers: Spec) -> Spec:
    return {"name": name, "data": data, "modifiers": list(modifiers)}


def workspace(*samples: Spec, poi: str = "mu", parameters: list[Spec] | None = None) -> Spec:
    total = np.sum([one["data"] for one in samples], axis=0)
    return {
        "channels": [{"name": "SR", "samples": list(samples)}],
        "observations": [{"name": "SR", "data": np.round(total).tolist()}],
        "measurements": [{"name": "m", "config": {"poi": poi, "parameters": parameters or []}}],
        "version": "1.0.0",
    }


def likelihood(spec: Spec) -> BinnedLikelihood:
    return BinnedLikelihood.from_pyhf(read_workspace(spec))


FLAT = workspace(sample("proc", [40.0, 55.0], factor("mu"), shape("shape"), scale("eff")))
DEGENERATE = workspace(
    sample("sig", [10.0, 20.0], factor("mu"), factor("k2")),
    sample("bkg", [50.0, 60.0], scale("k")),
    parameters=[{"name": "mu", "bounds": [[0, 10]], "inits": [1.0]}],
)

# --- before any toy ------------------------------------------------------------------------------

MODELS: dict[str, tuple[Spec, set[str]]] = {
    "a factor and a shape": (FLAT, {"mu", "shape[0]", "shape[1]"}),
    "two factors of one sample": (DEGENERATE, {"mu", "k2"}),
    "a factor without a sample's events": (
        workspace(sample("a", [50.0, 70.0], factor("mu")), sample("b", [0.0, 0.0], factor("k"))),
        {"k"},
    ),
    "more factors than bins": (
        workspace(
            sample("a", [50.0, 70.0], factor("mu")),
            sample("b", [20.0, 10.0], factor("k")),
            sample("c", [10.0, 30.0], factor("l")),
        ),
        {"mu", "k", "l"},
    ),
    "shapes of two samples in the same bins": (
        workspace(
            sample("a", [50.0, 70.0], shape("s")),
            sample("b", [20.0, 10.0], shape("t")),
            poi="",
        ),
        {"s[0]", "t[0]"},
    ),
}


@pytest.mark.parametrize(("spec", "names"), MODELS.values(), ids=MODELS.keys())
def test_flat_parameters_are_named(spec: Spec, names: set[str]) -> None:
    found = likelihood(spec)
    groups = flat_parameters(found, found.init)
    assert names in [set(group) for group in groups]
    with pytest.raises(LikelihoodError, match=r"--fix \S+=1"):
        run_toys(found, 8, 1)


def test_what_is_said_and_that_it_helps(
    invoke: Callable[..., CompletedProcess[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pullfactory.results.result.write_figures", lambda *_, **__: ())
    Path("flat.json").write_text(json.dumps(DEGENERATE))
    refused = invoke("toys", "flat.json", "--n-toys", 8)
    assert refused.returncode == 2
    assert refused.stderr == (
        "Error: the likelihood does not change along a combination of 'k2' and 'mu', and no data "
        "can tell them apart; hold one of them, for example with --fix k2=1\n"
    )
    assert not Path("results").exists()
    held = invoke("toys", "flat.json", "--n-toys", 8, "--fix", "k2=1")
    assert (held.returncode, held.stderr) == (0, "")


def test_fit_to_the_data_is_refused_with_the_same_names() -> None:
    with pytest.raises(LikelihoodError, match="combination of 'k2' and 'mu'"):
        run_toys(likelihood(DEGENERATE), 8, 1, truth="fit")


def test_a_constraint_or_another_bin_tells_them_apart() -> None:
    free = likelihood(workspace(sample("a", [50.0, 70.0], factor("mu"), scale("k"))))
    assert not flat_parameters(free, free.init)
    assert set(*flat_parameters(free.free(["k"]), free.init)) == {"mu", "k"}
    assert not flat_parameters(free.free(["k"]).fix({"mu": 1.0}), free.init)


def test_two_freed_systematics_of_one_effect() -> None:
    """A normsys twice under two names: their slopes are equal to the last digit or nearly so."""
    found = likelihood(
        workspace(
            sample("a", [50.0, 70.0], scale("k"), scale("l")), sample("b", [9.0, 2.0], factor("mu"))
        )
    ).free(["k", "l"])
    assert [set(group) for group in flat_parameters(found, found.init)] == [{"k", "l"}]
    fits = fit_toys(found, throw_toys(found, 32, 1).data, recover=False)
    assert np.isnan(fits.error).all()


def test_flat_at_one_point_only_is_no_flat_model() -> None:
    """mu (s + k t) at mu = 0: k moves nothing there, and something everywhere else."""
    found = likelihood(
        workspace(
            sample("s", [30.0, 5.0], factor("mu")),
            sample("t", [5.0, 30.0], factor("mu"), factor("k")),
            sample("b", [100.0, 100.0]),
            parameters=[{"name": "mu", "bounds": [[-10, 10]], "inits": [0.0]}],
        )
    )
    assert not flat_parameters(found, found.init)
    result = run_toys(found, 16, 1)
    low, high = found.bounds[found.names.index("k")]
    rows = result.toys.read().filter(pc.field("parameter") == "k")
    errors = [error for error in rows["error"].to_pylist() if error is not None]
    assert max(errors, default=0.0) <= high - low


def test_folded_parameter_without_constraint_is_no_flat_model() -> None:
    """Templates that are equal up and down have no slope at 0, and one beside it."""
    fold = {
        "name": "fold",
        "type": "histosys",
        "data": {"hi_data": [60.0, 60.0], "lo_data": [60.0, 60.0]},
    }
    found = likelihood(workspace(sample("a", [50.0, 70.0], fold), poi="")).free(["fold"])
    assert not flat_parameters(found, found.init)


def test_many_parameters_take_no_time() -> None:
    """150 gammas and a factor: fine; with a second factor the two are named, and no gamma."""
    data = np.linspace(50.0, 200.0, 150)
    gammas = {"name": "g", "type": "staterror", "data": np.sqrt(data).tolist()}
    spec = workspace(sample("a", data.tolist(), factor("mu"), factor("k"), gammas))
    found = likelihood(spec)
    assert len(found.names) == 152
    assert [set(group) for group in flat_parameters(found, found.init)] == [{"mu", "k"}]
    assert not flat_parameters(found.fix({"k": None}), found.init)


# --- in the fits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [FLAT, DEGENERATE], ids=["flat", "degenerate"])
@pytest.mark.parametrize("recover", [True, False])
def test_no_fit_of_a_flat_model_has_errors(spec: Spec, recover: bool) -> None:
    """Before, 3 to 10 % of these fits converged, with errors of 300 to 900."""
    found = likelihood(spec)
    toys = throw_toys(found, 8 if recover else 256, 1)
    fits = fit_toys(found, toys.data, recover=recover)
    assert np.isnan(fits.error).all()
    assert np.all(fits.status >= FitStatus.NOT_POSITIVE_DEFINITE)


@pytest.mark.parametrize(("distance", "events", "bound"), [(3e-3, 1e4, 1e2), (1e-5, 1e11, 1e3)])
def test_weak_directions_are_fitted(distance: float, events: float, bound: float) -> None:
    """Two samples of nearly one shape: scaled eigenvalues of 1e-5 and 1e-11.

    The rates are linear, so that the covariance is (A^T A)^-1 with A = sqrt(n) / rate * J, taken
    from the QR decomposition of A: its relative error is eps / smallest singular value, 1e-10. The
    Hessian of the fit knows its eigenvalue to 100 eps, and its inverse to 1e-14 / 1e-11.
    """
    first, second = np.ones(3), np.array([1 + distance, 1 - distance, 1.0])
    settings = [{"name": name, "bounds": [[-bound, bound]]} for name in ("k", "mu")]
    found = likelihood(
        workspace(
            sample("a", (events * first).tolist(), factor("mu")),
            sample("b", (events * second).tolist(), factor("k")),
            parameters=settings,
        )
    )
    assert found.names == ("mu", "k")
    assert not flat_parameters(found, found.init)
    toys = throw_toys(found, 64, 1)
    fits = fit_toys(found, toys.data)
    assert np.all(fits.status == FitStatus.CONVERGED)
    jacobian = events * np.stack([first, second], axis=1)
    for estimate, error, counts in zip(fits.estimate, fits.error, toys.data, strict=True):
        rates = jacobian @ estimate
        triangle = np.linalg.qr((np.sqrt(counts) / rates)[:, None] * jacobian)[1]
        exact = np.linalg.norm(np.linalg.inv(triangle), axis=1)
        assert error == pytest.approx(exact, rel=5e-3)
        gradient = jacobian.T @ (1 - counts / rates)
        assert np.all(np.abs(np.linalg.solve(triangle.T, gradient)) < 1e-2)
    widths = np.std((fits.estimate - 1.0) / fits.error, axis=0, ddof=1)
    assert np.all(np.abs(widths - 1) < 4 / np.sqrt(2 * 63))


def test_flat_in_some_toys_only() -> None:
    """A factor of a bin that is empty in exp(-1) of the toys: at its bound there, or no error.

    With a shapesys of the same bin nothing else keeps the factor: 4 standard errors of a binomial.
    """
    found = likelihood(
        workspace(
            sample("a", [1.0, 0.0], factor("mu")),
            sample("b", [0.0, 100.0], factor("k")),
            parameters=[{"name": name, "bounds": [[0, 100]]} for name in ("mu", "k")],
        )
    )
    toys = throw_toys(found, 400, 1)
    fits = fit_toys(found, toys.data)
    empty = toys.data[:, 0] == 0
    assert abs(empty.sum() - 400 * np.exp(-1)) < 4 * np.sqrt(400 * np.exp(-1) * (1 - np.exp(-1)))
    at = found.names.index("mu")
    assert np.isnan(fits.error[empty, at]).all()
    assert np.all(fits.status[empty] != FitStatus.CONVERGED)
    assert np.allclose(fits.error[~empty, at], np.sqrt(toys.data[~empty, 0]), rtol=1e-6)


def test_an_error_larger_than_the_range_is_no_error() -> None:
    spec = workspace(sample("a", [50.0, 70.0], factor("mu")))
    narrow = workspace(
        sample("a", [50.0, 70.0], factor("mu")),
        parameters=[{"name": "mu", "bounds": [[0.95, 1.03]], "inits": [1.0]}],
    )
    data = throw_toys(likelihood(spec), 64, 1).data
    wide, fits = fit_toys(likelihood(spec), data), fit_toys(likelihood(narrow), data)
    assert np.all(wide.status == FitStatus.CONVERGED)
    inside = (wide.estimate[:, 0] > 0.95) & (wide.estimate[:, 0] < 1.03)
    assert 10 < inside.sum() < 54
    assert np.all(fits.status[inside] == FitStatus.NOT_POSITIVE_DEFINITE)
    outside = (wide.estimate[:, 0] < 0.949) | (wide.estimate[:, 0] > 1.031)
    assert np.all(fits.status[outside] == FitStatus.AT_BOUND)
    assert np.isnan(fits.error).all()


# --- studies and audits --------------------------------------------------------------------------


def equal_slopes() -> Study:
    """JSF without its constraint, moving everything in the proportion that m_t does."""
    return Study.preset("poster").with_settings(
        {
            "calibration.source": "exact",
            "parameter.JSF.constraint": "free",
            "observable.m_t.mu_slopes": {"m_t": 0.006, "JSF": 0.003},
            "observable.m_t.sigma_slopes": {"m_t": 0.008, "JSF": 0.004},
            "observable.m_W.mu_slopes": {"m_t": 0.0004, "JSF": 0.0002},
            "observable.m_W.sigma_slopes": {"JRF": 0.02},
        }
    )


@pytest.mark.parametrize(
    "verb", [pf.run, pf.predict, pf.closure, lambda study: pf.bootstrap_toy(study, rho=0.0)]
)
def test_study_that_does_not_tell_its_parameters_apart(verb: Callable[[Study], object]) -> None:
    complaint = (
        "study 'poster': the observables do not tell apart a combination of '(JSF|m_t)' and "
    )
    with pytest.raises(StudyError, match=complaint):
        verb(equal_slopes())


def test_too_few_bins_for_a_study() -> None:
    """One observable in two bins whose sum is fixed has one number; location and scale are two."""
    study = Study.preset("poster").with_settings(
        {
            "methods": ["binned"],
            "calibration.source": "exact",
            "ensemble.rho": [0.0],
            "ensemble.n_toys": 8,
            "parameter.JSF.constraint": "free",
            "workspace.n_bins": 2,
            "observable.m_W.mu_slopes": {},
            "observable.m_W.sigma_slopes": {},
        }
    )
    with pytest.raises(StudyError, match="the bins of method 'binned' do not tell apart"):
        pf.run(study, workers=1)


def test_gammas_of_toys_tell_nothing_apart() -> None:
    """At gammas of 1 the second sample is 0.3 of the first; only one of them has a staterror."""
    data = [40.0, 60.0, 30.0]
    gammas = {"name": "stat", "type": "staterror", "data": [4.0, 5.0, 4.0]}
    found = likelihood(
        workspace(
            sample("signal", [5.0, 2.0, 9.0], factor("mu")),
            sample("one", data, factor("k"), gammas),
            sample("other", [0.3 * n for n in data], factor("k2")),
        )
    )
    assert set(*flat_parameters(found, found.init)) == {"k", "k2"}
    assert not flat_parameters(found.fix({"k2": 1.0}), found.init)


def test_a_model_in_which_nothing_moves() -> None:
    spec = workspace(sample("signal", [0.0, 0.0], factor("mu")), sample("other", [50.0, 60.0]))
    with pytest.raises(LikelihoodError, match=r"parameter 'mu' moves no rate.* --fix mu=1"):
        run_toys(likelihood(spec), 10, 1)
