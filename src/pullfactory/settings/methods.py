"""The methods that a study can name: those of the package, of installed ones, and given ones."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import NamedTuple, Protocol

from pullfactory.errors import LikelihoodError

GROUP = "pullfactory.methods"
"""Entry points of installed packages: from the name of a method to its `MethodKind`."""


class Learns(NamedTuple):
    """What calibration samples of correlated events tell a method.

    Attributes:
        correlation: The correlation of the observables, if the study takes it from there.
        bins: The contents of joint bins.
        flow: A joint density of the observables.
    """

    correlation: bool = False
    bins: bool = False
    flow: bool = False


class StudyMethod(Protocol):
    """What a study asks of a method; see `pullfactory.methods.MethodKind`."""

    @property
    def name(self) -> str:
        """As in the study file."""

    @property
    def learns(self) -> Learns:
        """What calibration samples of correlated events tell it."""


BUILT_IN: Mapping[str, Learns] = MappingProxyType(
    {
        "unbinned": Learns(),
        "binned": Learns(),
        "unbinned_optimal": Learns(),
        "binned_optimal": Learns(),
        "unbinned_joint": Learns(correlation=True),
        "binned_joint": Learns(bins=True),
        "flow": Learns(flow=True),
    }
)
"""Those of the package, in the order of tables."""

DEFAULT = ("unbinned", "binned")

_GIVEN: ContextVar[Mapping[str, StudyMethod]] = ContextVar("methods", default=MappingProxyType({}))


@contextmanager
def given_methods(methods: Iterable[StudyMethod]) -> Iterator[None]:
    """Methods that have a name for as long as the context lasts.

    Args:
        methods: Objects; none may have the name of a method of the package.

    Raises:
        LikelihoodError: If a name is taken.
    """
    given = dict(_GIVEN.get())
    for method in methods:
        if method.name in BUILT_IN or given.get(method.name, method) != method:
            raise LikelihoodError(f"method {method.name!r} exists already; give it another name")
        given[method.name] = method
    token = _GIVEN.set(given)
    try:
        yield
    finally:
        _GIVEN.reset(token)


def find_method(name: str) -> StudyMethod:
    """A method that is not of the package, by its name.

    Args:
        name: As in the study file.

    Raises:
        LikelihoodError: If nobody gives it, several packages do, or it cannot be loaded.
    """
    if name in (given := _GIVEN.get()):
        return given[name]
    installed = entry_points(group=GROUP)
    found = [entry for entry in installed if entry.name == name]
    if not found:
        known = ", ".join(dict.fromkeys([*BUILT_IN, *given, *sorted(installed.names)]))
        raise LikelihoodError(
            f"method {name!r} is unknown; use one of {known}, or install the package that gives it"
        )
    if len({entry.value for entry in found}) > 1:
        packages = " and ".join(sorted(_package(entry) for entry in found))
        raise LikelihoodError(f"method {name!r} is given by {packages}; remove one of them")
    try:
        method: StudyMethod = found[0].load()
    except Exception as error:
        raise LikelihoodError(
            f"method {name!r} of {_package(found[0])} cannot be loaded: {error}"
        ) from error
    if getattr(method, "name", None) != name or not isinstance(
        getattr(method, "learns", None), Learns
    ):
        raise LikelihoodError(
            f"method {name!r} of {_package(found[0])} is no MethodKind of this name: {method!r}"
        )
    return method


def learns(name: str) -> Learns:
    """What calibration samples of correlated events tell a method.

    Args:
        name: As in the study file.

    Raises:
        LikelihoodError: If there is no such method.
    """
    return BUILT_IN[name] if name in BUILT_IN else find_method(name).learns


def _package(entry: EntryPoint) -> str:
    return f"package {entry.dist.name!r}" if entry.dist else repr(entry.value)
