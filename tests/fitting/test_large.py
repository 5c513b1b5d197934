"""Large models, fitted by structure: against Minuit, and whether their errors are right.

`FITS=50 make slow` compares more toys of each, and those of 183 and 300 parameters too.
"""

import os
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pyhf
import pytest
from scipy.stats import norm

from benchmarks.models import large_workspace, shape_workspace
from pullfactory import BinnedLikelihood, FitStatus, fit_toys, throw_toys
from pullfactory.fitting import fit_minuit

Function = Callable[[jax.Array, jax.Array], jax.Array]
FITS = int(os.environ.get("FITS", "1"))
TOYS = 1000

MODELS = {
    "every modifier, 80 parameters": lambda: large_workspace(30),
}
if "FITS" in os.environ:
    MODELS["every modifier, 183 parameters"] = lambda: large_workspace(37, channels=3, bins=24)
    MODELS["300 parameters"] = lambda: shape_workspace(200, 50, 49, gammas=True)


def _likelihood(workspace: pyhf.Workspace) -> BinnedLikelihood:
    found = BinnedLikelihood.from_pyhf(workspace)
    assert found.structure is not None
    assert found.batch > 1
    return found


@pytest.fixture
def hessian_of() -> Iterator[Callable[[pyhf.Workspace], Function]]:
    """Hessians of what pyhf itself calls the probability of its data."""
    before = pyhf.get_backend()
    pyhf.set_backend("jax", precision="64b")

    def make(workspace: pyhf.Workspace) -> Function:
        codes = {"normsys": "code4", "histosys": "code4p"}
        model = workspace.model(
            modifier_settings={kind: {"interpcode": code} for kind, code in codes.items()}
        )
        return jax.jit(jax.hessian(lambda theta, data: -model.logpdf(theta, data)[0]))

    yield make
    pyhf.set_backend(*before)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_minima_are_those_of_minuit(
    name: str, hessian_of: Callable[[pyhf.Workspace], Function]
) -> None:
    """Never above Minuit's by 1e-4 in 2 NLL, and estimates are Minuit's there.

    Errors are compared with the inverse of the Hessian that JAX makes of pyhf's own probability:
    those of HESSE, finite differences, are off it by up to a sixth in these models.
    """
    workspace = MODELS[name]()
    likelihood, hessian = _likelihood(workspace), hessian_of(workspace)
    data = throw_toys(likelihood, FITS, 3).data
    fits = fit_toys(likelihood, data)
    assert np.all(fits.status <= FitStatus.AT_BOUND)
    for toy, row in enumerate(data):
        reference = fit_minuit(likelihood, row, hesse_calls=1)
        assert 2 * (fits.nll[toy] - reference.nll) < 1e-4
        if fits.status[toy] == FitStatus.AT_BOUND:
            continue
        exact = np.asarray(hessian(jnp.asarray(fits.estimate[toy]), jnp.asarray(row)))
        error = np.sqrt(np.diag(np.linalg.inv(exact)))
        np.testing.assert_allclose(fits.error[toy], error, rtol=1e-6)
        if reference.nll < fits.nll[toy] + 1e-4:  # Minuit may stop early, or beside
            assert np.all(np.abs(fits.estimate[toy] - reference.estimate) < 0.01 * error)


@pytest.mark.slow
def test_one_error_is_that_among_all() -> None:
    likelihood = _likelihood(large_workspace(10, bins=4))
    data = throw_toys(likelihood, 8, 5).data
    fits = fit_toys(likelihood, data)
    some = fit_toys(likelihood, data, errors=["mu"])
    np.testing.assert_array_equal(some.status, fits.status)
    np.testing.assert_array_equal(some.estimate, fits.estimate)
    mu = likelihood.names.index("mu")
    np.testing.assert_allclose(some.error[:, mu], fits.error[:, mu], rtol=1e-10)
    assert np.all(np.isnan(np.delete(some.covariance, mu, axis=2)))


@pytest.mark.slow
def test_pulls_have_unit_width() -> None:
    """Of a right model, for every parameter; one in a hundred seeds would fail."""
    likelihood = _likelihood(shape_workspace(100, 10, 9, gammas=True))
    thrown = throw_toys(likelihood, TOYS, 4)
    fits = fit_toys(likelihood, thrown.data)
    good = fits.status <= FitStatus.AT_BOUND
    assert np.all(good)
    pulls = (fits.estimate - thrown.truth) / fits.error
    width = np.nanstd(pulls, axis=0, ddof=1)
    far = (width - 1) * np.sqrt(2 * TOYS)
    assert np.abs(far).max() < norm.isf(0.005 / len(far))
