"""Toys that are kept while they are made: a run that dies goes on where it was.

A run in progress is a folder beside its result, `NAME.partial`, with the parts that are done and a
description of everything that decides their numbers. The number of toys is not among that: more of
them are the same toys and others.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pullfactory.errors import OutputError
from pullfactory.files import is_partial, short_name
from pullfactory.results.command import Command
from pullfactory.results.identity import given, require_alike
from pullfactory.results.ledger import PartFolder, PartScratch, PartStore, link_or_copy
from pullfactory.results.part import Head, Span, toys_of
from pullfactory.results.pull_sums import TOYS
from pullfactory.results.running import CAMPAIGN, Running
from pullfactory.results.workplace import held

PARTIAL = ".partial"
"""What the name of a running result ends with."""

_TRIES = 9  # to hold a folder that others make and remove


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Where toys are kept until their result is written.

    Attributes:
        folder: Of the parts, made if it is not there; removed by `remove`.
        earlier: Folder of a result whose toys may be taken, if they are the same; None for none.
        fresh: Whether what is there is thrown away.
        tolerant: Whether parts that another version, or a processor with other instructions, has
            made may be continued: numbers then agree to about 1e-12.
        blocks: First and last block that are made, of those that all toys are divided into; None
            for all.
        command: What was asked for on the command line, which `merge` names where blocks are
            missing.
        is_reserved: Whether nobody else touches the folder; see `reserved`.
    """

    folder: Path
    earlier: Path | None = None
    fresh: bool = False
    tolerant: bool = False
    blocks: tuple[int, int] | None = None
    command: Command | None = None
    is_reserved: bool = False

    @classmethod
    def of(cls, keep: "Keep | str | Path | None") -> "Keep | None":
        """What a verb was given.

        Args:
            keep: The folder, or more; None for none.
        """
        return keep if keep is None or isinstance(keep, Keep) else cls(folder=Path(keep))

    @classmethod
    def beside(cls, result: Path, **options: Any) -> Self:
        """Where the toys of a result are kept.

        Args:
            result: Its folder.
            options: What else there is to say.
        """
        return cls(folder=partial_folder(result), earlier=result, **options)

    @property
    def toys(self) -> Path:
        """Folder of the parts."""
        return self.folder / TOYS

    @contextmanager
    def reserved(self) -> Iterator[Self]:
        """Hold the folder, which no other run touches as long as the context lasts.

        It goes if nothing worth keeping is in it.

        Yields:
            The same, which knows that it is held.

        Raises:
            OutputError: If the folder holds something else, is held by another run, or cannot be
                written.
        """
        if self.is_reserved:
            yield self
            return
        made = [parent for parent in self.folder.parents if not parent.exists()]
        with ExitStack() as stack:
            stack.callback(_remove_empty, made)
            with _writing(self.folder):
                stack.enter_context(_reserve(self))
            stack.callback(self._tidy)
            yield replace(self, is_reserved=True)

    def _tidy(self) -> None:
        """Remove the folder, unless something is there to go on with, or to ask for."""
        told = Running.found(self.folder)
        with suppress(OSError):
            toys = self.toys.is_dir() and PartFolder(path=self.toys).spans
            if not toys and not (told and told.failed):
                self.remove()

    def note_failed(self, block: int, why: str) -> None:
        """Keep that a block failed for good; nothing where there is no room for that.

        Args:
            block: Its number.
            why: In words.
        """
        told = Running.found(self.folder)
        if told is not None:
            with suppress(OSError):
                replace(told, failed={**told.failed, block: why}).write(self.folder)

    def remove(self) -> None:
        """Remove the folder and what it holds of ours; nothing else."""
        with suppress(OSError):
            for path in self.toys.iterdir():
                if Span.of(path.name):
                    path.unlink(missing_ok=True)
            self.toys.rmdir()
        with suppress(OSError):
            for path in self.folder.iterdir():
                if path.name == CAMPAIGN or _is_unfinished(path.name):
                    path.unlink(missing_ok=True)
            self.folder.rmdir()


def partial_folder(result: Path) -> Path:
    """Where the toys of a result are while they are made.

    Args:
        result: Its folder.
    """
    named = result if result.name else result.absolute()  # that where we are
    return named.parent / f"{short_name(named.name)}{PARTIAL}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Where the parts of a run go, and what was there.

    Attributes:
        parts: The parts.
        note: What to tell the user of what was there; empty for nothing.
    """

    parts: PartStore
    note: str = ""


@contextmanager
def open_parts(keep: Keep | None, identity: str, n_toys: int, block: int) -> Iterator[Kept]:
    """The parts that a run goes on with, which no other run touches as long as the body lasts.

    Args:
        keep: Where they are kept; None for a temporary file.
        identity: From `identity_of`.
        n_toys: How many toys there will be.
        block: Toys of a part.

    Raises:
        OutputError: If the folder holds something else, belongs to another run or to one that is
            still at work, or cannot be written.
    """
    if keep is None:
        yield Kept(parts=PartScratch())
        return
    with keep.reserved():
        with _writing(keep.folder):
            keep.toys.mkdir(exist_ok=True)
            kept = _find(keep, json.loads(identity))
            before = toys_of(s for s in kept.parts.spans if s.is_block(n_toys, block))
            Running.begin(keep.folder, identity, n_toys, block, keep.command, before)
        yield kept


def _reserve(keep: Keep) -> ExitStack:
    """Make the folder, and hold it until the stack is closed."""
    for _ in range(_TRIES):
        _refuse_other(keep.folder)
        keep.folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError), ExitStack() as stack:  # another run may remove it
            lock = stack.enter_context(held(keep.folder))
            if lock is None or os.path.samestat(os.fstat(lock), keep.folder.stat()):
                _refuse_foreign(keep)
                return stack.pop_all()
    raise BlockingIOError


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Say what is wrong with a folder if the body cannot write to it."""
    try:
        yield
    except OutputError:
        raise
    except BlockingIOError:
        raise OutputError(
            f"'{folder}' is in use by another run; wait for it, or choose another --output"
        ) from None
    except OSError as error:
        raise OutputError(
            f"'{folder}' cannot be written ({error.strerror or error}); choose another --output"
        ) from None


def _refuse_foreign(keep: Keep) -> None:
    """Refuse a folder that has more than toys of a run."""
    _refuse_other(keep.toys)
    for folder in (keep.folder, keep.toys):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path != keep.toys and not _is_ours(path, keep):
                raise OutputError(
                    f"'{folder}' holds something else than toys of a run: {path.name!r}; "
                    "remove it, or choose another --output"
                )


def _refuse_other(folder: Path) -> None:
    """Refuse what is no folder, or leads to one."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise OutputError(f"'{folder}' is no folder; remove it, or choose another --output")


def _is_ours(path: Path, keep: Keep) -> bool:
    named = Span.of(path.name) if path.parent == keep.toys else _is_file(path.name)
    return bool(named) and path.is_file() and not path.is_symlink()


def _is_file(name: str) -> bool:
    return name == CAMPAIGN or _is_unfinished(name)


def _is_unfinished(name: str) -> bool:
    """Whether a file is one that a killed run was writing."""
    return name.startswith(".part-") or is_partial(name, CAMPAIGN)


def _find(keep: Keep, wanted: Mapping[str, Any]) -> Kept:
    """Parts that are there, or those of an earlier result; what a killed run was writing goes."""
    parts = PartFolder(path=keep.toys, passing=True)
    for path in keep.folder.iterdir():
        if _is_unfinished(path.name):
            path.unlink(missing_ok=True)
    if keep.fresh:
        _drop(parts, parts.spans)
        (keep.folder / CAMPAIGN).unlink(missing_ok=True)
        return Kept(parts=parts)
    _drop(parts, set(parts.spans) - set(_readable(parts, wanted, keep)))
    longest = {span.first: span for span in parts.spans}
    _drop(parts, set(parts.spans) - set(longest.values()))  # the last, when toys were fewer
    note = f"{toys_of(parts.spans)} toys are in '{keep.folder}' already: continued"
    taken = _take(keep.earlier, wanted, keep, parts) if keep.earlier else ""
    return Kept(parts=parts, note=note if longest else taken)


def _take(earlier: Path, wanted: Mapping[str, Any], keep: Keep, parts: PartFolder) -> str:
    """Take parts of an earlier result, if they are the same toys; what to tell of them."""
    toys = earlier / TOYS
    if not toys.is_dir() or toys.is_symlink():
        return ""
    source = PartFolder(path=toys)
    head = next(_heads(source), None)
    if head is None or _study(head[1].described) != _study(wanted):
        return ""
    taken = _readable(source, wanted, keep)
    for span in set(taken) - set(parts.spans):
        link_or_copy(toys / span.name, parts.path / span.name)
    return f"'{earlier}' has {toys_of(taken)} of these toys already; --fresh makes them again"


def _study(described: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked for, however its toys are divided."""
    return {key: value for key, value in given(described).items() if key != "block"}


def _readable(parts: PartFolder, wanted: Mapping[str, Any], keep: Keep) -> list[Span]:
    """Parts that are whole; refused if they are of other toys."""
    folder = parts.path.parent
    where = f"'{folder}' holds other toys ({{what}}); --fresh starts anew"
    found, last = [], ""
    for span, head in _heads(parts):
        if head.identity != last:
            described, last = head.described, head.identity
            if wanted["block"] != described["block"] and _study(wanted) == _study(described):
                raise OutputError(
                    f"'{folder}' has toys in blocks of {described['block']}, and these would be in "
                    f"blocks of {wanted['block']}: calibration.replicas ties them to the number of "
                    "toys, so no more can be added; --fresh starts anew"
                )
            require_alike(wanted, described, where, tolerant=keep.tolerant)
        found.append(span)
    return found


def _heads(parts: PartFolder) -> Iterator[tuple[Span, Head]]:
    """What each part that is whole says of itself."""
    for span in parts.spans:
        try:
            with parts.open(span) as file:
                head = Head.of(file)
        except (OSError, ValueError, LookupError):
            continue
        yield span, head


def _drop(parts: PartFolder, spans: Iterable[Span]) -> None:
    for span in spans:
        (parts.path / span.name).unlink(missing_ok=True)
