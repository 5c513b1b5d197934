"""Pull widths of four methods with calibrations of 10 000 events a point, over many calibrations.

Each calibration draws its own samples: mass points are independent, s varies the events of its
mass point. Toys are fitted with what it gives: Gaussians whose response is a least-squares fit to
means and standard deviations, the same with a learnt correlation, additive templates with cross
terms, and factors in nested bins of equal population. The width within one calibration is the root
of the mean variance of its pulls.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from reference.cases import Value
from reference.independent.gaussian import Response
from reference.independent.minimum import minimise
from reference.independent.templates import additive_cross, multiplicative, poisson_nll
from reference.recording import measured, record

Array = NDArray[np.float64]
Sample = Callable[[tuple[float, ...]], Array]
SEED = 19
CALIBRATIONS, TOYS = 160, 60
N_EVENTS, N_SIMULATED, N_BINS, NESTED, WIDE = 1500, 10_000, 12, (5, 4), 3.0
PARAMETERS = ("m", "s")
TRUTH = np.array([0.3, 1.0])
RESPONSE = Response.of(
    [160.0, 85.0], [11.0, 7.0], [[0.006, 0.004], [0.0004, 0.005]], [[0.0, 0.01], [0.0, 0.008]]
)
GRID = [(float(m), float(s)) for m in (-1, 0, 1) for s in (-1, 0, 1)]


def sampler(rng: np.random.Generator) -> Sample:
    """Calibration samples of shape (events, 2): one set of events for each m."""
    base: dict[float, Array] = {}

    def sample(at: tuple[float, ...]) -> Array:
        if at[0] not in base:
            base[at[0]] = rng.standard_normal((N_SIMULATED, 2))
        theta = np.array([at])
        return np.asarray(RESPONSE.location(theta) + RESPONSE.scale(theta) * base[at[0]])

    return sample


def learn_response(sample: Sample) -> tuple[Response, float]:
    """Location and scale against theta by weighted least squares, and the correlation."""
    points = np.array(GRID)
    found = [sample(at) for at in GRID]
    location = np.array([each.mean(axis=0) for each in found])
    scale = np.array([each.std(axis=0) for each in found])

    def product(x: Array) -> Array:
        return np.asarray(x[0] * np.prod(1 + points * x[1:], axis=1))

    def fit(values: Array, weights: Array) -> Array:
        start = np.array([values.mean(), 0.0, 0.0])
        return np.asarray(
            least_squares(
                lambda x: (product(x) - values) / weights, start, x_scale=[start[0], 0.01, 0.01]
            ).x
        )

    mu = np.array([fit(location[:, o], scale[:, o]) for o in range(2)])
    sigma = np.array([fit(scale[:, o], scale[:, o]) for o in range(2)])
    rho = float(np.corrcoef(*sample((0.0, 0.0)).T)[0, 1])
    return Response.of(mu[:, 0], sigma[:, 0], mu[:, 1:], sigma[:, 1:]), rho


def gaussian_objective(learnt: Response, rho: float, events: Array) -> Callable[[Array], Array]:
    """-log L of bivariate Gaussians of this correlation; shapes (toys, events, 2)."""
    mean = events.mean(axis=1)
    centred = events - mean[:, None, :]
    squares = np.einsum("tea,teb->tab", centred, centred)
    inverse = np.linalg.inv(np.array([[1.0, rho], [rho, 1.0]]))

    def nll(theta: Array) -> Array:
        scale = learnt.scale(theta)
        away = (mean - learnt.location(theta)) / scale
        spread = squares / (scale[:, :, None] * scale[:, None, :])
        moments = spread + N_EVENTS * away[:, :, None] * away[:, None, :]
        quadratic = 0.5 * np.einsum("ab,tab->t", inverse, moments)
        return np.asarray(quadratic + N_EVENTS * np.log(scale).sum(axis=1) + 0.5 * theta[:, 1] ** 2)

    return nll


def quantiles(values: Array, n_bins: int) -> Array:
    """Inner edges of equal population."""
    return np.quantile(values, np.arange(1, n_bins) / n_bins)


def binned_objective(sample: Sample, events: Array) -> Callable[[Array], Array]:
    """Additive templates with cross terms."""
    edges = [quantiles(sample((0.0, 0.0))[:, o], N_BINS) for o in range(2)]

    def fill(rows: Array) -> Array:
        return np.concatenate(
            [np.bincount(np.searchsorted(edges[o], rows[:, o]), minlength=N_BINS) for o in range(2)]
        ).astype(np.float64)

    rates = additive_cross(lambda at: fill(sample(at)) * N_EVENTS / N_SIMULATED, 2)
    counts = np.array([fill(rows) for rows in events])
    return lambda theta: poisson_nll(rates(theta), counts) + 0.5 * theta[:, 1] ** 2


def joint_objective(sample: Sample, events: Array) -> Callable[[Array], Array]:
    """Factors in nested bins; m over templates at three steps, with a constraint as wide."""
    nominal = sample((0.0, 0.0))
    outer = quantiles(nominal[:, 0], NESTED[0])
    first = np.searchsorted(outer, nominal[:, 0])
    inner = [quantiles(nominal[first == a, 1], NESTED[1]) for a in range(NESTED[0])]

    def fill(rows: Array) -> Array:
        a = np.searchsorted(outer, rows[:, 0])
        b = (rows[:, 1, None] > np.array(inner)[a]).sum(axis=1)
        size = NESTED[0] * NESTED[1]
        return np.bincount(a * NESTED[1] + b, minlength=size).astype(np.float64)

    rates = multiplicative(lambda at: fill(sample(at)) * N_EVENTS / N_SIMULATED, (WIDE, 1.0))
    counts = np.array([fill(rows) for rows in events])
    prior = np.array([1 / WIDE, 1.0])
    return lambda theta: (
        poisson_nll(rates(theta), counts) + 0.5 * ((prior * theta) ** 2).sum(axis=1)
    )


def one_calibration(rng: np.random.Generator) -> dict[str, Array]:
    """Pulls of each method, shape (toys, parameters)."""
    sample = sampler(rng)
    truth = TRUTH * rng.standard_normal((TOYS, 2))
    events = rng.standard_normal((TOYS, N_EVENTS, 2)) * RESPONSE.scale(truth)[:, None, :]
    events += RESPONSE.location(truth)[:, None, :]
    learnt, rho = learn_response(sample)
    objectives = {
        "unbinned": gaussian_objective(learnt, 0.0, events),
        "unbinned_joint": gaussian_objective(learnt, rho, events),
        "binned": binned_objective(sample, events),
        "binned_joint": joint_objective(sample, events),
    }
    pulls = {}
    for name, objective in objectives.items():
        found = minimise(objective, np.zeros((TOYS, 2)))
        assert found.good.mean() > 0.95
        pulls[name] = np.where(found.good[:, None], (found.estimate - truth) / found.error, np.nan)
    return pulls


def values() -> list[Value]:
    """Widths within a calibration, with errors from the spread over calibrations."""
    rng = np.random.default_rng(SEED)
    pulls = [one_calibration(rng) for _ in range(CALIBRATIONS)]
    rows = []
    for method in pulls[0]:
        lost = np.mean([np.isnan(one[method]).any(axis=1).mean() for one in pulls])
        assert lost < 2e-3
        variances = np.array([np.nanvar(one[method], axis=0, ddof=1) for one in pulls])
        width = np.sqrt(variances.mean(axis=0))
        error = variances.std(axis=0, ddof=1) / np.sqrt(CALIBRATIONS) / (2 * width)
        for k, name in enumerate(PARAMETERS):
            row = {"method": method, "parameter": name}
            rows.append(measured("told", "width", float(width[k]), float(error[k]), **row))
    return rows


if __name__ == "__main__":
    record(__file__, values, seed=SEED)
