"""The true joint density of the poster study, written by hand from its numbers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

RHO = 0.5
_MU, _SIGMA = np.array([171.8, 83.3]), np.array([10.4, 6.8])
_MU_SLOPES = np.array([[0.0058, 0.0046, 0.0005], [0.0003, 0.0053, 0.0016]])
_SIGMA_SLOPES = np.array([[0.008, 0.0095, 0.02], [0.0, 0.0074, 0.02]])


def true_response(theta: Any) -> tuple[Any, Any]:
    """Location and scale of both observables, each of shape (2,)."""
    return _MU * (1 + _MU_SLOPES * theta).prod(-1), _SIGMA * (1 + _SIGMA_SLOPES * theta).prod(-1)


def log_prob(x: jax.Array, theta: jax.Array) -> jax.Array:
    """Log density of events of shape (events, 2) at the correlation `RHO`."""
    mu, sigma = true_response(theta)
    z = (x - mu) / sigma
    distance = (z[:, 0] ** 2 - 2 * RHO * z[:, 0] * z[:, 1] + z[:, 1] ** 2) / (1 - RHO**2)
    log_norm = jnp.log(sigma).sum() + 0.5 * np.log(1 - RHO**2) + np.log(2 * np.pi)
    return jnp.asarray(-0.5 * distance - log_norm)
