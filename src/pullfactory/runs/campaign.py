"""The campaign: throw, fit, sum and write toys, block by block, on any executor."""

import hashlib
import itertools
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from pullfactory.fitting import FitBatch
from pullfactory.progress import Progress
from pullfactory.results.ledger import ToyLedger, ToyTable
from pullfactory.runs.execution import in_order, is_here, worker_pool


class Fitted(NamedTuple):
    """Fits of some toys with one method.

    Attributes:
        rho: Correlation of the toys; None where there is no scan.
        method: Name.
        truth: True parameters, shape (toys, parameters).
        fits: Of the same shape.
    """

    rho: float | None
    method: str
    truth: NDArray[np.float64]
    fits: FitBatch


FitBlock = Callable[[int], Sequence[Fitted]]
"""From the number of a block of toys to its fits, the same series for every block."""

Block_co = TypeVar("Block_co", covariant=True)
Work = TypeVar("Work")


class Plan(Protocol[Block_co]):
    """What a worker makes the work on one block of; it can be pickled."""

    def build(self) -> Callable[[int], Block_co]:
        """Likelihoods and what else all blocks share; once for each worker."""


def build(plan: Plan[Work], executor: Executor | None) -> Callable[[int], Work]:
    """The work on one block, which the workers of an executor can do.

    Args:
        plan: How.
        executor: Where the blocks are computed; None for a pool of threads.
    """
    return plan.build() if is_here(executor) else partial(_work_elsewhere, _Parcel.of(plan))


class Addable(Protocol):
    """Sums over toys."""

    def __add__(self, other: Self, /) -> Self:
        """Those of the toys of both."""


Sums = TypeVar("Sums", bound=Addable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign(Generic[Sums]):
    """Toys to be thrown and fitted.

    The result depends on neither the executor nor the number of workers.

    Attributes:
        plan: How.
        n_toys: How many.
        block: Toys of a block; what the last one has beyond `n_toys` is dropped.
        methods: Names.
        parameters: Names, in the order of the fits.
        metadata: Texts kept with the toys.
        sum_up: From the fits of one series and the truth to what is added up over all toys.
        together: Blocks that are summed at once: of small ones, for fewer sums.
    """

    plan: Plan[Sequence[Fitted]]
    n_toys: int
    block: int
    methods: Sequence[str]
    parameters: Sequence[str]
    metadata: Mapping[str, str]
    sum_up: Callable[[FitBatch, NDArray[np.float64]], Sums]
    together: int = 1

    def run(
        self, executor: Executor | None, workers: int, progress: Progress
    ) -> tuple[dict[tuple[float | None, str], Sums], ToyTable]:
        """Sums by rho and method, and every fit of every toy.

        Args:
            executor: Where the blocks are computed; None for a pool of threads.
            workers: Threads of that pool.
            progress: Shows the stage `toys`.
        """
        sums: dict[tuple[float | None, str], Sums] = {}
        ledger = ToyLedger(methods=self.methods, parameters=self.parameters, metadata=self.metadata)
        with worker_pool(executor, workers) as pool, progress("toys", self.n_toys) as advance:
            fit = build(self.plan, executor)
            blocks = in_order(pool, fit, -(-self.n_toys // self.block), workers)
            first = 0
            for some in _grouped(blocks, self.together):
                kept = min(len(some) * self.block, self.n_toys - first)
                for series in zip(*some, strict=True):
                    one = _joined(series, kept)
                    new = self.sum_up(one.fits, one.truth)
                    key = (one.rho, one.method)
                    sums[key] = sums[key] + new if key in sums else new
                    ledger.append(first, one.rho, one.method, one.truth, one.fits)
                first += kept
                advance(kept)
        return sums, ledger.close()


def _grouped(blocks: Iterator[Sequence[Fitted]], size: int) -> Iterator[list[Sequence[Fitted]]]:
    """Blocks in lists of one size; the last may be shorter."""
    while some := list(itertools.islice(blocks, size)):
        yield some


def _joined(series: Sequence[Fitted], kept: int) -> Fitted:
    """One series of several blocks, the toys that were asked for."""
    first = series[0]
    if len(series) == 1:
        return first._replace(truth=first.truth[:kept], fits=first.fits.head(kept))
    return first._replace(
        truth=np.concatenate([one.truth for one in series])[:kept],
        fits=FitBatch.join([one.fits for one in series]).head(kept),
    )


class _Parcel(NamedTuple):
    """A plan on its way to another process; its digest tells it from others."""

    digest: bytes
    content: bytes

    @classmethod
    def of(cls, plan: Plan[Any]) -> Self:
        """Pack it, once for all blocks."""
        content = pickle.dumps(plan)
        return cls(hashlib.sha256(content).digest(), content)

    def __hash__(self) -> int:
        return hash(self.digest)


@lru_cache(maxsize=4)
def _opened(parcel: _Parcel) -> Callable[[int], Any]:
    """What a worker has built of a parcel already."""
    plan: Plan[Any] = pickle.loads(parcel.content)
    return plan.build()


def _work_elsewhere(parcel: _Parcel, index: int) -> Any:
    return _opened(parcel)(index)
