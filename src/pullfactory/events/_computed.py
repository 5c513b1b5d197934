"""Expressions over the branches of a TTree, evaluated by uproot."""

import warnings
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._columns import from_awkward
from ._python import refuse_python
from ._syntax import shorten
from ._ttree import TTreeReader

_SHOWN = 160
_NAMED = 12


def computed(reader: TTreeReader, texts: tuple[str, ...]) -> Iterator[dict[str, NDArray[Any]]]:
    """Values of expressions, in pieces.

    Args:
        reader: Of the tree.
        texts: Expressions.

    Raises:
        EventsError: If an expression is none, or has no number for each event.
    """
    tree, place = reader.tree, reader.place
    aliases = _aliases(tree, place)
    for text in texts:
        if tree.get(text) is None:
            refuse_python(text, {*_branches(tree), *aliases}, place=place)
    for start in range(0, reader.entries, reader.chunk):
        stop = min(start + reader.chunk, reader.entries)
        try:
            values = _evaluated(tree, texts, aliases, start, stop)
        except Exception:
            _refuse_one(reader, texts, aliases, start, stop)
            raise
        yield {text: _column(values[text], text, place, stop - start) for text in texts}


def _branches(tree: Any) -> set[str]:
    """Names of all branches, as uproot knows them."""
    return {*tree.keys(recursive=True, full_paths=False), *tree.keys(recursive=True)}


def _aliases(tree: Any, place: str) -> dict[str, str]:
    """Those of the tree that compute numbers: what is in a file is not run."""
    found = dict(tree.aliases)
    names = {*_branches(tree), *found}
    return {name: text for name, text in found.items() if _computes(text, names, place)}


def _computes(text: str, names: set[str], place: str) -> bool:
    try:
        refuse_python(text, names, place=place)
    except EventsError:
        return False
    return True


def _evaluated(
    tree: Any, texts: tuple[str, ...], aliases: Mapping[str, str], start: int, stop: int
) -> Mapping[str, Any]:
    """As `uproot.iterate` does it for cabinetry, without a cut."""
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        values: Mapping[str, Any] = tree.arrays(
            list(texts),
            aliases=aliases,
            entry_start=start,
            entry_stop=stop,
            library="ak",
            how=dict,
        )
    return values


def _column(values: Any, text: str, place: str, rows: int) -> NDArray[Any]:
    said = shorten(text)
    if not hasattr(values, "type"):  # uproot leaves numbers as they are
        raise EventsError(f"{place}: {said!r} is the same for all events; name a branch in it")
    if values.ndim != 1:
        raise EventsError(
            f"{place}: {said!r} has not one number per event; choose one, as in x[:, 0]"
        )
    found = from_awkward(values, name=text, place=place)
    if len(found) != rows:
        raise EventsError(f"{place}: {said!r} has {len(found)} numbers for {rows} events; mend it")
    if found.dtype.kind not in "biuf":
        raise EventsError(f"{place}: {said!r} is {found.dtype}; give numbers")
    return found


def _refuse_one(
    reader: TTreeReader,
    texts: tuple[str, ...],
    aliases: Mapping[str, str],
    start: int,
    stop: int,
) -> None:
    """Name the expression that failed; none is named if a branch cannot be read."""
    import uproot

    tree, place = reader.tree, reader.place
    for text in texts:
        here = f"{place}: uproot does not evaluate {shorten(text)!r}"
        try:
            _evaluated(tree, (text,), aliases, start, stop)
        except uproot.KeyInFileError as error:
            name = str(error.key)
            near = get_close_matches(name, tree.keys(), n=3) or tree.keys()[:_NAMED]
            raise EventsError(
                f"{here}: {name!r} is no branch and no function of uproot; use for example "
                f"{', '.join(map(repr, near))}"
            ) from None
        except SyntaxError as error:
            raise EventsError(f"{here} ({_first_line(error)}); mend it") from None
        except Exception as error:  # noqa: BLE001  of awkward, numpy or Python itself
            _read(tree, text, aliases, start, stop)
            raise EventsError(
                f"{here} ({_first_line(error)}); put comparisons in parentheses, join them by & "
                "and |, and choose one number per event, as in x[:, 0]"
            ) from None


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:_SHOWN]


def _read(tree: Any, text: str, aliases: Mapping[str, str], start: int, stop: int) -> None:
    """Read the branches of an expression alone, which fails where they are damaged."""
    from uproot.language.python import python_language

    keys = _branches(tree)
    used = python_language.free_symbols(text, keys, aliases, tree.file.file_path, tree.object_path)
    for name in used:
        if name in keys:
            tree[name].array(entry_start=start, entry_stop=stop, library="ak")
