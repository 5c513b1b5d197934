"""What every likelihood promises: exact derivatives, and the value of the formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pyhf
import pytest
from scipy.stats import norm

from pullfactory import BinnedLikelihood, Study, build_method, build_workspace, calibrate
from pullfactory.densities import family
from pullfactory.likelihoods import Likelihood
from pullfactory.methods import Method
from pullfactory.simulation.toys import ToyBlock, draw_toys

THETA = np.array([0.4, -0.7, 0.9])


def _study(**settings: object) -> Study:
    base = {
        "calibration.source": "exact",
        "ensemble.n_events": 300,
        "ensemble.dependence": "gaussian_copula",
    }
    return Study.preset("poster").with_settings(base | settings)


STUDIES = {
    "normal": _study(),
    "voigt": _study(**{"observable.m_W.density": "voigt", "observable.m_W.shape": {"gamma": 0.4}}),
    "poisson": _study(
        **{
            "observable.m_t.density": "bifurcated_normal",
            "observable.m_t.shape": {"sigma_ratio": 1.4},
            "ensemble.n_events_law": "poisson",
        }
    ),
}
CASES = [(name, method) for name in STUDIES for method in ("unbinned", "binned")]


@pytest.fixture(scope="module", params=CASES, ids=["-".join(case) for case in CASES])
def case(request: pytest.FixtureRequest) -> tuple[Method, ToyBlock]:
    study = STUDIES[request.param[0]]
    method = build_method(request.param[1], calibrate(study))
    return method, draw_toys(study, 0, 0.3)


def _first(method: Method, block: ToyBlock) -> object:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[0], method.observe(block).data)


def _order(likelihood: Likelihood) -> jax.Array:
    values = dict(zip(["m_t", "JSF", "JRF"], THETA, strict=True))
    return jnp.array([values[name] for name in likelihood.parameters])


def test_expansion_against_automatic_differentiation(case: tuple[Method, ToyBlock]) -> None:
    method, _ = case
    likelihood, data, theta = method.likelihood, _first(*case), _order(method.likelihood)
    expansion = jax.jit(likelihood.expansion)(theta, data)
    nll = float(expansion.nll + likelihood.constant(data))
    assert nll == pytest.approx(float(likelihood.nll(theta, data)), rel=1e-12)
    assert np.allclose(
        expansion.gradient, jax.jit(jax.grad(likelihood.nll))(theta, data), rtol=1e-8
    )
    exact = jax.jit(jax.hessian(likelihood.nll))(theta, data)
    assert np.allclose(jax.jit(likelihood.hessian)(theta, data), exact, rtol=1e-7, atol=1e-7)
    if method.name == "unbinned":
        assert np.allclose(expansion.curvature, exact, rtol=1e-7, atol=1e-7)
    assert np.linalg.eigvalsh(expansion.curvature)[0] > 0


def test_gradient_against_finite_differences(case: tuple[Method, ToyBlock]) -> None:
    """Central differences with step h err by h^2 f''' / 6, here below 1e-5 of the gradient."""
    method, _ = case
    likelihood, data, theta = method.likelihood, _first(*case), _order(method.likelihood)
    step = 1e-4
    numeric = [
        (likelihood.nll(theta + step * e, data) - likelihood.nll(theta - step * e, data))
        / (2 * step)
        for e in np.eye(3)
    ]
    assert np.allclose(likelihood.expansion(theta, data).gradient, numeric, rtol=1e-4, atol=1e-3)


def test_unbinned_is_the_product_of_densities() -> None:
    """Against scipy, event by event, with the response written out."""
    study = STUDIES["normal"]
    method = build_method("unbinned", calibrate(study))
    block = draw_toys(study, 0, 0.3)
    dm, js, jr = THETA
    mu = [
        171.8 * (1 + 0.0058 * dm) * (1 + 0.0046 * js) * (1 + 0.0005 * jr),
        83.3 * (1 + 0.0003 * dm) * (1 + 0.0053 * js) * (1 + 0.0016 * jr),
    ]
    sigma = [
        10.4 * (1 + 0.008 * dm) * (1 + 0.0095 * js) * (1 + 0.02 * jr),
        6.8 * (1 + 0.0074 * js) * (1 + 0.02 * jr),
    ]
    expected = -norm.logpdf(block.events[0], mu, sigma).sum() + 0.5 * (js**2 + jr**2)
    assert float(method.likelihood.nll(jnp.asarray(THETA), _first(method, block))) == pytest.approx(
        expected
    )


def test_padding_does_not_count() -> None:
    study = STUDIES["poisson"]
    method = build_method("unbinned", calibrate(study))
    block = draw_toys(study, 0, 0.3)
    assert block.event_weights is not None
    n = int(block.event_weights[0].sum())
    member = family("bifurcated_normal", {"sigma_ratio": 1.4})
    z = (block.events[0, :n, 0] - 171.8) / 10.4
    expected = -np.sum(np.asarray(member.log_density(jnp.asarray(z))) - np.log(10.4))
    expected -= norm.logpdf(block.events[0, :n, 1], 83.3, 6.8).sum()
    found = method.likelihood.nll(jnp.zeros(3), _first(method, block))
    assert float(found) == pytest.approx(expected)


def test_binned_is_minus_the_logpdf_of_pyhf() -> None:
    study = STUDIES["normal"]
    calibration = calibrate(study)
    model = pyhf.Workspace(build_workspace(calibration)).model()
    likelihood = BinnedLikelihood.from_pyhf(model)
    data = build_method("binned", calibration).observe(draw_toys(study, 0, 0.3)).data
    rng = np.random.default_rng(1)
    for row in data[:5]:
        theta = rng.normal(size=3)
        expected = -float(model.logpdf(theta, row)[0])
        assert float(likelihood.nll(jnp.asarray(theta), row)) == pytest.approx(expected, rel=1e-12)


def test_likelihoods_of_one_structure_share_their_program() -> None:
    """Another calibration changes numbers, not the compiled fit."""
    trees = []
    for seed in (1, 2):
        study = STUDIES["normal"].with_settings(
            {"calibration.source": "simulated", "calibration.events_per_point": 5000, "seed": seed}
        )
        method = build_method("binned", calibrate(study))
        trees.append(jax.tree.flatten(method.likelihood))
    assert hash(trees[0][1]) == hash(trees[1][1])
    assert str(trees[0][1]) == str(trees[1][1])
    assert any(
        not np.array_equal(one, two) for one, two in zip(trees[0][0], trees[1][0], strict=True)
    )


def test_backend_of_the_caller_is_kept() -> None:
    calibration = calibrate(STUDIES["normal"])
    before = pyhf.get_backend()
    build_method("binned", calibration)
    assert pyhf.get_backend() == before
