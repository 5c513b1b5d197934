"""What fits with a learnt density do: `python -m tests.flows.asymptotic`.

With the scores s of the learnt density and those of the truth, whose expectation is 0, the
estimate of N events is off by H^-1 N (mean of s - s_true) in the mean, and its covariance is
H^-1 (N Cov(s) + P) H^-1.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import click
import numpy as np

from pullfactory._jax import jax, jnp
from pullfactory.calibration.moments import fit_response
from pullfactory.densities import family
from pullfactory.flows.density import FlowDensity
from pullfactory.flows.learning import FlowPlan, LearntFlow, Shape, learn_flow
from pullfactory.flows.sums import FlowSample
from pullfactory.simulation.response import Response
from tests.flows.truth import AXES, Array, Truth, classes, gaussian, mixture, t_copula

THETAS = np.array([[0, 0, 0], [0.33, 1, 1], [-0.33, -1, 1], [0.33, -1, -1], [0, 0.7, -1.2]])
PRIOR = np.diag([0.0, 1.0, 1.0])
EVENTS = 2000
_STEP = 0.02
_SMALL = 1e-3


class Asymptotic(NamedTuple):
    """Of the parameters, shape (3,).

    Attributes:
        shift: Root mean square over true values of the mean pull.
        width: Mean pull width.
        actual: Actual error over that of the true density.
    """

    shift: Array
    width: Array
    actual: Array


def learn(
    truth: Truth,
    events: int,
    shape: Shape = "auto",
    order: tuple[int, int] = (0, 1),
    seed: int = 3,
) -> LearntFlow:
    """Calibrate location and scale by moments, and learn the flow, without declared marginals."""
    drawn = [
        truth.draw(np.random.default_rng([seed, int(point[0]) + 1]), point.astype(float), events)
        for point in AXES
    ]
    moments = np.array([[x.mean(0), x.std(0)] for x in drawn])
    fits = []
    for o in range(2):
        variance = np.stack([moments[:, 1, o] ** 2, moments[:, 1, o] ** 2 / 2], axis=1) / events
        points = AXES.astype(float)
        fits.append(fit_response(points, moments[:, :, o], np.diag(variance.ravel())))
    response = Response(
        mu=np.array([fit.mu[0] for fit in fits]),
        mu_slopes=np.array([fit.mu[1:] for fit in fits]),
        sigma=np.array([fit.sigma[0] for fit in fits]),
        sigma_slopes=np.array([fit.sigma[1:] for fit in fits]),
    )
    samples = []
    for point, x in zip(AXES, drawn, strict=True):
        location, scale = response(point)
        scores = np.ascontiguousarray(((x - location) / scale).T[list(order)])
        samples.append(FlowSample(point.astype(float), scores, None, int(point[0])))
    plan = FlowPlan(
        observables=("m_t", "m_W"), parameters=("m_t", "JSF", "JRF"), order=order, shape=shape
    )
    return learn_flow(samples, response, (family("normal", {}),) * 2, plan)


def evaluate(density: FlowDensity, truth: Truth, events: int = 40_000) -> Asymptotic:
    """Mean pulls, widths and errors of fits with a density."""
    rows = []
    for i, theta in enumerate(THETAS):
        x = truth.draw(np.random.default_rng(99 + i), theta, events)
        here = _scores(density, x, theta)
        true = _true_scores(truth, x, theta)
        information = _information(partial(_scores, density, x), theta)
        variance = np.cov(here)
        inverse = np.linalg.inv(information)
        actual = inverse @ (EVENTS * variance + PRIOR) @ inverse
        best = np.linalg.inv(EVENTS * np.cov(true) + PRIOR)
        claimed = np.sqrt(np.diag(inverse))
        shift = inverse @ (EVENTS * (here - true).mean(axis=1)) / claimed
        spread = np.sqrt(np.diag(actual))
        rows.append((shift, spread / claimed, spread / np.sqrt(np.diag(best))))
    shifts, widths, ratios = (np.array(column) for column in zip(*rows, strict=True))
    return Asymptotic(np.sqrt((shifts**2).mean(0)), widths.mean(0), ratios.mean(0))


@jax.jit
def _scores_of(density: FlowDensity, x: jax.Array, theta: jax.Array) -> jax.Array:
    return jnp.asarray(jax.jacfwd(lambda at: density.log_prob(x, at))(theta)).T


def _scores(density: FlowDensity, x: Array, theta: Array) -> Array:
    return np.asarray(_scores_of(density, jnp.asarray(x), jnp.asarray(theta, dtype=float)))


def _true_scores(truth: Truth, x: Array, theta: Array) -> Array:
    steps = _SMALL * np.eye(len(theta))
    rows = [truth.log_prob(x, theta + step) - truth.log_prob(x, theta - step) for step in steps]
    return np.asarray(np.array(rows) / (2 * _SMALL))


def _information(scores: Callable[[Array], Array], theta: Array) -> Array:
    rows = [
        (scores(theta + step).mean(1) - scores(theta - step).mean(1)) / (-2 * _STEP)
        for step in _STEP * np.eye(len(theta))
    ]
    found = np.array(rows)
    return np.asarray(EVENTS * (found + found.T) / 2 + PRIOR)


TRUTHS = {
    "Gaussian, rho -0.6": (gaussian(-0.6), "auto", (0, 1)),
    "Gaussian, rho 0": (gaussian(0.0), "auto", (0, 1)),
    "Gaussian, rho 0.5": (gaussian(0.5), "auto", (0, 1)),
    "Gaussian, rho 0.9": (gaussian(0.9), "auto", (0, 1)),
    "t copula, rho 0.5": (t_copula(0.5), "auto", (0, 1)),
    "t copula, rho 0.5, other order": (t_copula(0.5), "auto", (1, 0)),
    "three classes, rho 0.5 within": (mixture(0.5), "auto", (0, 1)),
    "three classes, other order": (mixture(0.5), "auto", (1, 0)),
    "classes that respond differently": (classes(), "auto", (0, 1)),
    "the same, other order": (classes(), "auto", (1, 0)),
    "the same, fixed shape": (classes(), "fixed", (0, 1)),
}


def main(events: int, some: str) -> None:
    """Print a table in Markdown, of the truths with a text in their name."""
    click.echo("| truth | coefficients | shift | width | actual / true | training, CPU s |")
    click.echo("| --- | --- | --- | --- | --- | --- |")
    for name, (truth, shape, order) in TRUTHS.items():
        if some not in name:
            continue
        start = time.process_time()
        flow = learn(truth, events, shape, order)  # type: ignore[arg-type]
        seconds = time.process_time() - start
        found = evaluate(flow.density, truth)
        cells = [" ".join(f"{v:.3f}" for v in column) for column in found]
        click.echo(f"| {name} | {len(flow.covariance)} | {' | '.join(cells)} | {seconds:.0f} |")


if __name__ == "__main__":
    main(int(float((*sys.argv[1:], "1e6")[0])), (*sys.argv[1:], "", "")[1])
