"""Rates by structure: the derivatives of a large model, with every modifier, by hand and by JAX."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyhf
import pytest
from numpy.typing import NDArray

from pullfactory import BinnedLikelihood, fit_toys, read_workspace, throw_toys
from pullfactory.likelihoods import binned

WORKSPACES = Path(__file__).parents[2] / "workspaces"
EPS = float(np.finfo(float).eps)
SUMS = 1e4  # operations in an entry of these models, generously

SPEC: dict[str, Any] = {
    "channels": [
        {
            "name": "SR",
            "samples": [
                {
                    "name": "signal",
                    "data": [6.0, 9.0, 4.0],
                    "modifiers": [
                        {"name": "mu", "type": "normfactor", "data": None},
                        {"name": "lumi", "type": "lumi", "data": None},
                        {"name": "both", "type": "normsys", "data": {"hi": 1.1, "lo": 0.93}},
                        {"name": "stat", "type": "staterror", "data": [0.5, 0.6, 0.3]},
                    ],
                },
                {
                    "name": "background",
                    "data": [50.0, 60.0, 70.0],
                    "modifiers": [
                        {"name": "stat", "type": "staterror", "data": [2.0, 3.0, 4.0]},
                        {"name": "own", "type": "shapesys", "data": [4.0, 0.0, 5.0]},
                        {"name": "both", "type": "normsys", "data": {"hi": 0.9, "lo": 1.2}},
                        {
                            "name": "both",
                            "type": "histosys",
                            "data": {"hi_data": [52.0, 61.0, 66.0], "lo_data": [47.0, 60.0, 77.0]},
                        },
                        {
                            "name": "shape",
                            "type": "histosys",
                            "data": {"hi_data": [49.0, 66.0, 70.0], "lo_data": [52.0, 55.0, 69.0]},
                        },
                    ],
                },
            ],
        },
        {
            "name": "CR",
            "samples": [
                {
                    "name": "background",
                    "data": [80.0, 40.0],
                    "modifiers": [
                        {"name": "free", "type": "shapefactor", "data": None},
                        {"name": "both", "type": "normsys", "data": {"hi": 1.05, "lo": 0.97}},
                    ],
                },
            ],
        },
    ],
    "parameters": [
        {
            "name": "lumi",
            "auxdata": [1.0],
            "sigmas": [0.02],
            "bounds": [[0.5, 1.5]],
            "inits": [1.0],
        }
    ],
}


def _shared() -> dict[str, Any]:
    """A shapefactor of two channels moves two bins with each of its parameters."""
    control = SPEC["channels"][1]
    return {**SPEC, "channels": [*SPEC["channels"], {**control, "name": "VR"}]}


def _poster(name: str) -> Callable[[], pyhf.Workspace]:
    return lambda: read_workspace(WORKSPACES / f"{name}.json")


MODELS: dict[str, Callable[[], Any]] = {
    "every modifier": lambda: pyhf.Model(SPEC, poi_name="mu"),
    "a shared shapefactor": lambda: pyhf.Model(_shared(), poi_name="mu"),
    "poster": _poster("poster"),
    "poster_multiplicative": _poster("poster_multiplicative"),
}


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is a large one."""
    monkeypatch.setattr(binned, "_DENSE_VALUES", 0)


def _points(likelihood: BinnedLikelihood) -> list[NDArray[np.float64]]:
    """Near the start, where the interpolation is extrapolated, and without any signal."""
    rng = np.random.default_rng(3)
    low, high = likelihood.limits.T
    steps = 0.1 * rng.standard_normal(len(low)), 1.4 * np.sign(rng.standard_normal(len(low)))
    scale = np.where(likelihood.init == 1.0, 0.2, 1.0)
    points = [np.clip(likelihood.init + scale * step, low, high) for step in steps]
    none = points[0].copy()
    none[[name == "mu" for name in likelihood.names]] = 0.0
    return [*points, none]


def _bent(rates: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], Any]:
    """Rates, and the gradient of how their sum of squares changes along all parameters."""

    def along(theta: jax.Array) -> jax.Array:
        value, change = jax.jvp(rates, (theta,), (jnp.ones_like(theta),))
        return jnp.dot(value, change)

    return lambda theta: (rates(theta), jax.grad(along)(theta))


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name == "a shared shapefactor" else [])
        for name in MODELS
    ],
)
def test_derivatives_are_those_of_the_likelihood(name: str) -> None:
    """To rounding: relative to the largest entry, an entry is a sum of no more than `SUMS`."""
    likelihood = BinnedLikelihood.from_pyhf(MODELS[name]())
    assert likelihood.structure is not None
    plain = replace(likelihood, structure=None, numbers=None)
    rates = np.asarray(likelihood.expected(likelihood.init))
    values = likelihood.observed[likelihood.n_main :]
    data = np.concatenate([np.random.default_rng(4).poisson(rates), values]).astype(float)
    data[0] = 0.0  # a bin without events
    gradient, hessian = jax.jit(jax.grad(plain.nll)), jax.jit(jax.hessian(plain.nll))
    expand, whole = jax.jit(likelihood.expansion), jax.jit(plain.expansion)
    bend = jax.jit(likelihood.hessian)
    bent, rounded = jax.jit(_bent(likelihood.outlined_rates)), jax.jit(_bent(plain.outlined_rates))
    for theta in _points(likelihood):
        found, expected = expand(theta, data), whole(theta, data)
        assert float(found.nll) == pytest.approx(float(expected.nll), rel=SUMS * EPS)
        for one, other in (
            (found.gradient, gradient(theta, data)),
            (found.curvature, expected.curvature),
            (bend(theta, data), hessian(theta, data)),
            *zip(bent(theta), rounded(theta), strict=True),
        ):
            assert np.all(np.isfinite(other))
            np.testing.assert_allclose(one, other, atol=SUMS * EPS * np.abs(other).max(), rtol=0)


@pytest.mark.usefixtures("large")
def test_gammas_are_in_layers() -> None:
    """One that moves one bin is a gamma; one that moves two is in the corner."""
    likelihood = BinnedLikelihood.from_pyhf(MODELS["a shared shapefactor"]())
    assert likelihood.layout is not None
    names = np.array([*likelihood.names, "none"])
    layers = [{*row.tolist()} - {"none"} for row in names[likelihood.layout.inner]]
    gammas = {f"{name}[{k}]" for name in ("stat", "own") for k in range(3)}
    assert set.union(*layers) == gammas
    corner = {"lumi", "mu", "both", "shape", "free[0]", "free[1]"}
    assert set(names[likelihood.layout.corner]) == corner


@pytest.mark.usefixtures("large")
def test_fits_are_those_of_the_whole() -> None:
    likelihood = BinnedLikelihood.from_pyhf(MODELS["every modifier"]()).fix({"lumi": None})
    plain = replace(likelihood, structure=None, numbers=None)
    data = throw_toys(likelihood, 8, 5).data
    found, expected = fit_toys(likelihood, data), fit_toys(plain, data)
    np.testing.assert_array_equal(found.status, expected.status)
    far = np.abs(found.estimate - expected.estimate) / expected.error
    assert np.nanmax(far) < 1e-4  # both stop within 4e-5 errors of the minimum
    np.testing.assert_allclose(found.nll, expected.nll, atol=2e-9, rtol=0)  # 1e-9 each
    np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-3, atol=1e-6)


@pytest.mark.usefixtures("large")
def test_models_of_one_structure_share_it_and_travel() -> None:
    found = BinnedLikelihood.from_pyhf(MODELS["every modifier"]())
    again = BinnedLikelihood.from_pyhf(MODELS["every modifier"]())
    copy = pickle.loads(pickle.dumps(found))
    assert found.structure is again.structure is copy.structure


@pytest.mark.usefixtures("large")
def test_clipped_rates_have_no_structure() -> None:
    likelihood = BinnedLikelihood.from_pyhf(pyhf.Model(SPEC, poi_name="mu", clip_bin_data=1e-3))
    assert likelihood.structure is None
