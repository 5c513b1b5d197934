"""JAX in double precision, with its compiled programs kept from one process to the next.

A negative log-likelihood of 1e5 known to 1e-3 needs more digits than single precision has; and
pyhf's JAX backend turns double precision on for the whole process anyway. Whoever turns it off
again, for the process or for a block of code, would get numbers of single precision: every
compiled function, every likelihood and every verb looks before it computes.
"""

import os
import warnings
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import jax
import jax.extend.core
import jax.monitoring
import jax.numpy as jnp
import numpy as np
from jaxlib.version import __version__ as jaxlib_version
from numpy.typing import NDArray

from pullfactory._cache import find_cache, heal, machine
from pullfactory.errors import LikelihoodError

__all__ = [
    "PROGRAMS",
    "Array",
    "accelerator",
    "double_precision",
    "jax",
    "jit",
    "jnp",
    "require_double_precision",
    "require_unforked",
    "watch_programs",
]

Array = jax.Array | NDArray[np.float64]
"""What a compiled function takes; inside it every array is JAX's."""

_trace: Callable[[], object] = jax.extend.core.get_opaque_trace_state
_OUTSIDE = _trace()
"""Where nothing is traced: options are of whole programs, not of a part of one."""

_QUICK = {"xla_cpu_use_fusion_emitters": False}
"""Compilation takes two thirds of the time without, and programs run as fast."""

Inputs = ParamSpec("Inputs")
Result = TypeVar("Result")


@cache
def _first_process() -> int:
    """Where JAX was first used; processes that are forked from it later inherit the answer."""
    return os.getpid()


def require_unforked() -> None:
    """Refuse to compute in a process that was forked after JAX had run: it would hang.

    Raises:
        LikelihoodError: If this is one.
    """
    if _first_process() != os.getpid():
        raise LikelihoodError(
            "this process was forked from one in which JAX has run, and would hang; start "
            "processes with multiprocessing.get_context('spawn'), or as that of your pool is called"
        )


def require_double_precision() -> None:
    """Refuse to compute in single precision, wherever it was chosen.

    Raises:
        LikelihoodError: If JAX's double precision is off here, for the process or this thread; or
            if JAX had run before this process was forked.
    """
    require_unforked()
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
    inner: Callable[..., Result] = jax.jit(function, static_argnames=static_argnames)

    @cache
    def outer() -> Callable[..., Result]:
        return jax.jit(function, static_argnames=static_argnames, compiler_options=_options())

    @wraps(function)
    def careful(*args: Any, **kwargs: Any) -> Result:
        require_double_precision()
        return (outer() if _trace() == _OUTSIDE else inner)(*args, **kwargs)

    return careful


@cache
def _options() -> dict[str, bool]:
    """How programs are compiled: as fast as this version of JAX knows how to."""
    try:
        jax.jit(jnp.zeros_like, compiler_options=_QUICK)(0.0)
    except jax.errors.JaxRuntimeError:  # it has no such option
        return {}
    return _QUICK


def accelerator() -> str:
    """What programs run on instead of the processor, such as a graphics card, or nothing."""
    found = jax.devices()[0]
    return "" if found.platform == "cpu" else str(found.device_kind)


def _keep_programs() -> str:
    """Let JAX keep what it compiles, unless the user has said where; returns `PROGRAMS`."""
    known = jax.config.values["jax_compilation_cache_dir"]
    if known is not None or not jax.config.values["jax_enable_compilation_cache"]:
        return str(known or "JAX keeps none")
    found = find_cache("programs", f"jax-{jax.__version__}-{jaxlib_version}-{machine()}")
    if found.folder is None:
        return f"kept nowhere, {found.reason}"
    heal(found.folder)
    # An entry that is damaged later is compiled again.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")
    jax.config.update("jax_compilation_cache_dir", str(found.folder))  # type: ignore[no-untyped-call]
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # type: ignore[no-untyped-call]
    return str(found.folder)


def watch_programs() -> Callable[[], str]:
    """Count compiled programs from now on.

    Returns:
        A function that says how many were read and how many made, and where they are kept.
    """
    counts = {
        "/jax/compilation_cache/cache_hits": 0,
        "/jax/core/compile/backend_compile_duration": 0,
    }

    def count(event: str, **_more: str | int) -> None:
        if event in counts:
            counts[event] += 1

    def told() -> str:
        read, wanted = counts.values()
        return f"{read} read, {wanted - read} compiled; {PROGRAMS}"

    jax.monitoring.register_event_listener(count)
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: count(event))
    return told


jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]
PROGRAMS = _keep_programs()
"""Where compiled programs are kept, or why nowhere, in words."""
