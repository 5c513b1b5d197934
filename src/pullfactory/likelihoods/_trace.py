"""pyhf's own rates as a JAX program that never touches pyhf again.

pyhf's backend is global state. It is switched only here, under one lock, for as long as one
trace takes, and put back whatever happens; the traced program is pure JAX.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyhf

from pullfactory._jax import jax, jnp

__all__ = ["Program", "jax_backend", "trace_rates"]

_LOCK = threading.RLock()


class Program:
    """Traced rates; compared by identity, so that they can be a static argument.

    Attributes:
        size: Numbers in the largest array that one evaluation makes.
    """

    def __init__(self, jaxpr: jax.extend.core.Jaxpr) -> None:
        self._jaxpr = jaxpr
        shapes = [getattr(var.aval, "shape", ()) for eqn in jaxpr.eqns for var in eqn.outvars]
        self.size = max((int(np.prod(shape)) for shape in shapes), default=1)

    def __call__(self, constants: tuple[jax.Array, ...], theta: jax.Array) -> list[jax.Array]:
        """Rates at theta, a list of one array of shape (bins,)."""
        closed = jax.extend.core.ClosedJaxpr(self._jaxpr, list(constants))
        return list(jax.extend.core.jaxpr_as_fun(closed)(theta))


_PROGRAMS: dict[str, Program] = {}  # one program a text, so that equal models share a compilation


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
    """Trace the expected counts of a model.

    Args:
        model: Any unbatched pyhf model.

    Returns:
        A program of constants and parameters, and the constants: arrays that make this model
        differ from others of the same structure.
    """
    with jax_backend():
        closed = jax.make_jaxpr(model.main_model.expected_data)(jnp.zeros(model.config.npars))
    text = str(closed.jaxpr)
    with _LOCK:
        program = _PROGRAMS.setdefault(text, Program(closed.jaxpr))
    return program, tuple(jnp.asarray(np.asarray(const)) for const in closed.consts)
