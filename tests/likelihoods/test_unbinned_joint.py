"""The Gaussian copula over the marginals: value, derivatives, and what is known of rho."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from pullfactory import (
    FitBatch,
    FitStatus,
    Study,
    build_method,
    calibrate,
    draw_toys,
    fit_minuit,
    fit_toys,
)
from pullfactory.errors import CalibrationError, LikelihoodError, StudyError
from pullfactory.likelihoods import JointLikelihood
from pullfactory.methods import Method
from pullfactory.simulation.toys import ToyBlock

METHODS = ("unbinned", "unbinned_joint")
THETA = np.array([0.4, -0.7, 0.9])
THIRD = {
    "name": "m_lb",
    "mu": 100.0,
    "sigma": 20.0,
    "mu_slopes": {"m_t": 0.006, "JSF": 0.003},
    "sigma_slopes": {"JRF": 0.01},
}
PATTERN = [[1.0, 1.0, 0.5], [1.0, 1.0, -0.4], [0.5, -0.4, 1.0]]


def study(**settings: object) -> Study:
    base = {
        "methods": ["unbinned_joint"],
        "calibration.source": "exact",
        "ensemble.n_events": 300,
        "ensemble.n_toys": 64,
        "ensemble.dependence": "gaussian_copula",
        "ensemble.rho": [-0.4, 0.5],
    }
    return Study.preset("poster").with_settings(base | settings)


NORMAL = study()
TWO_FAMILIES = {"observable.m_W.density": "voigt", "observable.m_W.shape": {"gamma": 0.4}}
CASES = {
    "normal": NORMAL,
    "three": Study.from_dict(
        NORMAL.to_dict()
        | {"observable": [*NORMAL.to_dict()["observable"], THIRD]}
        | {"ensemble": NORMAL.to_dict()["ensemble"] | {"correlation": PATTERN}}
    ),
    "families": study(
        **TWO_FAMILIES,
        **{
            "observable.m_t.density": "bifurcated_normal",
            "observable.m_t.shape": {"sigma_ratio": 1.4},
            "ensemble.n_events_law": "poisson",
        },
    ),
}


def fitted(one: Study) -> Study:
    return one.with_settings({"joint.correlation": "fitted"})


def first_toy(method: Method, block: ToyBlock) -> object:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[0], method.observe(block).data)


CHECKED = {"normal": True, "three": False, "families": True}  # with rho fitted or not


@pytest.fixture(scope="module", params=CHECKED)
def case(request: pytest.FixtureRequest) -> tuple[Method, jax.Array, object]:
    name, fits = request.param, CHECKED[request.param]
    one = fitted(CASES[name]) if fits else CASES[name]
    method = build_method("unbinned_joint", calibrate(one), 0.5)
    theta = jnp.asarray([*THETA, 0.3] if fits else THETA)
    return method, theta, first_toy(method, draw_toys(one, 0, 0.5))


def test_expansion_against_finite_differences(case: tuple[Method, jax.Array, object]) -> None:
    """Central differences with step h are off by h^2 / 6 third derivatives, below 1e-6 here."""
    method, theta, data = case
    expand = jax.jit(method.likelihood.expansion)
    here, step = expand(theta, data), 1e-4
    assert here.nll == pytest.approx(float(jax.jit(method.likelihood.nll)(theta, data)), rel=1e-12)
    pairs = [
        (expand(theta + step * e, data), expand(theta - step * e, data)) for e in np.eye(len(theta))
    ]
    gradient = [(above.nll - below.nll) / (2 * step) for above, below in pairs]
    curvature = [(above.gradient - below.gradient) / (2 * step) for above, below in pairs]
    assert np.allclose(here.gradient, gradient, rtol=1e-5, atol=1e-4)
    assert np.allclose(here.curvature, curvature, rtol=1e-5, atol=1e-4)


def test_value_is_that_of_the_multivariate_normal() -> None:
    """Against scipy, for known rho and for the parameter rho."""
    block = draw_toys(NORMAL, 0, 0.5)
    dm, js, jr = THETA
    mu = np.array(
        [
            171.8 * (1 + 0.0058 * dm) * (1 + 0.0046 * js) * (1 + 0.0005 * jr),
            83.3 * (1 + 0.0003 * dm) * (1 + 0.0053 * js) * (1 + 0.0016 * jr),
        ]
    )
    sigma = np.array(
        [
            10.4 * (1 + 0.008 * dm) * (1 + 0.0095 * js) * (1 + 0.02 * jr),
            6.8 * (1 + 0.0074 * js) * (1 + 0.02 * jr),
        ]
    )
    for one, rho, theta in ((NORMAL, 0.5, THETA), (fitted(NORMAL), -0.4, [*THETA, -0.4])):
        covariance = np.outer(sigma, sigma) * [[1, rho], [rho, 1]]
        expected = -multivariate_normal(mu, covariance).logpdf(block.events[0]).sum()
        method = build_method("unbinned_joint", calibrate(one), rho)
        found = jax.jit(method.likelihood.nll)(jnp.asarray(theta), first_toy(method, block))
        assert float(found) == pytest.approx(expected + 0.5 * (js**2 + jr**2), rel=1e-12)


def test_sufficient_statistics_are_those_of_the_events() -> None:
    """A Crystal Ball with tails far out is a Gaussian that does not know it."""
    shape = {"alpha_low": 8.0, "n_low": 5.0, "alpha_high": 8.0, "n_high": 5.0}
    almost = study(**{"observable.m_W.density": "crystal_ball", "observable.m_W.shape": shape})
    block = draw_toys(NORMAL, 0, 0.5)
    exact, found = (
        jax.jit(method.likelihood.nll)(jnp.asarray(THETA), first_toy(method, block))
        for method in (build_method(METHODS[1], calibrate(one), 0.5) for one in (NORMAL, almost))
    )
    assert found == pytest.approx(float(exact), rel=1e-12)


def test_copula_of_any_density_is_that_of_its_scores() -> None:
    """At theta = 0 the scores are the normals that the events are made of."""
    one = study(**TWO_FAMILIES)
    normals = np.random.default_rng(1).normal(size=(2, 1, 100))
    events = [
        observable.mu + observable.sigma * observable.family.from_normal(row)
        for observable, row in zip(one.observable, normals, strict=True)
    ]
    block = replace(draw_toys(one, 0, 0.5), events=np.stack(events, axis=-1), event_weights=None)
    product, joint = (
        jax.jit(method.likelihood.nll)(jnp.zeros(3), first_toy(method, block))
        for method in (build_method(name, calibrate(one), 0.5) for name in METHODS)
    )
    copula = multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]]).logpdf(normals[:, 0].T).sum()
    assert float(product - joint) == pytest.approx(copula - norm.logpdf(normals).sum(), rel=1e-8)


def test_fits_agree_with_minuit() -> None:
    one = fitted(NORMAL)
    method = build_method("unbinned_joint", calibrate(one), 0.5)
    data = method.observe(draw_toys(one, 0, 0.5)).data
    found = fit_toys(method.likelihood, data, recover=False)
    assert set(found.status) == {FitStatus.CONVERGED}
    for toy in range(3):
        alone = jax.tree.map(lambda leaf, toy=toy: jnp.asarray(leaf)[toy], data)
        other = fit_minuit(method.likelihood, alone)
        errors = np.sqrt(np.diag(other.covariance))
        assert np.all(np.abs(found.estimate[toy] - other.estimate) < 0.01 * errors)
        assert np.allclose(found.error[toy], errors, rtol=0.01)


def fit(one: Study, rho: float) -> FitBatch:
    method = build_method("unbinned_joint", calibrate(one), rho)
    return fit_toys(method.likelihood, method.observe(draw_toys(one, 0, rho)).data)


def test_fitted_correlation_is_found() -> None:
    """Errors of rho are (1 - rho^2) / sqrt(events); allow four of those of the mean.

    And not knowing rho costs: it tells of the scales, and so of JRF.
    """
    for rho in (-0.4, 0.5):
        batch = fit(fitted(NORMAL), rho)
        found = batch.select(("rho",))
        error = (1 - rho**2) / np.sqrt(300)
        assert abs(found.estimate.mean() - rho) < 4 * error / np.sqrt(len(found.estimate))
        assert np.median(found.error) == pytest.approx(error, rel=0.1)
    known, unknown = (np.median(one.select(("JRF",)).error) for one in (fit(NORMAL, rho), batch))
    assert 1.02 * known < unknown < 1.5 * known


def test_correlations_of_the_scan_share_their_program() -> None:
    calibration = calibrate(NORMAL)
    structures = {
        jax.tree.structure(build_method("unbinned_joint", calibration, rho).likelihood)
        for rho in (-0.4, 0.5)
    }
    assert len(structures) == 1


def test_correlation_is_that_of_the_calibration_samples() -> None:
    """Known to (1 - rho^2) / sqrt(events): allow four of these."""
    one = study(**{"calibration.source": "simulated", "calibration.events_per_point": 20_000})
    calibration = calibrate(one)
    likelihood = build_method("unbinned_joint", calibration, 0.5).likelihood
    assert isinstance(likelihood, JointLikelihood)
    found = np.sqrt(1 - np.prod(1 + np.asarray(likelihood.copula.values)))
    assert found == pytest.approx(0.5, abs=4 * 0.75 / np.sqrt(20_000))
    given = one.with_settings({"joint.correlation": "given"})
    assert not calibrate(given).joint
    build_method("unbinned_joint", calibrate(given), 0.25)
    with pytest.raises(CalibrationError, match=r"no calibration samples with rho = 0\.25"):
        build_method("unbinned_joint", calibration, 0.25)


def test_needs_a_rho() -> None:
    with pytest.raises(LikelihoodError, match="give a rho"):
        build_method("unbinned_joint", calibrate(NORMAL))
    with pytest.raises(LikelihoodError, match="unknown; use one of unbinned, binned"):
        build_method("nonsense", calibrate(NORMAL))


def test_nothing_to_fit_is_refused() -> None:
    with pytest.raises(StudyError, match="nothing to fit"):
        fitted(study(**{"ensemble.correlation": [[1.0, 0.0], [0.0, 1.0]]}))


@pytest.mark.parametrize("case", ["three", "families"])
@pytest.mark.parametrize("fits_correlation", [False, True])
@pytest.mark.slow
def test_scores_of_events_add_up_to_the_gradient(case: str, fits_correlation: bool) -> None:
    """The gradient of the NLL without its constraints is minus the sum of the scores."""
    one = fitted(CASES[case]) if fits_correlation else CASES[case]
    method = build_method("unbinned_joint", calibrate(one), 0.5)
    likelihood = method.likelihood
    assert isinstance(likelihood, JointLikelihood)
    block = draw_toys(one, 0, 0.5)
    seen = method.observe(block)
    theta = jnp.asarray(np.pad(THETA, (0, int(fits_correlation)), constant_values=0.3))
    gradient = likelihood.expansion(theta, jax.tree.map(lambda leaf: leaf[0], seen.data)).gradient
    pull = np.where(one.constrained, THETA, 0.0)
    pull[one.constrained] -= block.aux[0]
    expected = np.asarray(gradient) - np.pad(pull, (0, int(fits_correlation)))
    events, weights, _ = jax.tree.map(lambda leaf: leaf[0], seen.pairs)
    scores = np.asarray(likelihood.scores(theta, jnp.stack(events, axis=-1)))
    used = scores if weights is None else scores * weights
    assert np.allclose(-used.sum(axis=1), expected, rtol=1e-7, atol=1e-7)
    found = method.scatter(np.tile(np.asarray(theta), (len(block.events), 1)), seen.pairs)[0]
    assert np.allclose(found, used @ scores.T, rtol=1e-9)
