"""Lines run in processes, several at once."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from benchmarks.verdicts.figures import Figures, run_line
from benchmarks.verdicts.lines import Line

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Audits of one line.

    Attributes:
        line: Which.
        audits: How many.
        seed: Of all that is drawn.
        most: Seconds of processor time after which no other audit begins; None for no limit.
    """

    line: Line
    audits: int
    seed: int
    most: float | None

    def run(self) -> Figures:
        """Run them here."""
        return run_line(self.line, self.audits, self.seed, most=self.most)


def run_tasks(tasks: Sequence[Task], processes: int) -> Iterator[Figures]:
    """Figures of lines, as they are finished.

    Args:
        tasks: The lines.
        processes: How many run at once; 1: here.
    """
    if processes == 1:
        yield from map(Task.run, tasks)
        return
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # of the processes that are begun here
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for done in as_completed([pool.submit(task.run) for task in tasks]):
            yield done.result()
