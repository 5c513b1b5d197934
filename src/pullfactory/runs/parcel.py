"""A plan on its way to workers: it travels once to each, and each builds it once."""

import hashlib
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, TypeVar

from pullfactory._jax import require_unforked
from pullfactory.results.workplace import lent_folder
from pullfactory.runs.execution import Errand, Unseen, is_here

_LIGHT = 2**17  # bytes that every task may carry
_PREFIX = "pullfactory-plan-"

Block_co = TypeVar("Block_co", covariant=True)
Work = TypeVar("Work")


class Plan(Protocol[Block_co]):
    """What a worker makes the work on one block of; it can be pickled."""

    def build(self) -> Callable[[int], Block_co]:
        """Likelihoods and what else all blocks share; once for each worker."""


@contextmanager
def sent(plan: Plan[Work], executor: Executor | None) -> Iterator[Errand[Work]]:
    """The work on one block, as the workers of an executor can do it.

    A large plan lies in a temporary file, and a task says where. A worker that does not see the
    file, as on another machine, says so, and is given the task again with the plan.

    Args:
        plan: How.
        executor: Where the blocks are computed; None for a pool of threads.
    """
    if is_here(executor):
        yield Errand(plan.build())
        return
    content = pickle.dumps(plan)
    whole = _Parcel(digest=hashlib.sha256(content).digest(), content=content)
    task = partial(_work, whole)
    if len(content) <= _LIGHT:
        yield Errand(task)
        return
    with _lent(content) as path:
        yield Errand(partial(_work, _Parcel(digest=whole.digest, path=path)), task)


@contextmanager
def _lent(content: bytes) -> Iterator[str]:
    """A file with some content; no path where there is no room for it."""
    with lent_folder(_PREFIX) as folder:
        path = ""
        with suppress(OSError):
            if folder is not None:
                file = folder / "plan"
                file.write_bytes(content)
                path = str(file)
        yield path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Parcel:
    """A plan, or where it lies.

    Attributes:
        digest: By which workers know it.
        content: Empty if it lies in a file.
        path: Of that file.
    """

    digest: bytes
    content: bytes = b""
    path: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Parcel) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def read(self) -> bytes:
        """What is in it.

        Raises:
            Unseen: If it lies in a file that is not here.
        """
        found = self.content
        with suppress(OSError):
            found = found or Path(self.path).read_bytes()
        if hashlib.sha256(found).digest() != self.digest:
            raise Unseen
        return found


_BUILDING = Lock()  # a worker may have several threads, and likelihoods are built in one


@lru_cache(maxsize=4)
def _built(parcel: _Parcel) -> Callable[[int], Any]:
    """What a worker has built of a parcel already."""
    plan: Plan[Any] = pickle.loads(parcel.read())
    return plan.build()


def _work(parcel: _Parcel, index: int) -> Any:
    require_unforked()
    with _BUILDING:
        work = _built(parcel)
    return work(index)
