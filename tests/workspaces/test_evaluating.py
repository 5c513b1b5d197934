"""Rates of many points at once are those of the model, whatever backend its user has chosen."""

from pathlib import Path

import numpy as np
import pyhf
import pytest

from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.workspaces.evaluating import evaluate_rates
from pullfactory.workspaces.reading import read_workspace


@pytest.mark.parametrize("name", ["poster", "poster_multiplicative", "ljets"])
@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_rates_are_those_of_the_likelihood(name: str, backend: str) -> None:
    """Twelve digits of sums of some sixty numbers are left; unknown names are none of the model."""
    spec = read_workspace(Path("workspaces") / f"{name}.json")
    likelihood = BinnedLikelihood.from_pyhf(spec)
    rng = np.random.default_rng(1)
    theta = likelihood.init + rng.uniform(-1.6, 1.6, (5, len(likelihood.init)))
    values = dict(zip(likelihood.names, theta.T, strict=True)) | {"else": theta[:, 0]}
    pyhf.set_backend(backend, precision="64b")
    try:
        found = evaluate_rates(dict(spec), values)
        assert pyhf.get_backend()[0].name == backend
    finally:
        pyhf.set_backend("numpy")
    wanted = [np.asarray(likelihood.expected(point)) for point in theta]
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-9)
