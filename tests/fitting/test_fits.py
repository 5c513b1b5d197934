"""Batched fits: against Minuit, at bounds, and where there is nothing to find."""

from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pyhf
import pytest
from iminuit import Minuit
from numpy.typing import NDArray
from scipy.stats import norm

from pullfactory import FitStatus, Study, build_method, build_workspace, calibrate, fit_toys
from pullfactory.errors import LikelihoodError
from pullfactory.fitting import fit_minuit
from pullfactory.likelihoods import Likelihood
from pullfactory.simulation.toys import draw_toys

POSTER = Study.preset("poster")
TOYS = 200


@pytest.mark.slow
def test_binned_against_pyhf_with_minuit() -> None:
    """200 toys: estimates within 0.01 of the error, errors within 1 %."""
    calibration = calibrate(POSTER.with_settings({"calibration.events_per_point": 200_000}))
    model = pyhf.Workspace(build_workspace(calibration)).model()
    method = build_method("binned", calibration)
    data = method.observe(draw_toys(POSTER, 0, 0.5)).data[:TOYS]
    fits = fit_toys(method.likelihood, data)
    assert np.all(fits.status == FitStatus.CONVERGED)
    before = pyhf.get_backend()
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3, strategy=2))
    try:
        for toy, row in enumerate(data):
            reference, twice_nll = pyhf.infer.mle.fit(
                row, model, return_uncertainties=True, return_fitted_val=True
            )
            estimate, error = np.asarray(reference).T
            assert np.all(np.abs(fits.estimate[toy] - estimate) < 0.01 * error)
            assert np.all(np.abs(fits.error[toy] / error - 1) < 0.01)
            assert 2 * fits.nll[toy] <= twice_nll + 1e-3
    finally:
        pyhf.set_backend(*before)


@pytest.mark.slow
def test_unbinned_against_iminuit() -> None:
    """200 toys with a likelihood written out in scipy, fitted with iminuit alone."""
    study = POSTER.with_settings({"calibration.source": "exact"})
    method = build_method("unbinned", calibrate(study))
    block = draw_toys(study, 0, 0.5)
    fits = fit_toys(method.likelihood, jax.tree.map(lambda x: x[:TOYS], method.observe(block).data))
    mu, sigma = np.array([171.8, 83.3]), np.array([10.4, 6.8])
    to_mu = np.array([[0.0058, 0.0003], [0.0046, 0.0053], [0.0005, 0.0016]])
    to_sigma = np.array([[0.008, 0.0], [0.0095, 0.0074], [0.02, 0.02]])

    def nll(events: NDArray[np.float64], theta: NDArray[np.float64]) -> float:
        location = mu * np.prod(1 + to_mu * theta[:, None], axis=0)
        scale = sigma * np.prod(1 + to_sigma * theta[:, None], axis=0)
        penalty = 0.5 * (theta[1] ** 2 + theta[2] ** 2)
        return float(penalty - norm.logpdf(events, location, scale).sum())

    for toy in range(TOYS):
        minuit = Minuit(partial(nll, block.events[toy]), np.zeros(3))
        minuit.errordef, minuit.tol, minuit.strategy = Minuit.LIKELIHOOD, 1e-3, 2
        minuit.migrad()
        minuit.hesse()
        error = np.array(minuit.errors)
        assert np.all(np.abs(fits.estimate[toy] - np.array(minuit.values)) < 0.01 * error)
        assert np.all(np.abs(fits.error[toy] / error - 1) < 0.01)


@pytest.mark.parametrize("method_name", ["unbinned", "binned"])
def test_batched_agrees_with_minuit_on_the_same_likelihood(method_name: str) -> None:
    study = POSTER.with_settings(
        {
            "calibration.source": "exact",
            "observable.m_W.density": "voigt",
            "observable.m_W.shape": {"gamma": 0.4},
            "ensemble.dependence": "gaussian_copula",
            "ensemble.n_events": 500,
        }
    )
    method = build_method(method_name, calibrate(study))
    data = jax.tree.map(
        lambda leaf: jnp.asarray(leaf)[:8], method.observe(draw_toys(study, 0, 0.5)).data
    )
    fits = fit_toys(method.likelihood, data)
    for toy in range(8):
        one = jax.tree.map(lambda leaf, toy=toy: leaf[toy], data)
        reference = fit_minuit(method.likelihood, one)
        assert reference.valid
        error = np.sqrt(np.diag(reference.covariance))
        assert np.all(np.abs(fits.estimate[toy] - reference.estimate) < 0.01 * error)
        assert np.all(np.abs(fits.error[toy] / error - 1) < 0.01)
        assert fits.nll[toy] <= reference.nll + 1e-6


def test_fits_do_not_depend_on_the_batch_or_the_start() -> None:
    study = POSTER.with_settings({"calibration.source": "exact"})
    method = build_method("binned", calibrate(study))
    data = method.observe(draw_toys(study, 0, 0.5)).data[:64]
    together = fit_toys(method.likelihood, data)
    apart = fit_toys(method.likelihood, data[10:11])
    elsewhere = fit_toys(method.likelihood, data, start=[1.0, -1.0, 0.5])
    assert np.allclose(together.estimate[10], apart.estimate[0], atol=1e-6)
    assert np.allclose(together.estimate, elsewhere.estimate, atol=1e-3 * together.error.min())


def test_no_toys_is_refused() -> None:
    method = build_method(
        "binned", calibrate(POSTER.with_settings({"calibration.source": "exact"}))
    )
    with pytest.raises(LikelihoodError, match="at least 1"):
        fit_toys(method.likelihood, np.empty((0, 42)))


# --- small likelihoods with a known answer ------------------------------------------------------


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, eq=False)
class Toy(Likelihood):
    """A likelihood of two parameters made for one question."""

    limits: NDArray[np.float64]
    held: NDArray[np.bool_]
    kind: str = field(metadata={"static": True})

    @property
    def parameters(self) -> tuple[str, ...]:
        return ("a", "b")

    @property
    def start(self) -> NDArray[np.float64]:
        return np.zeros(2)

    @property
    def bounds(self) -> NDArray[np.float64]:
        return self.limits

    @property
    def fixed(self) -> NDArray[np.bool_]:
        return self.held

    def nll(self, theta: jax.Array, data: jax.Array) -> jax.Array:
        a, b = theta[0], theta[1]
        if self.kind == "degenerate":
            return 0.5 * (a + b - data[0]) ** 2
        if self.kind == "runaway":
            return jnp.exp(-a) + 0.5 * (b - data[1]) ** 2
        if self.kind == "rosenbrock":
            return 0.5 * ((data[0] - a) ** 2 + 100 * (b - a**2) ** 2)
        if self.kind == "nan":
            return jnp.log(-1.0 - a**2) + 0 * data[0]
        x = theta - data
        return 0.5 * (x[0] ** 2 + x[0] * x[1] + x[1] ** 2)


def _toy(
    kind: str, low: float = -10.0, high: float = 10.0, held: tuple[bool, bool] = (False, False)
) -> Toy:
    return Toy(limits=np.array([[low, high]] * 2), held=np.array(held), kind=kind)


DATA = np.array([[1.0, 2.0], [3.0, -1.0]])


def test_quadratic_in_one_step() -> None:
    fits = fit_toys(_toy("quadratic"), DATA)
    assert np.all(fits.status == FitStatus.CONVERGED)
    assert np.allclose(fits.estimate, DATA)
    assert np.allclose(fits.covariance, np.linalg.inv([[1, 0.5], [0.5, 1]]))


def test_curved_valley_is_followed() -> None:
    fits = fit_toys(_toy("rosenbrock"), DATA)
    assert np.all(fits.status == FitStatus.CONVERGED)
    assert np.allclose(fits.estimate, [[1, 1], [3, 9]], atol=1e-4)


def test_parameter_at_its_bound_has_no_error_and_the_other_moves() -> None:
    """With a held at 0.5 the minimum of b is b0 - (0.5 - a0) / 2."""
    fits = fit_toys(_toy("quadratic", high=0.5, low=-10.0), np.array([[1.0, -2.0]]))
    assert fits.status[0] == FitStatus.AT_BOUND
    assert np.allclose(fits.estimate, [[0.5, -1.75]], atol=1e-6)
    assert np.isnan(fits.error[0, 0])
    assert fits.error[0, 1] == pytest.approx(1.0)


def test_fixed_parameter_stays() -> None:
    fits = fit_toys(_toy("quadratic", held=(True, False)), DATA)
    assert np.all(fits.status == FitStatus.CONVERGED)
    assert np.all(fits.estimate[:, 0] == 0)
    assert np.allclose(fits.estimate[:, 1], DATA[:, 1] + DATA[:, 0] / 2)
    assert np.all(np.isnan(fits.error[:, 0]))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("degenerate", FitStatus.NOT_POSITIVE_DEFINITE),
        ("nan", FitStatus.NON_FINITE),
    ],
)
def test_failures_are_named_and_have_no_errors(kind: str, status: FitStatus) -> None:
    fits = fit_toys(_toy(kind), DATA)
    assert np.all(fits.status == status)
    assert np.all(np.isnan(fits.error))


def test_runaway_ends_at_the_bound() -> None:
    fits = fit_toys(_toy("runaway"), DATA)
    assert np.all(fits.status == FitStatus.AT_BOUND)
    assert np.all(fits.estimate[:, 0] == 10)


def test_select_orders_parameters() -> None:
    fits = fit_toys(_toy("quadratic"), DATA)
    chosen = fits.select(("b",))
    assert np.array_equal(chosen.estimate[:, 0], fits.estimate[:, 1])
    with pytest.raises(LikelihoodError, match="'c' is no parameter"):
        fits.select(("c",))
