"""Many small minima at once, by Newton steps with derivatives from differences."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Minima", "derivatives", "minimise"]

Array = NDArray[np.float64]
Objective = Callable[[Array], Array]


class Minima(NamedTuple):
    """One minimum a toy.

    Attributes:
        estimate: Shape (toys, parameters).
        covariance: Inverse of the matrix of second derivatives, (toys, parameters, parameters).
        good: Whether the minimum was reached with a positive matrix, shape (toys,).
    """

    estimate: Array
    covariance: Array
    good: NDArray[np.bool_]

    @property
    def error(self) -> Array:
        """Standard errors, shape (toys, parameters)."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2)))


def derivatives(objective: Objective, theta: Array, step: float) -> tuple[Array, Array]:
    """Gradient and matrix of second derivatives by central differences.

    Args:
        objective: From shape (toys, parameters) to (toys,).
        theta: Shape (toys, parameters).
        step: Of each parameter.
    """
    n_pars = theta.shape[1]
    unit = step * np.eye(n_pars)
    centre = objective(theta)
    up = [objective(theta + unit[k]) for k in range(n_pars)]
    down = [objective(theta - unit[k]) for k in range(n_pars)]
    gradient = np.stack([(a - b) / (2 * step) for a, b in zip(up, down, strict=True)], axis=1)
    matrix = np.empty((len(theta), n_pars, n_pars))
    for k in range(n_pars):
        matrix[:, k, k] = (up[k] - 2 * centre + down[k]) / step**2
        for j in range(k):
            both = objective(theta + unit[k] + unit[j]) + objective(theta - unit[k] - unit[j])
            mixed = (both - up[k] - up[j] - down[k] - down[j] + 2 * centre) / (2 * step**2)
            matrix[:, k, j] = matrix[:, j, k] = mixed
    return gradient, matrix


def minimise(
    objective: Objective, start: Array, *, step: float = 2e-3, iterations: int = 40
) -> Minima:
    """Minimise, for every toy.

    Args:
        objective: Negative log-likelihoods, from shape (toys, parameters) to (toys,); not finite
            where there is none.
        start: Shape (toys, parameters).
        step: Of the differences.
        iterations: At most.
    """
    theta = np.array(start, dtype=np.float64)
    with np.errstate(all="ignore"):
        value = objective(theta)
        for _ in range(iterations):
            gradient, matrix = derivatives(objective, theta, step)
            usable = np.isfinite(matrix).all(axis=(1, 2)) & np.isfinite(gradient).all(axis=1)
            matrix[~usable], gradient[~usable] = np.eye(theta.shape[1]), 0.0
            sizes, axes = np.linalg.eigh(matrix)
            sizes = np.maximum(np.abs(sizes), 1e-6)
            along = np.einsum("tkj,tk->tj", axes, gradient) / sizes
            move = -np.einsum("tkj,tj->tk", axes, along)
            factor = np.ones(len(theta))
            for _ in range(12):
                trial = objective(theta + factor[:, None] * move)
                worse = ~(trial <= value + 1e-9)
                if not worse.any():
                    break
                factor[worse] /= 2
            theta = theta + np.where(worse, 0.0, factor)[:, None] * move
            value = objective(theta)
            distance = -np.einsum("tk,tk->t", gradient, move)
            if np.max(distance) < 1e-12:
                break
        gradient, matrix = derivatives(objective, theta, step)
        usable = np.isfinite(matrix).all(axis=(1, 2))
        matrix[~usable] = -np.eye(theta.shape[1])
        covariance = np.linalg.inv(matrix)
        left = np.einsum("tk,tkj,tj->t", gradient, covariance, gradient)
        positive = np.linalg.eigvalsh(matrix).min(axis=1) > 0
    return Minima(
        theta, np.asarray(covariance, np.float64), usable & positive & (np.abs(left) < 1e-6)
    )
