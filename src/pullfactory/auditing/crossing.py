"""Fits of one half of the simulated events to what is expected from the other.

Pseudo-data are the expected counts of all processes at a point, without fluctuations, and the
binned likelihood is fitted to them. The auxiliary value of a constrained parameter is what is
generated, so that the fit answers for its templates and not for its constraint; that of a free
parameter, which only pyhf constrains, stays as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.expected import Expected
from pullfactory.auditing.half_models import HalfModels
from pullfactory.auditing.model import AuditModel, rates_and_slopes_at
from pullfactory.errors import CalibrationError
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.likelihoods.auxiliary import constraint_information
from pullfactory.settings.audit import AuditConfig

_STEPS = 50
_ARRIVED = 1e-6  # standard errors
_CONVEX = 1e-8  # cosine


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """A point at which there are samples.

    Attributes:
        role: Such as "m_t.up"; "nominal".
        parameter: What is moved; empty at the nominal point.
        side: 1 up, -1 down, or 0.
    """

    role: str
    parameter: str
    side: int

    @property
    def steps(self) -> dict[str, int]:
        """Step of each parameter that is not nominal."""
        return {self.parameter: self.side} if self.side else {}


def generated_points(config: AuditConfig) -> Iterator[Generated]:
    """The nominal point, and one step up and down in every parameter.

    Args:
        config: Of an audit.
    """
    yield Generated(role="nominal", parameter="", side=0)
    for name in config.parameter_names:
        for side, word in ((1, "up"), (-1, "down")):
            yield Generated(role=f"{name}.{word}", parameter=name, side=side)


def generated_values(config: AuditConfig, likelihood: BinnedLikelihood) -> NDArray[np.float64]:
    """Parameters at every point, shape (points, parameters), in their units.

    Args:
        config: Of an audit.
        likelihood: Of the audit.
    """
    points = tuple(generated_points(config))
    found = np.tile(np.asarray(likelihood.init, dtype=np.float64), (len(points), 1))
    steps = {one.name: one.step for one in config.parameter}
    for theta, point in zip(found, points, strict=True):
        for name, side in point.steps.items():
            (k,) = likelihood.positions(name)
            theta[k] = side * steps[name]
    return found


def crossed_estimates(halved: HalfModels) -> NDArray[np.float64]:
    """Estimates at every point, each half fitted to the other, and the mean of both.

    Args:
        halved: Models of the halves.

    Returns:
        Shape (splits, points, parameters).

    Raises:
        CalibrationError: If a half has an empty bin, or a fit does not end.
    """
    return np.array(
        [
            (point_estimates(one, other.expected) + point_estimates(other, one.expected)) / 2
            for one, other in halved.pairs
        ]
    )


def point_estimates(model: AuditModel, drawn: Expected) -> NDArray[np.float64]:
    """Estimates of a model at every point that samples are of.

    Args:
        model: What is fitted.
        drawn: The samples that the pseudo-data are expected from.

    Returns:
        Shape (points, parameters).

    Raises:
        CalibrationError: If a fit does not end.
    """
    likelihood, config = model.likelihood, drawn.config
    points = tuple(generated_points(config))
    processes = [drawn.at(point.steps) for point in points]
    counts = {
        name: np.array([sum(one.template(o) for one in each) for each in processes])
        for o, name in enumerate(config.observable_names)
    }
    measured = [one.name for one in config.parameter if not one.free]
    aux = {name: np.array([float(p.steps.get(name, 0)) for p in points]) for name in measured}
    data = likelihood.data(counts, aux)
    return _fitted(likelihood, data, generated_values(config, likelihood))


def _fitted(
    likelihood: BinnedLikelihood, data: NDArray[np.float64], theta: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The minima of a likelihood, by Fisher's scoring with the updates of BFGS.

    It needs no more than rates and slopes, which are compiled already.

    Args:
        likelihood: Of an audit: its terms are Gaussian.
        data: Shape (points, bins + auxdata).
        theta: Where to begin, shape (points, parameters).
    """
    moving = np.flatnonzero(~np.asarray(likelihood.held))
    theta = theta.copy()
    score, information = _scored(likelihood, data, theta, moving)
    size = np.sqrt(np.diagonal(information, axis1=1, axis2=2))
    inverse = np.asarray(np.linalg.inv(information), dtype=np.float64)
    for _ in range(_STEPS):
        step = np.einsum("pkl,pl->pk", inverse, score)
        far = np.max(np.abs(step) * size, axis=1, keepdims=True)
        step *= np.where(far > _ARRIVED, 1.0 / np.maximum(far, 1.0), 0.0)
        if not step.any():
            return theta
        theta[:, moving] += step
        before = score
        score, _ = _scored(likelihood, data, theta, moving)
        inverse = _updated(inverse, step, before - score)
    raise CalibrationError("fits of one half of the events to the other do not end")


def _scored(
    likelihood: BinnedLikelihood,
    data: NDArray[np.float64],
    theta: NDArray[np.float64],
    moving: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score and information, shapes (points, moving) and (points, moving, moving)."""
    rates, slopes = rates_and_slopes_at(likelihood, theta)
    if not (np.isfinite(theta).all() and (rates > 0).all()):
        raise CalibrationError("fits of one half of the events to the other leave positive rates")
    main, aux = np.split(data, [likelihood.n_main], axis=1)
    measured = likelihood.aux_slopes
    score = np.einsum("pb,pbk->pk", main / rates - 1.0, slopes)
    score += (aux - theta @ measured.T) @ likelihood.aux_precision @ measured
    slopes = slopes[..., moving]
    information = slopes.transpose(0, 2, 1) @ (slopes / rates[..., None])
    penalty = constraint_information(likelihood)[np.ix_(moving, moving)]
    return score[:, moving], information + penalty


def _updated(
    inverse: NDArray[np.float64], step: NDArray[np.float64], change: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Inverse curvatures that know how the score changed; as they were where that is not convex.

    Nocedal and Wright, Numerical Optimization (doi:10.1007/978-0-387-40065-5), eq. 6.17.
    """
    product = np.einsum("pk,pk->p", step, change)
    convex = product > _CONVEX * np.linalg.norm(step, axis=1) * np.linalg.norm(change, axis=1)
    part = np.divide(1.0, product, where=convex, out=np.zeros_like(product))[:, None, None]
    left = np.eye(step.shape[1]) - part * step[:, :, None] * change[:, None, :]
    outer = part * step[:, :, None] * step[:, None, :]
    return np.asarray(left @ inverse @ left.transpose(0, 2, 1) + outer)
