"""pyhf's own rates as a JAX program that never touches pyhf again.

pyhf's backend is global state. It is switched only here, under one lock, for as long as one
trace takes, and put back whatever happens; the traced program is pure JAX.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyhf

from pullfactory._jax import jax, jnp

__all__ = ["Program", "jax_backend", "trace_rates"]

_LOCK = threading.RLock()
_PROGRAMS: dict[str, Any] = {}  # one program per text, so that equal models share a compilation

Program = Callable[..., list[jax.Array]]
"""Takes the constants of the trace, then the parameters; returns a list of one array."""


@contextmanager
def jax_backend() -> Iterator[None]:
    """Select pyhf's JAX backend in double precision; restore the caller's on the way out."""
    with _LOCK:
        backend, optimizer = pyhf.get_backend()
        pyhf.set_backend("jax", precision="64b")
        try:
            yield
        finally:
            pyhf.set_backend(backend, optimizer)


def trace_rates(model: pyhf.Model) -> tuple[Program, tuple[jax.Array, ...]]:
    """Trace the expected data of a model, auxiliary data included.

    Args:
        model: Any unbatched pyhf model.

    Returns:
        A program of constants and parameters, and the constants: arrays that make this model
        differ from others of the same structure.
    """
    with jax_backend():
        closed = jax.make_jaxpr(model.expected_data)(jnp.zeros(model.config.npars))
    text = str(closed.jaxpr)
    with _LOCK:
        program = _PROGRAMS.setdefault(text, _Evaluator(closed.jaxpr))
    return program, tuple(jnp.asarray(np.asarray(const)) for const in closed.consts)


class _Evaluator:
    """A traced program; compared by identity, so that it can be a static argument."""

    def __init__(self, jaxpr: jax.extend.core.Jaxpr) -> None:
        self._jaxpr = jaxpr

    def __call__(self, constants: tuple[jax.Array, ...], theta: jax.Array) -> list[jax.Array]:
        closed = jax.extend.core.ClosedJaxpr(self._jaxpr, list(constants))
        return list(jax.extend.core.jaxpr_as_fun(closed)(theta))
