"""Intervals from the likelihood ratio: against closed forms, scalar roots, MINOS and quadratics."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyhf
import pytest
from iminuit import Minuit
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

import pullfactory as pf
from pullfactory import Method, Study, build_method, calibrate, event_intervals, fit_toys, intervals
from pullfactory.errors import LikelihoodError
from pullfactory.fitting.holding import HeldLikelihood
from pullfactory.fitting.profile import profile
from pullfactory.fitting.tested import with_ratios
from pullfactory.likelihoods import BinnedLikelihood, Likelihood, Observation
from pullfactory.simulation.toys import ToyBlock, draw_toys

POSTER = Study.preset("poster").with_settings({"calibration.source": "exact"})
TOYS = 64  # one shape to compile for
ENDS = 2e-6  # standard deviations: the search ends within half of that


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Lifetime(Likelihood):
    """Exponential decay times, two for each event; data: their sum and number."""

    limits: NDArray[np.float64] = field(default_factory=lambda: np.array([[0.01, 50.0]]))

    @property
    def parameters(self) -> tuple[str, ...]:
        return ("tau",)

    @property
    def start(self) -> NDArray[np.float64]:
        return np.ones(1)

    @property
    def bounds(self) -> NDArray[np.float64]:
        return self.limits

    def nll(self, theta: jax.Array, data: Any) -> jax.Array:
        total, number = data
        return jnp.asarray(number * jnp.log(theta[0]) + total / theta[0])


def lifetime_method(highest: float = 50.0) -> Method:
    """As anyone may write one: the product of two densities of one lifetime."""

    def observe(block: ToyBlock) -> Observation:
        times = block.events
        return Observation((times.sum(axis=(1, 2)), np.full(len(times), times[0].size)), times)

    def scatter(theta: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
        score = (times / theta[:, :1, None] - 1).sum(axis=2) / theta[:, :1]
        return np.asarray((score**2).sum(axis=1)[:, None, None])

    return Method(
        name="lifetime",
        likelihood=Lifetime(np.array([[0.01, highest]])),
        observe=observe,
        scatter=scatter,
        expect=lambda _: None,
        aux_scatter=np.zeros((1, 1)),
    )


def decays(toys: int, events: int, rho: float = 0.7, seed: int = 2) -> ToyBlock:
    """Two exponential times for each event, of mean 1, with a Gaussian copula."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((toys, events, 2))
    z[..., 1] = rho * z[..., 0] + np.sqrt(1 - rho**2) * z[..., 1]
    return ToyBlock(
        theta_true=np.ones((toys, 1)),
        aux=np.zeros((toys, 0)),
        events=-norm.logsf(z),
        event_weights=None,
    )


def signed(times: NDArray[np.float64], tau: float, *, corrected: bool) -> float:
    """The signed root of the ratio of one toy, written out."""
    n, best = times.size, times.mean()
    ratio = 2 * n * (np.log(tau / best) + best / tau - 1)
    score = (times / tau - 1).sum(axis=1) / tau
    information = n / tau**2 * (2 * best / tau - 1)
    scale = (score**2).sum() / information if corrected else 1.0
    return float(np.sign(tau - best) * np.sqrt(max(ratio, 0.0) / scale))


def test_ends_are_those_of_a_scalar_root_finder() -> None:
    block = decays(TOYS, 400)
    found = event_intervals(lifetime_method(), block)
    assert found.parameters == ("tau",)
    assert found.corrected is not None
    for ends, corrected in ((found.plain, False), (found.corrected, True)):
        for times, rows in zip(block.events[:8], ends[:8, 0], strict=True):
            best = times.mean()
            distance = partial(signed, times, corrected=corrected)
            for sigma, (low, high) in zip((1.0, 2.0), rows, strict=True):
                away = brentq(lambda tau, d=distance, s=sigma: d(tau) + s, best / 3, best)
                assert low == pytest.approx(away, abs=ENDS * best / np.sqrt(times.size))
                away = brentq(lambda tau, d=distance, s=sigma: d(tau) - s, best, best * 1.6)
                assert high == pytest.approx(away, abs=ENDS * best / np.sqrt(times.size))


def test_at_plain_ends_minuit_finds_the_ratio() -> None:
    study = POSTER.with_settings({"ensemble.n_events": 200})
    method = build_method("unbinned", calibrate(study))
    block = draw_toys(study, 0, 0.5)
    found = event_intervals(method, block)
    one = jax.tree.map(lambda leaf: leaf[0], method.observe(block).data)
    value = jax.jit(partial(method.likelihood.nll, data=one))
    for k, name in enumerate(found.parameters):
        minuit = Minuit(value, np.array(found.estimate[0]), name=found.parameters)
        minuit.errordef, minuit.tol, minuit.strategy = Minuit.LIKELIHOOD, 1e-4, 2
        lowest = minuit.migrad().fval
        for s, sigma in enumerate((1.0, 2.0)):
            for end in found.plain[0, k, s]:
                minuit.fixed[name], minuit.values[name] = True, end
                assert 2 * (minuit.migrad().fval - lowest) == pytest.approx(sigma**2, abs=1e-4)


def test_symmetric_errors_are_the_limit_of_many_events() -> None:
    """Ends are off by a skewness of 1 / sqrt(n), which is odd: their distance by 1 / n.

    The scatter of 10 000 scores moves by less than it is known to, a per cent, within an error.
    """
    block = decays(TOYS, 10_000)
    found = event_intervals(lifetime_method(), block)
    fits = pf.fit_events(lifetime_method(), block)
    assert found.corrected is not None
    for ends, error in ((found.plain, fits.error), (found.corrected, fits.corrected_error)):
        width = (ends[..., 1] - ends[..., 0]) / 2
        np.testing.assert_allclose(width[:, 0, 0], error[:, 0], rtol=4e-3)
        np.testing.assert_allclose(width[:, 0, 1], 2 * error[:, 0], rtol=4e-3)
        skewed = np.abs(ends.mean(axis=-1)[:, 0, 0] - fits.estimate[:, 0]) / error[:, 0]
        assert np.all(skewed < 5 / np.sqrt(block.events[0].size))
    assert found.scale is not None
    np.testing.assert_allclose(found.scale, (fits.corrected_error / fits.error) ** 2, rtol=1e-9)


def test_intervals_have_the_truth_where_its_ratio_is_small() -> None:
    method, block = lifetime_method(), decays(TOYS, 50)
    fits = with_ratios(
        method, block, pf.fit_events(method, block), ["tau"], ["tau"], corrected=True
    )
    found = event_intervals(method, block)
    assert fits.ratios is not None
    for ratios, ends in zip(fits.ratios, (found.plain, found.corrected), strict=True):
        assert ends is not None
        for s, sigma in enumerate((1.0, 2.0)):
            inside = (ends[:, 0, s, 0] < 1) & (ends[:, 0, s, 1] > 1)
            np.testing.assert_array_equal(inside, ratios[:, 0] < sigma**2)
            assert 0 < inside.sum() < TOYS


def test_an_end_beyond_a_bound_is_at_the_bound() -> None:
    block = decays(TOYS, 40)
    found = event_intervals(lifetime_method(highest=1.1), block)
    for times, ends in zip(block.events, found.plain[:, 0], strict=True):
        if times.mean() < 1.1:
            reached = signed(times, 1.1, corrected=False) < np.array([1.0, 2.0])
            np.testing.assert_array_equal(ends[:, 1] == 1.1, reached)
        assert np.all(ends[:, 0] < 1.1)
    assert 0 < np.sum(found.plain[:, 0, 0, 1] == 1.1) < TOYS


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ("tau", r"parameters = 'tau' is no list; give \['tau'\]"),
        (["mass"], "'mass' is no parameter of the fit; use one of tau"),
    ],
)
def test_what_is_no_parameter_is_refused(parameters: Any, complaint: str) -> None:
    with pytest.raises(LikelihoodError, match=complaint):
        event_intervals(lifetime_method(), decays(TOYS, 40), parameters=parameters)


def test_few_events_need_simulated_ones() -> None:
    method, block = lifetime_method(), decays(TOYS, 12)
    with pytest.raises(LikelihoodError, match=r"12 events a toy are too few .* give simulated="):
        event_intervals(method, block)
    found = event_intervals(method, block, simulated=decays(2000, 12, seed=3))
    assert found.simulated
    assert found.scale is not None
    times = decays(2000, 12, seed=4).events.reshape(-1, 2)
    correlation = np.mean((times[:, 0] - 1) * (times[:, 1] - 1))
    # lambda = 1 + correlation; that of 24000 squares of sums of exponentials is known to 2 %
    np.testing.assert_allclose(found.scale, 1 + correlation, rtol=0.06)
    assert found.corrected is not None
    lowered, plain = (ends[:, 0, 0, 0] for ends in (found.corrected, found.plain))
    assert np.all(lowered < plain)


@pytest.fixture(scope="module")
def binned(small: pyhf.Workspace) -> BinnedLikelihood:
    return BinnedLikelihood.from_pyhf(small)


def test_held_values_are_those_of_fix(binned: BinnedLikelihood) -> None:
    """Each toy has its own; what is none is not tested."""
    data = np.repeat(binned.observed[None], 3, axis=0)
    fits = fit_toys(binned, data)
    k = binned.parameters.index("mu")
    there = profile(binned, data, fits, k, np.array([1.7, np.nan, 1e9]))
    fixed = fit_toys(binned.fix({"mu": 1.7}), data)
    assert there.estimate[0, k] == 1.7
    assert there.ratio[0] == pytest.approx(2 * (fixed.nll[0] - fits.nll[0]), abs=1e-8)
    assert there.ratio[0] > 0
    assert np.isnan(there.ratio[1:]).all()
    with pytest.raises(LikelihoodError, match="'mu' is fixed and has no interval"):
        intervals(binned.fix({"mu": 1.0}), data, parameters=["mu"])


def test_a_held_parameter_is_not_looked_at_on_the_other_side(binned: BinnedLikelihood) -> None:
    folded = replace(binned, one_sided=np.ones(len(binned.parameters), dtype=bool))
    held = np.arange(len(binned.parameters)) == 0
    holding = HeldLikelihood(inner=folded, held=held)
    assert 0 in folded.folded
    assert holding.folded == folded.folded[1:]


# --- coverage --------------------------------------------------------------------------------


def near(part: float | None, nominal: float, toys: int, tolerance: float = 0.01) -> bool:
    """Within a tolerance and three standard errors."""
    assert part is not None
    return bool(abs(part - nominal) < tolerance + 3 * np.sqrt(nominal * (1 - nominal) / toys))


@pytest.mark.slow
def test_corrected_intervals_cover_what_the_product_does_not() -> None:
    study = POSTER.with_settings({"ensemble.rho": [-0.6, 0.9], "ensemble.n_toys": 4000})
    result = pf.run(study, methods=["unbinned"], intervals=["m_t"])
    plain = {-0.6: (0.581, 0.896), 0.9: (0.968, 1.0)}
    for row in result.coverage:
        assert row.n_failed == 0
        assert near(row.corrected_coverage_68, 0.6827, 4000), row
        assert near(row.corrected_coverage_95, 0.9545, 4000), row
        one, two = plain[row.rho]
        assert near(row.coverage_68, one, 4000), row
        assert near(row.coverage_95, two, 4000), row


def misses(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """Parts of the toys whose interval is below and above the truth, 1."""
    return np.array([np.mean(high < 1), np.mean(low > 1)])


@pytest.mark.slow
def test_a_lifetime_is_missed_more_evenly() -> None:
    """30 events: symmetric intervals miss 0.210 and 0.133, those of the ratio 0.185 and 0.157."""
    toys, method = 20_000, lifetime_method()
    block = decays(toys, 30)
    fits = pf.fit_events(method, block)
    found = event_intervals(method, block, sigmas=[1.0])
    symmetric = misses(*(fits.estimate + s * fits.corrected_error for s in (-1, 1)))
    assert found.corrected is not None
    ratio = misses(*found.corrected[:, 0, 0].T)
    for parts, known in ((symmetric, (0.210, 0.133)), (ratio, (0.185, 0.157))):
        for part, one in zip(parts, known, strict=True):
            assert near(part, one, toys), (symmetric, ratio)
    assert np.ptp(ratio) < np.ptp(symmetric) / 2
    assert near(1 - ratio.sum(), 0.6827, toys, tolerance=0.02)


@pytest.mark.slow
def test_ten_events_are_covered_with_a_simulated_lambda() -> None:
    toys, method = 20_000, lifetime_method()
    found = event_intervals(method, decays(toys, 10), simulated=decays(20_000, 10, seed=5))
    assert found.corrected is not None
    for s, nominal in enumerate((0.6827, 0.9545)):
        ends = found.corrected[:, 0, s]
        assert near(1 - misses(*ends.T).sum(), nominal, toys), s
