"""Who makes the samples of a calibration."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class Crew(Protocol):
    """Workers that are given one task for many indices; the results do not depend on them."""

    @property
    def here(self) -> bool:
        """Whether tasks share what is in the memory of this process."""

    def each(
        self, task: Callable[[int], Result], indices: Iterable[int], what: str
    ) -> Iterator[tuple[int, Result]]:
        """Results as they come, each with its index.

        Args:
            task: What is done; picklable unless it is done here.
            indices: What it is done for.
            what: Tasks, as people call them.
        """
