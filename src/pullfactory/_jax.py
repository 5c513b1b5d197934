"""JAX in double precision.

A negative log-likelihood of 1e5 known to 1e-3 needs more digits than single precision has; and
pyhf's JAX backend turns double precision on for the whole process anyway. Whoever turns it off
again, for the process or for a block of code, would get numbers of single precision: every
compiled function, every likelihood and every verb looks before it computes.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import LikelihoodError

jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]

__all__ = ["Array", "double_precision", "jax", "jit", "jnp", "require_double_precision"]

Array = jax.Array | NDArray[np.float64]
"""What a compiled function takes; inside it every array is JAX's."""

Inputs = ParamSpec("Inputs")
Result = TypeVar("Result")


def require_double_precision() -> None:
    """Refuse to compute in single precision, wherever it was chosen.

    Raises:
        LikelihoodError: If JAX's double precision is off here, for the process or this thread.
    """
    if not jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        raise LikelihoodError(
            "JAX's double precision is off (jax_enable_x64 = False), and fits in single precision "
            'go wrong; turn it on with jax.config.update("jax_enable_x64", True), or leave the '
            "block that turned it off"
        )


def double_precision(function: Callable[Inputs, Result]) -> Callable[Inputs, Result]:
    """A function that looks at the precision first.

    Args:
        function: Anything that computes with JAX.
    """

    @wraps(function)
    def careful(*args: Inputs.args, **kwargs: Inputs.kwargs) -> Result:
        require_double_precision()
        return function(*args, **kwargs)

    return careful


def jit(
    function: Callable[..., Result], *, static_argnames: str | None = None
) -> Callable[..., Result]:
    """`jax.jit` that looks at the precision at every call.

    Args:
        function: Pure, of arrays and trees of them.
        static_argnames: As in JAX.
    """
    compiled: Callable[..., Result] = jax.jit(function, static_argnames=static_argnames)
    return double_precision(compiled)
