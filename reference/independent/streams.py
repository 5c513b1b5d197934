"""Random numbers that stay the same: inputs are made from them again instead of being stored.

NumPy keeps the raw numbers of a bit generator (NEP 19), but not what its `Generator` makes of them.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = ["normals", "uniforms"]

Array = NDArray[np.float64]


def uniforms(seed: int, *shape: int) -> Array:
    """Between 0 and 1, both left out.

    Args:
        seed: Of PCG64.
        shape: Of the result.
    """
    raw = np.random.PCG64(seed).random_raw(int(np.prod(shape))) >> np.uint64(12)
    return (np.asarray(raw, dtype=np.float64).reshape(shape) + 0.5) / 2.0**52


def normals(seed: int, *shape: int) -> Array:
    """Standard normal numbers.

    Args:
        seed: Of PCG64.
        shape: Of the result.
    """
    return np.asarray(ndtri(uniforms(seed, *shape)))
