"""The campaign: throw, fit, sum and keep toys, part by part, on any executor."""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import LikelihoodError
from pullfactory.fitting import FitBatch, FitStatus
from pullfactory.progress import Progress, tell
from pullfactory.results.identity import made_here
from pullfactory.results.keeping import Keep, open_parts
from pullfactory.results.ledger import Parts, PartStore
from pullfactory.results.part import Fitted, Head, Layout, Span, joined, toys_of, wanted_spans
from pullfactory.results.sums import Series
from pullfactory.results.toy_fits import STATUS_NAMES
from pullfactory.runs.execution import completed, unnoted, worker_pool
from pullfactory.runs.parcel import Plan, sent

_ENOUGH = 20  # toys that fail alike: the model does not work

FitBlock = Callable[[int], Sequence[Fitted]]
"""From the number of a block of toys to its fits, the same series for every block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """Toys to be thrown and fitted.

    The result depends on neither the executor nor the number of workers.

    Attributes:
        plan: How.
        n_toys: How many.
        block: Toys that are drawn and fitted in one call, from one stream of random numbers or
            more; what the last one has beyond `n_toys` is dropped.
        layout: Of their table.
        sum_up: From the fits of one series and the truth to what is added up over all toys.
        together: Blocks of a part, which is what is computed, kept and lost at once.
        tolerant: Whether workers may have other versions, or processors, than who asks; their parts
            say so.
    """

    plan: Plan[Sequence[Fitted]]
    n_toys: int
    block: int
    layout: Layout
    sum_up: Callable[[FitBatch, NDArray[np.float64]], Series]
    together: int = 1
    tolerant: bool = False

    @property
    def part(self) -> int:
        """Toys of a part."""
        return self.block * self.together

    def build(self) -> Callable[[int], bytes]:
        """What makes one part, in the process that makes it.

        Raises:
            RunError: If other versions or instructions than those of who asks would make it.
        """
        identity = made_here(self.layout.identity, tolerant=self.tolerant)
        here = replace(self, layout=replace(self.layout, identity=identity))
        return partial(here._make, self.plan.build())

    def _make(self, fit: FitBlock, index: int) -> bytes:
        first = index * self.part
        kept = min(self.part, self.n_toys - first)
        at = index * self.together
        blocks = [fit(at + i) for i in range(-(-kept // self.block))]
        fitted = list(joined(blocks, kept))
        sums = {(one.rho, one.method): self.sum_up(one.fits, one.truth) for one in fitted}
        return self.layout.write(first, fitted, sums)

    def run(
        self, executor: Executor | None, workers: int, progress: Progress, keep: Keep | None
    ) -> Parts:
        """Every fit of every toy, with the sums over them.

        Args:
            executor: Where the parts are computed; None for a pool of threads.
            workers: Threads of that pool.
            progress: Shows the stage `toys`.
            keep: Where parts are kept, and which are wanted; None for a temporary file and all.

        Raises:
            OutputError: If they cannot be kept.
            LikelihoodError: If no fit of the first toys has errors, and more are wanted.
            RunError: If parts failed again and again; the others are kept.
        """
        wanted = wanted_spans(self.n_toys, self.part, keep.blocks if keep else None)
        with open_parts(keep, self.layout.identity, self.n_toys, self.part) as kept:
            if kept.note:
                tell(kept.note)
            there = set(kept.parts.spans)
            missing = [span for span in wanted if span not in there]
            with progress("toys", toys_of(wanted)) as advance:
                advance(toys_of(there.intersection(wanted)))
                if missing:
                    with _told(keep, kept.parts):
                        self._fill(kept.parts, missing, executor, workers, advance, keep)
            return kept.parts.chosen(wanted)

    def _fill(
        self,
        parts: PartStore,
        missing: Sequence[Span],
        executor: Executor | None,
        workers: int,
        advance: Callable[[int], None],
        keep: Keep | None,
    ) -> None:
        """Make the parts that are missing, in whatever order they come."""
        spans = {span.first // self.part: span for span in missing}
        hope = bool(parts.spans)
        tried = 0
        failed = keep.note_failed if keep else unnoted
        asked = replace(self, tolerant=keep is not None and keep.tolerant)
        with worker_pool(executor, workers) as pool, sent(asked, executor) as errand:
            for index, content in completed(pool, errand, spans, workers, failed):
                span = spans[index]
                tried += span.stop - span.first
                hope = hope or _has_errors(content)
                if not hope and _ENOUGH <= tried < toys_of(missing):
                    raise LikelihoodError(
                        f"none of the first {tried} toys has a fit with errors "
                        f"({_endings(content)}), so no more are made; look at the rates, the "
                        "bounds and the initial values of the model"
                    )
                parts.store(span, content)
                advance(span.stop - span.first)


def _has_errors(content: bytes) -> bool:
    """Whether any fit of a part has errors."""
    return any(status[: FitStatus.AT_BOUND + 1].any() for status in _statuses(content))


def _endings(content: bytes) -> str:
    """How the fits of a part ended, in words."""
    counts = zip(STATUS_NAMES, np.sum(_statuses(content), axis=0), strict=True)
    return ", ".join(f"{n} {name}" for name, n in counts if n)


def _statuses(content: bytes) -> "list[NDArray[Any]]":
    """How many fits of a part ended how, for each method at each correlation."""
    head = Head.of(io.BytesIO(content))
    return [series["pulls"].status for series in head.unpacked().values()]


@contextmanager
def _told(keep: Keep | None, parts: Parts) -> Iterator[None]:
    """Say what is kept if the body is stopped."""
    try:
        yield
    except BaseException:
        if keep is not None and (toys := toys_of(parts.spans)):
            tell(f"{toys} toys are kept in '{keep.folder}'; the same command goes on")
        raise
