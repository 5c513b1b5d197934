"""The noise of a calibrated response: location and scale of each observable, and correlations."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.linalg import block_diag
from scipy.special import ndtri

from pullfactory._jax import jax, jit, jnp
from pullfactory.calibration import Calibration
from pullfactory.densities import Family
from pullfactory.likelihoods._copula import scores_of_events
from pullfactory.methods.noise import Array, LocalPrediction, NoiseSource

_QUANTILES = 2000  # of a density, for its information
_NODES = 2**15  # points of a joint density, for its information ...
_MOST = 32  # ... and in each direction: beyond, they are too far out to count


def response_noise(calibration: Calibration, observable: int, theta: Array) -> NoiseSource:
    """What location and scale of one observable owe to the noise of its response.

    Args:
        calibration: Gives response and covariance.
        observable: Position.
        theta: True values, shape (points, parameters).
    """
    study = calibration.study
    value, *derivatives = _expand(calibration, observable, theta)
    information = study.ensemble.n_events * _information(study.families[observable])

    def points() -> Iterator[LocalPrediction]:
        for scale, jacobian, *rest in zip(value[:, 1], *derivatives, strict=True):
            yield LocalPrediction(jacobian, information / scale**2, *rest)

    return NoiseSource(calibration.response_covariance[observable], points)


def combined_response_noise(
    calibration: Calibration, theta: Array, covariance: Array
) -> NoiseSource:
    """What locations and scales owe to noise of their responses, weighed as they belong together.

    With the information W of the scores of an event, and their covariance Omega with observables of
    the event together, the information on locations and scales is W Omega^-1 W.

    Args:
        calibration: Gives responses and their covariances.
        theta: True values, shape (points, parameters).
        covariance: Omega, shape (values, values): location and scale of each observable, in widths.
    """
    families = calibration.study.families
    each = [_expand(calibration, o, theta) for o in range(len(families))]
    own = block_diag(*map(_information, families))
    information = calibration.study.ensemble.n_events * own @ np.linalg.solve(covariance, own)
    none = np.zeros((0, 0))

    def points() -> Iterator[LocalPrediction]:
        for i in range(len(theta)):
            value, jacobian, *rest = ([one[k][i] for one in each] for k in range(5))
            scale = np.repeat([sigma for _, sigma in value], 2)
            response, slopes, bends = (_joined(parts, none, none) for parts in rest)
            weight = information / np.outer(scale, scale)
            yield LocalPrediction(np.vstack(jacobian), weight, response, slopes, bends)

    return NoiseSource(block_diag(*calibration.response_covariance), points)


def joint_response_noise(
    calibration: Calibration,
    theta: Array,
    correlation: Array,
    *,
    noise: Array | None,
    pattern: Array | None,
) -> NoiseSource:
    """What all locations, scales and correlations owe to the noise of responses and correlations.

    Args:
        calibration: Gives responses and their covariances.
        theta: True values, shape (points, parameters).
        correlation: R of the normal scores, shape (observables, observables).
        noise: Covariance of the calibrated correlations of all pairs of observables, shape (pairs,
            pairs); None where R is not calibrated.
        pattern: dR / dr where a factor r of R is the last parameter of the fit, shape (observables,
            observables); else None.
    """
    families = calibration.study.families
    pairs = np.triu_indices(len(families), 1)
    each = [_expand(calibration, o, theta) for o in range(len(families))]
    information = calibration.study.ensemble.n_events * _joint_information(families, correlation)
    own = np.zeros((len(pairs[0]), 0)) if pattern is None else pattern[pairs][:, None]
    learnt = np.zeros((len(pairs[0]), 0)) if noise is None else np.eye(len(pairs[0]))

    def points() -> Iterator[LocalPrediction]:
        for i in range(len(theta)):
            value, jacobian, *rest = ([one[k][i] for one in each] for k in range(5))
            scale = [*np.repeat([sigma for _, sigma in value], 2), *np.ones(len(own))]
            response, slopes, bends = (_joined(parts, own, learnt) for parts in rest)
            yield LocalPrediction(
                block_diag(np.vstack(jacobian), own),
                information / np.outer(scale, scale),
                response + block_diag(np.zeros(np.subtract(response.shape, learnt.shape)), learnt),
                slopes,
                bends,
            )

    covariances = [*calibration.response_covariance, *([] if noise is None else [noise])]
    return NoiseSource(block_diag(*covariances), points)


def _joined(parts: Sequence[Array], own: Array, learnt: Array) -> Array:
    """Blocks of all observables, each of shape (..., 2, numbers), in one array.

    With zeros for the pairs of observables, which respond to no parameter but that of `own` and to
    no number but those of `learnt`.
    """
    *leading, values, numbers = parts[0].shape
    n = len(parts)
    shape = (n * values + len(own), n * numbers + learnt.shape[1])
    result = np.zeros((*(size + own.shape[1] for size in leading), *shape))
    inside = tuple(slice(size) for size in leading)
    for o, part in enumerate(parts):
        block = slice(o * values, (o + 1) * values), slice(o * numbers, (o + 1) * numbers)
        result[(*inside, *block)] = part
    return result


def _expand(calibration: Calibration, observable: int, theta: Array) -> list[Array]:
    """Location and scale of one observable at each theta, and what `LocalPrediction` holds."""
    learnt = calibration.response
    numbers = np.concatenate(
        [
            *([learnt.mu[observable]], learnt.mu_slopes[observable]),
            *([learnt.sigma[observable]], learnt.sigma_slopes[observable]),
        ]
    )
    return [np.asarray(part) for part in _expand_location_scale(numbers, theta)]


@jit
def _expand_location_scale(numbers: jax.Array, theta: jax.Array) -> tuple[jax.Array, ...]:
    def predict(at: jax.Array, numbers: jax.Array) -> jax.Array:
        mu, sigma = jnp.split(numbers, 2)
        return jnp.stack([x[0] * jnp.prod(1.0 + x[1:] * at) for x in (mu, sigma)])

    def expand(at: jax.Array) -> tuple[jax.Array, ...]:
        response = jax.jacfwd(predict, 1)
        slopes = jax.jacfwd(response)
        return (
            predict(at, numbers),
            jax.jacfwd(predict)(at, numbers),
            response(at, numbers),
            jnp.moveaxis(slopes(at, numbers), -1, 0),
            jnp.moveaxis(jax.jacfwd(slopes)(at, numbers), (-2, -1), (0, 1)),
        )

    return jax.vmap(expand)(theta)


def _information(member: Family) -> Array:
    """Information on location and scale in one event at scale 1, shape (2, 2)."""
    u = member.from_normal(ndtri((np.arange(_QUANTILES) + 0.5) / _QUANTILES))
    slope = np.asarray(member.derivatives(jnp.asarray(u))[1])
    scores = np.stack([-slope, -(1.0 + u * slope)])
    return np.asarray(scores @ scores.T / _QUANTILES)


def _joint_information(families: Sequence[Family], correlation: Array) -> Array:
    """Information in one event on locations, scales and correlations, at scales 1.

    With q = Phi^-1(F(z)) and p = R^-1 q the scores of a Gaussian copula are those of the families
    plus -(p - q)_o dq_o / d(location, scale), and p_a p_b - (R^-1)_ab for the correlation of a pair
    (Song 2000, doi:10.1111/1467-9469.00191). Their products are averaged over normal scores.

    Args:
        families: Density family of each observable.
        correlation: R of the normal scores.

    Returns:
        Shape (values, values): location and scale of each observable, then the pairs.
    """
    q, weight = _normal_scores(correlation)
    inverse = np.linalg.inv(correlation)
    p = inverse @ q
    rows = []
    for o, member in enumerate(families):
        z = member.from_normal(q[o])
        _, _, slope, log_slope = map(np.asarray, scores_of_events(member, jnp.asarray(z)))
        own = log_slope - slope * (p[o] - q[o])
        rows += [-own, -(1.0 + z * own)]
    for a, b in itertools.combinations(range(len(families)), 2):
        rows.append(p[a] * p[b] - inverse[a, b])
    scores = np.array(rows)
    return np.asarray((scores * weight) @ scores.T)


def _normal_scores(correlation: Array) -> tuple[Array, Array]:
    """Points and weights of a Gauss-Hermite rule, shapes (observables, points) and (points,)."""
    n = len(correlation)
    size = int(min(max(_NODES ** (1.0 / n), 3), _MOST))
    nodes, weights = np.polynomial.hermite_e.hermegauss(size)
    grid = np.stack(np.meshgrid(*n * [nodes], indexing="ij")).reshape(n, -1)
    product = np.prod(np.meshgrid(*n * [weights / weights.sum()], indexing="ij"), axis=0).ravel()
    return np.linalg.cholesky(correlation) @ grid, product
