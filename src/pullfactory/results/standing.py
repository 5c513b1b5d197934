"""How far toys are: those of a run in progress, of a shard, or of a result."""

import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pullfactory.errors import OutputError
from pullfactory.fitting import FitStatus
from pullfactory.results.contents import require_plain
from pullfactory.results.damage import complete
from pullfactory.results.keeping import partial_folder
from pullfactory.results.ledger import PartFolder
from pullfactory.results.part import toys_of
from pullfactory.results.pull_sums import TOYS
from pullfactory.results.reading import read
from pullfactory.results.running import CAMPAIGN, Running
from pullfactory.results.workplace import lock_folder


class FailedBlock(NamedTuple):
    """A block that failed for good.

    Attributes:
        block: Its number.
        why: In words.
    """

    block: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far toys are.

    Attributes:
        folder: Where.
        state: `running`, `stopped` or `finished`.
        blocks: Blocks that all toys are divided into.
        done: Those that are done.
        missing: Those that are not.
        toys: Toys that are done.
        wanted: Toys that were asked for.
        failed: Fits of them that gave no errors.
        per_second: Toys a second since it began, or went on; None where that is not known.
        failed_blocks: Blocks that failed for good when they were last tried.
    """

    folder: str
    state: str
    blocks: int
    done: int
    missing: int
    toys: int
    wanted: int
    failed: int
    per_second: float | None
    failed_blocks: tuple[FailedBlock, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "failed_blocks": [one._asdict() for one in self.failed_blocks]}


def standing(folder: str | Path) -> Standing:
    """How far the toys in a folder are.

    Args:
        folder: Of a result, or of one in progress, `NAME.partial`; where only that is there, the
            name of the result is enough.

    Raises:
        OutputError: If there are no toys in parts.
    """
    folder = Path(folder)
    if (partial_folder(folder) / CAMPAIGN).exists():
        folder = partial_folder(folder)
    if not (folder / TOYS).is_dir():
        raise OutputError(f"'{folder}' holds no toys in parts; give the folder of a run")
    require_plain(folder)
    parts = PartFolder(path=folder / TOYS)
    with complete(folder, TOYS):
        failed = sum(
            int(series["pulls"].status[FitStatus.AT_BOUND + 1 :].sum())
            for series in parts.sums().values()
        )
        asked = _asked(folder, parts)
        n_toys, block = asked.n_toys, asked.block
        last = max(((parts.path / s.name).stat().st_mtime for s in parts.spans), default=0.0)
        wanted = [span for span in parts.spans if span.is_block(n_toys, block)]
    blocks = -(-n_toys // block)
    toys = toys_of(wanted)
    return Standing(
        folder=str(folder),
        state=_state(folder),
        blocks=blocks,
        done=len(wanted),
        missing=blocks - len(wanted),
        toys=toys,
        wanted=n_toys,
        failed=failed,
        per_second=_rate(toys - asked.before, last - asked.started),
        failed_blocks=tuple(FailedBlock(*one) for one in sorted(asked.failed.items())),
    )


def _asked(folder: Path, parts: PartFolder) -> Running:
    """What the toys are of; when a result was begun is not known."""
    if (folder / CAMPAIGN).exists():
        return Running.read(folder)
    n_toys = getattr(read(folder), "n_toys", None) or 0
    described = next(parts.heads()).described
    block = int(described["block"])
    return Running(n_toys=int(n_toys), block=block, started=math.inf, identity=described)


def _rate(toys: int, seconds: float) -> float | None:
    """Toys a second; None where nothing has come."""
    return toys / seconds if toys > 0 and seconds > 0 else None


def _state(folder: Path) -> str:
    if not (folder / CAMPAIGN).exists():
        return "finished"
    try:
        lock = lock_folder(folder)
    except BlockingIOError:
        return "running"
    if lock is not None:
        os.close(lock)
    return "stopped"
