"""pyhf's own rates as a JAX program that never touches pyhf again.

pyhf's backend is global state. It is switched only here, under one lock, for as long as one
trace takes, and put back whatever happens; the traced program is pure JAX.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyhf
from numpy.typing import NDArray

from pullfactory._jax import jax

__all__ = ["Program", "jax_backend", "trace_rates"]

_LOCK = threading.RLock()

Baked = NDArray[Any] | None
"""A constant that is part of a program, or none: it is an argument."""


class Program:
    """Traced rates; compared by identity, so that they can be a static argument.

    Attributes:
        size: Numbers in the largest array that one evaluation makes.
    """

    def __init__(self, jaxpr: jax.extend.core.Jaxpr, baked: Sequence[Baked]) -> None:
        self._jaxpr = jaxpr
        self._baked = baked
        shapes = [getattr(var.aval, "shape", ()) for eqn in jaxpr.eqns for var in eqn.outvars]
        self.size = max((int(np.prod(shape)) for shape in shapes), default=1)

    def __call__(self, constants: tuple[jax.Array, ...], theta: jax.Array) -> list[jax.Array]:
        """Rates at theta, a list of one array of shape (bins,)."""
        free = iter(constants)
        every = [next(free) if known is None else known for known in self._baked]
        closed = jax.extend.core.ClosedJaxpr(self._jaxpr, every)
        return list(jax.extend.core.jaxpr_as_fun(closed)(theta))


_PROGRAMS: dict[tuple[str, bytes], Program] = {}  # so that equal models share a compilation


@contextmanager
def jax_backend() -> Iterator[None]:
    """Select pyhf's JAX backend in double precision; restore the caller's on the way out."""
    with _LOCK:
        backend, optimizer = pyhf.get_backend()
        pyhf.events.disable("tensorlib_changed")
        pyhf.set_backend("jax", precision="64b")
        try:
            yield
        finally:
            pyhf.set_backend(backend, optimizer)
            pyhf.events.enable("tensorlib_changed")


def trace_rates(model: pyhf.Model) -> tuple[Program, tuple[jax.Array, ...]]:
    """Trace the expected counts of a model.

    Args:
        model: Any unbatched pyhf model.

    Returns:
        A program of constants and parameters, and the constants: arrays that make this model
        differ from others of the same structure. Masks and indices are part of the program.
    """
    with jax_backend():
        closed = jax.make_jaxpr(model.main_model.expected_data)(np.zeros(model.config.npars))
    values: list[Any] = [np.asarray(const) for const in closed.consts]
    baked = [value if _is_structure(value) else None for value in values]
    structure = b"".join(value.tobytes() for value in baked if value is not None)
    with _LOCK:
        key = (str(closed.jaxpr), structure)
        program = _PROGRAMS.setdefault(key, Program(closed.jaxpr, baked))
    free = (value for value, known in zip(values, baked, strict=True) if known is None)
    return program, tuple(free)


def _is_structure(value: NDArray[Any]) -> bool:
    """Whether a constant is a mask or an index: the compiler leaves out what it turns off."""
    return value.dtype != np.float64 or bool(np.all((value == 0) | (value == 1)))
