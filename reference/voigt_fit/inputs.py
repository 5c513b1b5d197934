"""One toy of 1500 events: a Voigt and a Gaussian observable that depend on each other."""

from typing import Any

import numpy as np
from scipy.special import ndtr

from reference.independent.streams import normals, uniforms

N_EVENTS, GAMMA = 1500, 0.4
MU, SIGMA = np.array([91.0, 45.0]), np.array([6.0, 5.0])
MU_SLOPES = np.array([[0.01, 0.012], [0.002, 0.015]])
SIGMA_SLOPES = np.array([[0.0, 0.03], [0.01, 0.02]])


def data() -> dict[str, Any]:
    """Events of shape (events, 2) at m = 0.6, s = -0.5, and the auxiliary value of s."""
    shared, own, core = normals(7101, 3, N_EVENTS)
    tail = np.tan(np.pi * (uniforms(7102, N_EVENTS) - 0.5))
    x = core + GAMMA * tail
    rank = np.clip(ndtr(x / np.std(core)) - 0.5, -0.4, 0.4)
    y = 0.8 * own + 0.3 * shared + rank
    y /= np.sqrt(0.8**2 + 0.3**2 + np.var(rank))
    theta = np.array([0.6, -0.5])
    location = MU * np.prod(1 + MU_SLOPES * theta, axis=1)
    scale = SIGMA * np.prod(1 + SIGMA_SLOPES * theta, axis=1)
    events = np.round(location + scale * np.stack([x, y], axis=1), 6)
    return {"events": events, "weights": None, "aux": [-0.3]}
