"""pyhf's own rates as a JAX program that never touches pyhf again.

pyhf's backend is global state. It is switched only here, under the lock of all its calls, for as
long as one trace takes, and put back whatever happens; the traced program is pure JAX.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax
from pullfactory.workspaces._pyhf import PYHF_LOCK, pyhf

_CHANGED = "tensorlib_changed"  # the event at which models compute their tensors anew

Baked = NDArray[Any] | None
"""A constant that is part of a program, or none: it is an argument."""


class Traced:
    """A traced function of one array, and of constants that are handed over.

    Attributes:
        key: Equal for functions that differ in the constants alone.
    """

    def __init__(self, closed: jax.extend.core.ClosedJaxpr, baked: Sequence[Baked]) -> None:
        self._jaxpr = closed.jaxpr
        self._baked = baked
        structure = b"".join(value.tobytes() for value in baked if value is not None)
        self.key = str(closed.jaxpr), structure

    def __call__(self, constants: tuple[jax.Array, ...], theta: jax.Array) -> list[jax.Array]:
        """Its value, a list of arrays."""
        free = iter(constants)
        every = [next(free) if known is None else known for known in self._baked]
        closed = jax.extend.core.ClosedJaxpr(self._jaxpr, every)
        return list(jax.extend.core.jaxpr_as_fun(closed)(theta))


class Program(Traced):
    """Traced rates; compared by identity, so that they can be a static argument.

    A pickled one is traced again where it arrives, and is the one of that process.

    Attributes:
        size: Numbers in the largest array that one evaluation makes.
    """

    def __init__(
        self, closed: jax.extend.core.ClosedJaxpr, baked: Sequence[Baked], model: pyhf.Model
    ) -> None:
        super().__init__(closed, baked)
        self._source = dict(model.spec), model.config.modifier_settings
        jaxpr = closed.jaxpr
        shapes = [getattr(var.aval, "shape", ()) for eqn in jaxpr.eqns for var in eqn.outvars]
        self.size = max((int(np.prod(shape)) for shape in shapes), default=1)

    def __reduce__(self) -> tuple[Any, ...]:
        return _trace_again, self._source


_PROGRAMS: dict[tuple[str, bytes], Program] = {}  # so that equal models share a compilation


@contextmanager
def jax_backend() -> Iterator[None]:
    """Select pyhf's JAX backend in double precision; restore the caller's on the way out."""
    with PYHF_LOCK:
        backend, optimizer = pyhf.get_backend()
        # JAX takes NumPy's arrays as they are, so that no living model needs to follow.
        unnoticed = (backend.name, backend.precision) == ("numpy", "64b")
        if unnoticed:
            pyhf.events.disable(_CHANGED)
        try:
            pyhf.set_backend("jax", precision="64b")
            yield
        finally:
            pyhf.set_backend(backend, optimizer)
            if unnoticed:
                pyhf.events.enable(_CHANGED)


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
    baked, free = _divided(closed.consts)
    program = Program(closed, baked, model)
    with PYHF_LOCK:
        return _PROGRAMS.setdefault(program.key, program), free


def trace(function: Callable[[Any], Any], size: int) -> tuple[Traced, tuple[Any, ...]]:
    """Trace a function of pyhf's, with its backend selected.

    Args:
        function: Of one array.
        size: Length of that.

    Returns:
        The function, and the constants that it is to be called with.
    """
    closed = jax.make_jaxpr(function)(np.zeros(size))
    baked, free = _divided(closed.consts)
    return Traced(closed, baked), free


def _divided(consts: Sequence[Any]) -> tuple[list[Baked], tuple[Any, ...]]:
    """Constants that are part of a program, None for the others; and the others."""
    values: list[Any] = [np.asarray(const) for const in consts]
    baked = [value if _is_structure(value) else None for value in values]
    free = (value for value, known in zip(values, baked, strict=True) if known is None)
    return baked, tuple(free)


def _trace_again(spec: dict[str, Any], settings: dict[str, Any]) -> Program:
    """The program of a model that was traced elsewhere."""
    with PYHF_LOCK:
        model = pyhf.Model(spec, poi_name=None, modifier_settings=settings, validate=False)
    return trace_rates(model)[0]


def _is_structure(value: NDArray[Any]) -> bool:
    """Whether a constant is a mask or an index: the compiler leaves out what it turns off."""
    return value.dtype != np.float64 or bool(np.all((value == 0) | (value == 1)))
