"""The spline density against quadrature and finite differences, and its fit against the truth."""

import itertools
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, special, stats

from pullfactory._jax import jax, jnp
from pullfactory.calibration.moments import fit_location_scale
from pullfactory.densities import FAMILIES, Spline
from pullfactory.densities.fitting import FittedDensity, fit_spline
from pullfactory.errors import CalibrationError, StudyError

FloatArray = NDArray[np.float64]

EPSILON = float(np.finfo(np.float64).eps)


def through(density: Callable[[FloatArray], FloatArray], knots: FloatArray) -> Spline:
    return Spline(knots=tuple(knots.tolist()), values=tuple(np.log(density(knots)).tolist()))


MEMBERS: dict[str, Spline] = {
    "normal": through(stats.norm.pdf, np.linspace(-4.0, 4.0, 15)),
    "skew": through(partial(stats.gamma.pdf, a=4.0, loc=-3.0), np.geomspace(0.2, 14.0, 18) - 3.0),
    "heavy": through(stats.cauchy.pdf, np.sinh(np.linspace(-7.0, 7.0, 41))),
    "two peaks": through(
        lambda u: 0.6 * stats.norm.pdf(u, -2.0, 0.6) + 0.4 * stats.norm.pdf(u, 2.5, 1.0),
        np.linspace(-4.5, 6.0, 22),
    ),
    "three knots": Spline(knots=(-1.0, 0.5, 1.0), values=(3.0, 5.0, 1.0)),
}
each_member = pytest.mark.parametrize("member", MEMBERS.values(), ids=MEMBERS)


def probability(member: Spline, low: float, high: float) -> float:
    """Integral of the density, interval by interval."""
    compiled = jax.jit(member.log_density)
    edges = [low, *(knot for knot in member.knots if low < knot < high), high]
    pieces = [
        integrate.quad(
            lambda u: math.exp(float(compiled(u))), a, b, epsabs=1e-14, epsrel=1e-12, limit=200
        )[0]
        for a, b in itertools.pairwise(edges)
    ]
    return float(sum(pieces))


@each_member
def test_normalised(member: Spline) -> None:
    assert abs(probability(member, -math.inf, math.inf) - 1.0) < 1e-12


@each_member
def test_cdf_is_the_integral(member: Spline) -> None:
    for u in (member.knots[0] - 0.7, member.knots[1], 0.3, 0.9, member.knots[-1] + 0.4):
        assert abs(float(member.cdf(np.array(u))) - probability(member, -math.inf, u)) < 1e-12


@each_member
def test_values_are_those_at_the_knots(member: Spline) -> None:
    at = np.asarray(member.log_density(jnp.asarray(member.knots)))
    np.testing.assert_allclose(np.diff(at), np.diff(member.values), atol=1e-12)


@each_member
def test_to_normal_is_the_inverse_of_from_normal(member: Spline) -> None:
    z = np.concatenate([[-36.9], np.linspace(-8.0, 8.0, 2001), [20.0, 36.9]])
    u = member.from_normal(z)
    assert np.all(np.diff(u) > 0.0)
    log_slope = np.asarray(member.log_density(jnp.asarray(u))) - stats.norm.logpdf(z)
    tolerance = 1e-10 * (1.0 + np.abs(u)) * np.exp(log_slope) + 64 * EPSILON * (1 + np.abs(z))
    np.testing.assert_array_less(np.abs(jax.jit(member.to_normal)(jnp.asarray(u)) - z), tolerance)
    below = z < 0.0
    np.testing.assert_allclose(member.cdf(u)[below], special.ndtr(z[below]), rtol=1e-8)
    tail, above = (np.asarray(part) for part in member.tail(jnp.asarray(u)))
    np.testing.assert_allclose(tail[above], special.ndtr(-z[above]), rtol=1e-8)
    np.testing.assert_allclose(tail[~above], special.ndtr(z[~above]), rtol=1e-8)


@each_member
def test_derivatives_are_finite_differences(member: Spline) -> None:
    step = 1e-4
    inner = np.asarray(member.knots[:-1]) + 0.4 * np.diff(member.knots)
    u = np.array([member.knots[0] - 1.0, *inner, member.knots[-1] + 1.0])
    derivatives = jax.jit(member.derivatives)
    up, at, down = (
        np.asarray(derivatives(jnp.asarray(u + shift * step))) for shift in (1.0, 0.0, -1.0)
    )
    third = np.max(np.abs(np.diff(at[2]))) / np.min(np.diff(member.knots)) * 4.0
    tolerance = third * step**2 + 64 * EPSILON * (1 + np.abs(at[:2])) * (1 + np.abs(u)) / step
    assert np.all(np.abs((up - down)[:2] / (2 * step) - at[1:]) < tolerance)


@each_member
def test_automatic_differentiation_gives_the_derivatives(member: Spline) -> None:
    u = jnp.asarray([-50.0, *np.linspace(-5.0, 5.0, 41), *member.knots, 80.0])
    value, slope, curvature = jax.jit(member.derivatives)(u)
    assert value.dtype == jnp.float64
    np.testing.assert_array_equal(jax.jit(member.log_density)(u), value)
    first = jax.grad(member.log_density)
    np.testing.assert_allclose(jax.jit(jax.vmap(first))(u), slope, rtol=1e-12, atol=1e-12)
    second = jax.jit(jax.vmap(jax.grad(first)))(u)
    np.testing.assert_allclose(second, curvature, rtol=1e-12, atol=1e-11)


@each_member
def test_twice_continuous_at_the_knots(member: Spline) -> None:
    knots = np.asarray(member.knots)
    gap = 1e-9 * (1.0 + np.abs(knots))
    below, above = (np.asarray(member.derivatives(jnp.asarray(knots + s * gap))) for s in (-1, 1))
    size = np.max(np.abs([below, above]), axis=(0, 2), keepdims=True)[0]
    assert np.all(np.abs(above - below) < 1e-6 * (1.0 + size))


@each_member
def test_mean_and_standard_deviation_are_integrals(member: Spline) -> None:
    low, high = member.from_normal(np.array([-8.0, 8.0]))
    u, step = np.linspace(low, high, 400_001, retstep=True)
    density = np.exp(np.asarray(member.log_density(jnp.asarray(u))))
    mean = step * np.sum(u * density)
    std = math.sqrt(step * np.sum((u - mean) ** 2 * density))
    assert abs(member.mean - mean) < 1e-6 * std
    assert abs(member.std / std - 1.0) < 1e-6


@each_member
def test_shapes_are_kept(member: Spline) -> None:
    rng = np.random.default_rng(5)
    for shape in [(), (0,), (2, 3)]:
        u = member.sample(rng, shape)
        assert np.shape(u) == np.shape(member.cdf(u)) == shape
        assert all(d.shape == shape for d in member.derivatives(jnp.asarray(u)))


@each_member
def test_samples_follow_the_distribution(member: Spline) -> None:
    u = member.sample(np.random.default_rng(20240912), 20_000)
    assert stats.kstest(u, member.cdf).pvalue > 1e-3


def test_static_argument_but_no_family_of_a_study() -> None:
    member = MEMBERS["normal"]
    same = Spline(knots=member.knots, values=member.values)
    assert same == member
    assert hash(same) == hash(member)
    assert member != MEMBERS["skew"]
    assert not member.sufficient
    assert Spline.name not in FAMILIES


@pytest.mark.parametrize(
    ("knots", "values", "message"),
    [
        ((0.0, 1.0), (0.0, 1.0), "density 'spline': 2 knots and 2 values; give"),
        ((0.0, 1.0, 2.0), (0.0, 1.0), "density 'spline': 3 knots and 2 values; give"),
        ((0.0, 1.0, math.inf), (0.0, 1.0, 0.0), "density 'spline': knots[2] = inf must be"),
        ((0.0, 1.0, 2.0), (0.0, math.nan, 0.0), "density 'spline': values[1] = nan must be"),
        ((0.0, 1.0, 1.0), (0.0, 1.0, 0.0), "density 'spline': knots[2] = 1.0 must be greater"),
        ((0.0, 1.0, 2.0), (0.0, 1.0, 3.0), "density 'spline': the slope of the log density above"),
        ((0.0, 1.0, 2.0), (3.0, 1.0, 0.0), "density 'spline': the slope of the log density below"),
    ],
)
def test_bad_splines_are_refused(
    knots: tuple[float, ...], values: tuple[float, ...], message: str
) -> None:
    with pytest.raises(StudyError) as caught:
        Spline(knots=knots, values=values)
    assert str(caught.value).startswith(message)


class Mixture:
    """Sum of distributions of scipy."""

    def __init__(self, *parts: tuple[float, object]) -> None:
        self.shares = np.array([share for share, _ in parts])
        self.parts = [part for _, part in parts]

    def _sum(self, method: str, x: FloatArray) -> FloatArray:
        terms = [getattr(part, method)(x) for part in self.parts]
        return np.asarray(np.tensordot(self.shares, terms, 1))

    def pdf(self, x: FloatArray) -> FloatArray:
        return self._sum("pdf", x)

    def cdf(self, x: FloatArray) -> FloatArray:
        return self._sum("cdf", x)

    def rvs(self, size: int, rng: np.random.Generator) -> FloatArray:
        counts = rng.multinomial(size, self.shares)
        drawn = [p.rvs(n, random_state=rng) for p, n in zip(self.parts, counts, strict=True)]  # type: ignore[attr-defined]
        return np.concatenate(drawn)


TRUTHS: dict[str, Mixture] = {
    "normal": Mixture((1.0, stats.norm(172.0, 15.0))),
    "skew": Mixture((1.0, stats.gamma(4.0, scale=10.0))),
    "peak on a tail": Mixture((0.15, stats.cauchy(91.2, 1.25)), (0.85, stats.gamma(6, scale=20.0))),
    "two normals": Mixture((0.6, stats.norm(0.0, 1.0)), (0.4, stats.norm(4.0, 1.5))),
}


def log_density(fit: FittedDensity, x: FloatArray) -> FloatArray:
    u = jnp.asarray((x - fit.mu) / fit.sigma)
    return np.asarray(fit.member.log_density(u)) - math.log(fit.sigma)


def distance(truth: Mixture, fit: FittedDensity) -> float:
    """Kullback-Leibler distance of the fit between its outermost knots.

    The integrand p log(p / q) - p + q is not negative anywhere, and its integral over all x is
    the distance.
    """
    knots = np.asarray(fit.member.knots)
    x = fit.mu + fit.sigma * (knots[:-1] + np.linspace(0.0, 1.0, 401)[:, None] * np.diff(knots))
    p, q = truth.pdf(x), np.exp(log_density(fit, x))
    integrand = p * np.log(p / q) - p + q
    return float(np.sum(integrate.simpson(integrand, x=x, axis=0)))


@pytest.mark.parametrize("events", [2_000, 1_000_000])
@pytest.mark.parametrize("name", TRUTHS)
def test_fit_is_as_close_as_its_number_of_knots_allows(name: str, events: int) -> None:
    """Of p free values, 2 n KL is chi-square with p degrees of freedom, mean p, if they suffice.

    The spline's own error adds about as much as the criterion charges for the knots that it did
    not take, 1.5 each. Twice the number of knots is four times the mean.
    """
    truth = TRUTHS[name]
    values = truth.rvs(events, np.random.default_rng(events))
    fit = fit_spline(values)
    assert events * distance(truth, fit) < 2.0 * len(fit.member.knots)
    # 1.95 is exceeded in one of a thousand samples by the empirical distribution itself.
    difference = truth.cdf(values) - fit.member.cdf((values - fit.mu) / fit.sigma)
    assert math.sqrt(events) * np.max(np.abs(difference)) < 1.95


def test_distance_to_a_spline_is_chi_square() -> None:
    """The mean of 2 n KL over 100 samples of a spline with the knots of the fit."""
    events = 4000
    truth = fit_spline(np.random.default_rng(100).gamma(4.0, size=events), n_knots=7).member
    low, high = truth.from_normal(np.array([-7.0, 7.0]))
    u, step = np.linspace(low, high, 20_001, retstep=True)
    p = np.asarray(truth.log_density(jnp.asarray(u)))
    distances, numbers = [], []
    for seed in range(100):
        fit = fit_spline(truth.sample(np.random.default_rng(seed), events), n_knots=7)
        q = log_density(fit, u)
        integrand = np.exp(p) * (p - q) - np.exp(p) + np.exp(q)
        distances.append(2.0 * events * step * float(np.sum(integrand)))
        numbers.append(len(fit.member.knots) - 1.0)
    assert np.mean(numbers) == 6.0
    # The error of the mean is sqrt(2 * 6 / 100) = 0.35; the spline's own error adds to it.
    assert 6.0 - 4 * 0.35 < np.mean(distances) < 6.0 + 8 * 0.35


def test_location_and_scale_of_a_normal() -> None:
    values = np.random.default_rng(1).normal(172.0, 15.0, 100_000)
    fit = fit_spline(values)
    assert abs(fit.mu - 172.0) < 4 * 1.2533 * 15.0 / math.sqrt(1e5)
    assert abs(fit.sigma / 15.0 - 1.0) < 0.02
    mean, std = fit.mu + fit.sigma * fit.member.mean, fit.sigma * fit.member.std
    # Mean and, nearly, square are among the functions whose sample means the fit reproduces.
    assert abs(mean - values.mean()) < 1e-6 * 15.0
    assert abs(std / values.std() - 1.0) < 1e-3


def test_maximum_likelihood_location_and_scale_are_those_of_the_standardisation() -> None:
    values = np.random.default_rng(8).gamma(4.0, 10.0, 20_000)
    fit = fit_spline(values)
    found = fit_location_scale(fit.member, values)
    # Their errors are above sigma / sqrt(2 n) for a density as round as this one.
    assert np.all(np.abs(found - [fit.mu, fit.sigma]) < 0.5 * fit.sigma / math.sqrt(2 * 20_000))


def test_weighted_sample_is_one_of_the_reweighted_density() -> None:
    """Events of one normal, weighted to another: their effective number sets the distance."""
    values = np.random.default_rng(2).normal(0.0, 1.5, 60_000)
    weights = stats.norm.pdf(values, 0.5, 1.0) / stats.norm.pdf(values, 0.0, 1.5)
    events = weights.sum() ** 2 / np.sum(weights**2)
    fit = fit_spline(values, weights)
    truth = Mixture((1.0, stats.norm(0.5, 1.0)))
    # The weights differ between regions, so that n KL is not exactly the chi-square's.
    assert events * distance(truth, fit) < 3.0 * len(fit.member.knots)


def test_only_relative_weights_matter() -> None:
    rng = np.random.default_rng(3)
    values, weights = rng.gamma(4.0, size=5000), rng.uniform(0.5, 1.5, size=5000)
    once = fit_spline(values, weights)
    assert fit_spline(values, weights) == once
    assert fit_spline(values, 2.0 * weights) == once
    assert fit_spline(values, np.ones(5000)) == fit_spline(values)
    order = rng.permutation(5000)
    shuffled = fit_spline(values[order], weights[order])
    np.testing.assert_allclose(shuffled.member.values, once.member.values, rtol=1e-6)


def test_whole_weights_are_repeated_values() -> None:
    rng = np.random.default_rng(4)
    values, counts = rng.gamma(4.0, size=5000), rng.integers(1, 3, 5000)
    weighted = fit_spline(values, counts.astype(np.float64), n_knots=9)
    repeated = fit_spline(np.repeat(values, counts), n_knots=9)
    assert (weighted.mu, weighted.sigma) == (repeated.mu, repeated.sigma)
    x = np.linspace(1.0, 9.0, 50)
    # The effective numbers differ, and with them the outermost knots.
    np.testing.assert_allclose(log_density(weighted, x), log_density(repeated, x), atol=0.05)


def test_unit_of_the_values_does_not_matter() -> None:
    values = np.random.default_rng(5).gamma(4.0, size=5000)
    fit, scaled = fit_spline(values), fit_spline(1024.0 * values)
    assert scaled.member == fit.member
    assert (scaled.mu, scaled.sigma) == (1024.0 * fit.mu, 1024.0 * fit.sigma)


@pytest.mark.parametrize(
    "truth",
    [stats.uniform(), stats.expon(), stats.cauchy()],
    ids=["uniform", "exponential", "cauchy"],
)
def test_edges_and_heavy_tails_are_survived(truth: stats.rv_continuous) -> None:
    values = truth.rvs(20_000, random_state=np.random.default_rng(6))
    fit = fit_spline(values)
    difference = truth.cdf(values) - fit.member.cdf((values - fit.mu) / fit.sigma)
    assert math.sqrt(20_000) * np.max(np.abs(difference)) < 1.95


NORMAL = np.random.default_rng(7).normal(size=1000)


@pytest.mark.parametrize(
    ("values", "weights", "n_knots", "message"),
    [
        (NORMAL, None, 3, "n_knots = 3 must be from 4 to 64; choose"),
        (NORMAL[:, None], None, None, "values of shape (1000, 1) with weights of shape (1000, 1)"),
        (NORMAL, np.ones(999), None, "values of shape (1000,) with weights of shape (999,)"),
        (
            np.append(NORMAL, math.nan),
            None,
            None,
            "1 of 1001 values are not finite, the first is values[1000] = nan; remove",
        ),
        (
            NORMAL,
            np.append(np.ones(999), -0.25),
            None,
            "1 of 1000 weights are negative, the first is weights[999] = -0.25: the log-likelihood",
        ),
        (
            NORMAL[:400],
            None,
            None,
            "400 events of positive weight count as 400 effective events, fewer than the 500",
        ),
        (NORMAL, np.zeros(1000), None, "0 events of positive weight count as 0 effective events"),
        (np.round(NORMAL, 1), None, None, "the value -0.1 has 5.7 % of the weight, more than 1 %"),
        (np.round(3 * NORMAL), None, None, "1000 events have "),
        (
            np.append(NORMAL, np.full(20, -9.0)),
            None,
            None,
            "the value -9 has 1.96 % of the weight, more than 1 %: a smooth density has no",
        ),
    ],
)
def test_useless_samples_are_refused(
    values: FloatArray, weights: FloatArray | None, n_knots: int | None, message: str
) -> None:
    with pytest.raises(CalibrationError) as caught:
        fit_spline(values, weights, n_knots=n_knots)
    assert str(caught.value).startswith(message)
