"""Shards joined: results of some blocks of the same toys become the result of all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pullfactory.errors import OutputError
from pullfactory.results.audit import AuditResult
from pullfactory.results.command import range_text
from pullfactory.results.contents import require_plain
from pullfactory.results.damage import complete
from pullfactory.results.identity import require_alike
from pullfactory.results.ledger import PartFiles, PartFolder
from pullfactory.results.manifest import read_command
from pullfactory.results.part import Span, described_by
from pullfactory.results.pull_sums import TOYS
from pullfactory.results.reading import read
from pullfactory.results.running import CAMPAIGN
from pullfactory.results.study import StudyResult
from pullfactory.results.toys import ToysResult

_MOST = 9  # gaps for which the command is told at once

Joinable = StudyResult | ToysResult | AuditResult


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shard:
    folder: Path
    identities: tuple[str, ...]
    places: Mapping[Span, Path]

    @classmethod
    def of(cls, folder: Path) -> "_Shard":
        """What a folder has of toys.

        Args:
            folder: Of a result, or of one in progress.

        Raises:
            OutputError: If there is none in parts.
        """
        require_plain(folder)
        toys = folder / TOYS
        if not toys.is_dir():
            why = "are one file of an earlier version" if toys.exists() else "are not there"
            raise OutputError(f"'{folder}' holds no shard: its toys {why}")
        parts = PartFolder(path=toys)
        with complete(folder, TOYS):
            identities = tuple(dict.fromkeys(head.identity for head in parts.heads()))
        if not identities:
            raise OutputError(f"'{folder}' holds no toys yet; leave it out")
        return cls(
            folder=folder,
            identities=identities,
            places={span: toys / span.name for span in parts.spans},
        )

    @property
    def described(self) -> Iterator[dict[str, Any]]:
        """What decided the numbers of its toys, once for each who made some."""
        return map(described_by, self.identities)


def merge(folders: Sequence[str | Path], *, tolerant: bool = False) -> Joinable:
    """Join shards: what `--blocks` made of the same toys, in any order.

    Args:
        folders: Of the shards. Some may be toys in progress, `NAME.partial`.
        tolerant: Whether shards of other versions, or of processors with other instructions, may be
            joined: numbers then agree to about 1e-12.

    Returns:
        The result of all toys, as one run gives it.

    Raises:
        OutputError: If a folder holds no shard, shards are of other toys, overlap and differ, or
            leave a gap.
    """
    shards = [_Shard.of(Path(folder)) for folder in folders]
    if not shards:
        raise OutputError("there is nothing to merge; give the folders of shards")
    first = shards[0]
    with complete(first.folder, TOYS):
        wanted = next(first.described)
    for shard in shards:
        where = f"'{shard.folder}' has other toys than '{first.folder}' ({{what}}); leave it out"
        with complete(shard.folder, TOYS):
            for described in shard.described:
                require_alike(wanted, described, where, tolerant=tolerant)
    whole = next((s for s in shards if not (s.folder / CAMPAIGN).exists()), None)
    if whole is None:
        raise OutputError(
            f"'{shards[0].folder}' and all others are in progress; let one finish with --blocks"
        )
    result = read(whole.folder)
    assert isinstance(result, Joinable)
    exact = len({text for shard in shards for text in shard.identities}) == 1
    places = _joined(shards, exact=exact)
    _require_all(whole, result, wanted, places)
    return result.with_toys(PartFiles(places=places))


def _joined(shards: Sequence[_Shard], *, exact: bool) -> dict[Span, Path]:
    """The file of each part; of two that are the same one."""
    found: dict[Span, Path] = {}
    for shard in shards:
        for span, path in shard.places.items():
            known = found.setdefault(span, path)
            if known is not path and exact and not _are_equal(known, path):
                raise OutputError(
                    f"'{path}' and '{known}' are the same toys and differ; make one of them again"
                )
    return found


def _are_equal(one: Path, other: Path) -> bool:
    """Whether two parts have the same rows, whatever packed them."""
    try:
        if one.read_bytes() == other.read_bytes():
            return True
        read_rows = partial(pq.read_table, page_checksum_verification=True)
        return bool(read_rows(one).equals(read_rows(other)))
    except (OSError, ValueError):
        return False


def _require_all(
    whole: _Shard, result: Joinable, described: Mapping[str, Any], places: Mapping[Span, Path]
) -> None:
    """Refuse gaps, and toys that were not asked for."""
    if result.n_toys is None:
        raise OutputError("it is not known how many toys there should be; make the shards again")
    n_toys, block = result.n_toys, int(described["block"])
    for span in places:
        if not span.is_block(n_toys, block):
            raise OutputError(
                f"'{places[span]}' is not among the blocks of {result.n_toys} toys; "
                "merge shards of the same number of toys"
            )
    blocks = -(-n_toys // block)
    there = (-1, *sorted(span.first // block for span in places), blocks)
    gaps = [(one + 1, two - 1) for one, two in pairwise(there) if two - one > 1]
    if gaps:
        raise OutputError(
            f"blocks {', '.join(map(range_text, gaps))} of {blocks} are missing; "
            f"{_remedy(whole, gaps)}"
        )


def _remedy(whole: _Shard, gaps: Sequence[tuple[int, int]]) -> str:
    """What makes the blocks that are missing as those of a shard were made."""
    command = read_command(whole.folder)
    if command is None:
        return f"make them in Python as the others, with keep = Keep.beside(..., blocks={gaps[0]})"
    lines = [
        command.line(gap, whole.folder.with_name(f"{whole.folder.name}+{range_text(gap)}"))
        for gap in gaps[:_MOST]
    ]
    return f"make them: {' && '.join(lines)}"
