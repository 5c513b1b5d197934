"""Events of hidden classes that respond differently to the parameters, and two densities of them.

Of correctly and wrongly assigned events the latter move less with the parameters, so that the
shape of the whole changes with these. `right` is their density; `fixed_shape` has its means and
standard deviations at every theta, but the shape that it has at 0.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pullfactory.calibration.held_out import HeldOut
from tests.likelihoods.true_density import true_response

PARTS = np.array([0.44, 0.21, 0.35])
FOLLOWS = np.array([[1.0, 1.0, 1.0], [0.6, 1.0, 0.6], [0.2, 1.0, 0.3]])
SHIFTS, WIDTHS = np.array([0.0, -0.8, 0.8]), np.array([1.0, 1.5, 2.2])
RHO = 0.3
POINTS = np.vstack([np.zeros((1, 3)), *[sign * row[None] for row in np.eye(3) for sign in (1, -1)]])


def _classes(theta: Any, xp: Any) -> tuple[Any, Any]:
    """Location and scale of each class, each of shape (classes, 2)."""
    mu, sigma = true_response(xp.zeros(3))
    found = [true_response(xp.asarray(row) * theta) for row in FOLLOWS]
    locations = [at * (1 + s * sigma / mu) for s, (at, _) in zip(SHIFTS, found, strict=True)]
    scale = xp.stack([w * spread for w, (_, spread) in zip(WIDTHS, found, strict=True)])
    return xp.stack(locations), scale


def moments(theta: Any, xp: Any = np) -> tuple[Any, Any]:
    """Mean and standard deviation of both observables, of the mixture."""
    location, scale = _classes(theta, xp)
    parts = PARTS[:, None]
    mean = (parts * location).sum(axis=0)
    return mean, xp.sqrt((parts * (scale**2 + location**2)).sum(axis=0) - mean**2)


def right(x: jax.Array, theta: jax.Array) -> jax.Array:
    location, scale = _classes(theta, jnp)
    z = (x[:, None] - location) / scale
    distance = (z[..., 0] ** 2 - 2 * RHO * z[..., 0] * z[..., 1] + z[..., 1] ** 2) / (1 - RHO**2)
    each = jnp.log(PARTS) - 0.5 * distance - jnp.log(scale).sum(axis=-1)
    norm = jnp.log(2 * jnp.pi) + 0.5 * jnp.log(1 - RHO**2)
    return jax.scipy.special.logsumexp(each, axis=1) - norm


def fixed_shape(x: jax.Array, theta: jax.Array) -> jax.Array:
    """The shape at 0, moved and stretched with the mean and standard deviation of the mixture."""
    (mean, spread), (at, width) = moments(np.zeros(3)), moments(theta, jnp)
    z = (x - at) / width
    return right(mean + spread * z, jnp.zeros(3)) + jnp.log(spread / width).sum()


def draw(events: int, seed: int) -> tuple[HeldOut, ...]:
    """Events of the nominal point and the axes; JSF and JRF vary the same events."""
    found = []
    for point in POINTS:
        rng = np.random.default_rng([seed, int(point[0]) + 1])
        which = np.searchsorted(np.cumsum(PARTS)[:-1], rng.random(events))
        normals = rng.standard_normal((events, 2))
        normals[:, 1] = RHO * normals[:, 0] + np.sqrt(1 - RHO**2) * normals[:, 1]
        location, scale = _classes(point, np)
        found.append(
            HeldOut(point, location[which] + scale[which] * normals, None, int(point[0]) + 1)
        )
    return tuple(found)
