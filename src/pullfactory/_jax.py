"""JAX in double precision.

A negative log-likelihood of 1e5 known to 1e-3 needs more digits than single precision has; and
pyhf's JAX backend turns double precision on for the whole process anyway.
"""

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]

__all__ = ["Array", "jax", "jnp"]

Array = jax.Array | NDArray[np.float64]
"""What a compiled function takes; inside it every array is JAX's."""
