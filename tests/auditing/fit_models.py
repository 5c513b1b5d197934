"""Events of known models for the goodness of fit, made without the package."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = dict[str, NDArray[np.float64]]

NAMES = ("x", "y", "z")
EDGES = np.concatenate([[-4.0], np.linspace(-1.5, 1.5, 9), [4.0]])
PULL = np.array([0.25, 0.1, 0.05])  # of `m`, in widths of the observables
TUNE = 0.03  # of the widths of the observables, one step
FAR = np.array([0.8, -0.6, 0.5])  # of the background, in widths


def signal(
    rng: np.random.Generator, n: int, k: int, rho: float, m: float = 0.0, tune: float = 0.0
) -> NDArray[np.float64]:
    """Normal observables with one correlation, shape (events, observables)."""
    shared, own = rng.standard_normal((n, 1)), rng.standard_normal((n, k))
    u = np.sqrt(rho) * shared + np.sqrt(1.0 - rho) * own
    return np.asarray((1.0 + TUNE * tune) * u + m * PULL[:k])


def background(rng: np.random.Generator, n: int, k: int) -> NDArray[np.float64]:
    """Wider, and elsewhere; the observables do not depend on each other."""
    return FAR[:k] + 1.4 * rng.standard_normal((n, k))


def data(
    rng: np.random.Generator,
    k: int,
    rho: float,
    events: float,
    rates: tuple[float, float] = (1.0, 1.0),
    part: float = 0.0,
    **theta: float,
) -> NDArray[np.float64]:
    """Measured events.

    Args:
        rng: Random numbers.
        k: Observables.
        rho: Of the signal.
        events: Expected number.
        rates: By what signal and background are multiplied.
        part: Of the events, that is background.
        theta: True values.
    """
    parts = [signal(rng, rng.poisson(rates[0] * events * (1.0 - part)), k, rho, **theta)]
    parts.append(background(rng, rng.poisson(rates[1] * events * part), k))
    return np.concatenate(parts)


def table(values: NDArray[np.float64]) -> Table:
    return {name: values[:, o] for o, name in enumerate(NAMES[: values.shape[1]])}


def config(k: int, events: float, part: float, norm: float | str = 0.1) -> dict[str, Any]:
    """The audit of such events; the rate of the background has this uncertainty."""
    tuned = {
        side: {"observables": {n: f"{n} * {1.0 + sign * TUNE}" for n in NAMES[:k]}}
        for side, sign in (("up", 1), ("down", -1))
    }
    samples: dict[str, Any] = {
        "nominal": {"in_memory": True, "events": events * (1.0 - part)},
        "m": {side: {"in_memory": True} for side in ("up", "down")},
        "tune": tuned,
        "data": {"in_memory": True},
    }
    if part:
        bkg = {"in_memory": True, "events": events * part, "norm": norm}
        samples["background"] = {"bkg": bkg}
    return {
        "name": "fit",
        "poi": "m",
        "optimal": False,  # tests of their own
        "joint": {"n_bins": 0},
        "parameter": [{"name": "m", "constraint": "free"}, {"name": "tune"}],
        "observable": [
            {"name": name, "edges": EDGES.tolist(), "open_ends": True} for name in NAMES[:k]
        ],
        "samples": samples,
    }


def simulated(
    rng: np.random.Generator, n: int, k: int, rho: float, part: float
) -> dict[str, Table]:
    """Samples of `n` events each."""
    found = {
        "nominal": table(signal(rng, n, k, rho)),
        "m.up": table(signal(rng, n, k, rho, m=1.0)),
        "m.down": table(signal(rng, n, k, rho, m=-1.0)),
    }
    return found | ({"background.bkg": table(background(rng, n, k))} if part else {})
