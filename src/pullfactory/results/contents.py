"""What lies in the folder of a result: known by its manifest, or by its numbers, file by file."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pullfactory.errors import OutputError
from pullfactory.files import is_partial, read_json
from pullfactory.report.figures import (
    AUDIT,
    CLOSURE,
    PREDICTION,
    SCAN,
    SELECTION,
    SHARING,
    STUDY,
    TOYS,
    Kinds,
    figure_names,
)
from pullfactory.results.manifest import MANIFEST, read_manifest
from pullfactory.results.mounts import is_mount
from pullfactory.results.part import Span
from pullfactory.results.report import REPORT
from pullfactory.settings.fields import FIGURE_FORMATS

Numbers = Mapping[str, Any]

CALIBRATION = "calibration.json"

_TABLE = "toys.parquet"
_FOLDERS = ("figures", "tables", "workspaces", _TABLE)


class Contents(NamedTuple):
    """What lies in a folder.

    Attributes:
        files: Paths in it of the files of a result of ours, numbers and manifest last.
        foreign: What else lies there, in words; None if there is nothing.
    """

    files: tuple[str, ...]
    foreign: str | None


def find_foreign(folder: Path) -> str | None:
    """What lies in a folder and is not of a result of ours.

    A folder is a result's by all of its files: its manifest says which files were written with
    which content, and every other entry is foreign. Without a manifest, as earlier versions wrote,
    its numbers say which files belong to these. So is what has the name of a file of ours and is
    a link, a folder, a pipe or a mount point.

    Args:
        folder: Exists.

    Returns:
        The first foreign entry, as a path in the folder, in quotes; None if there is none.

    Raises:
        OSError: If the folder cannot be read.
    """
    return look_into(folder).foreign


def look_into(folder: Path) -> Contents:
    """What lies in a folder, and what of it is of a result of ours; see `find_foreign`.

    Args:
        folder: Exists.

    Raises:
        OSError: If the folder cannot be read.
    """
    listed = read_manifest(folder)
    inner = {*_FOLDERS, *(name.partition("/")[0] for name in listed or ())}
    entries = dict(_entries(folder, inner))
    kind = next((kind for kind in _FILES if entries.get(f"{kind}.json")), None)
    known = _by_numbers(folder, kind) if listed is None else {*listed, MANIFEST}
    if listed is None and _TABLE in known:
        known |= {name for name in entries if _is_part(name)}
    if known:
        known |= {name for name in entries if is_partial(name, MANIFEST, REPORT)}  # after a kill
    files, foreign = [], None
    for name, plain in entries.items():
        written = listed.get(name) if listed else None
        if not plain or name not in known:
            foreign = foreign or repr(name)
        elif written is not None and not written.is_still(folder / name):
            foreign = foreign or f"{name!r}, which was changed"
        else:
            files.append(name)
    last = (f"{kind}.json", MANIFEST)  # what is left of a removal is still known
    order = sorted(files, key=lambda name: last.index(name) if name in last else -1)
    return Contents(tuple(order), foreign)


def require_plain(folder: Path) -> None:
    """Refuse to read a folder, of a stranger perhaps, in which not all is files and folders.

    Args:
        folder: May be missing.

    Raises:
        OutputError: If a link, a pipe or a device lies where a result has files.
    """
    for place in (folder, *(folder / name for name in _FOLDERS)):
        try:
            with os.scandir(place) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise OutputError(
                f"'{place}' cannot be read ({error.strerror}); make it readable"
            ) from None
        except ValueError:
            raise OutputError(f"'{place}' holds a null character; name another folder") from None
        for entry in entries:
            if entry.is_symlink():
                raise OutputError(
                    f"'{entry.path}' is a link, which is not followed; put the file there"
                )
            if not (entry.is_file() or entry.is_dir()):  # to read a pipe is to wait
                raise OutputError(f"'{entry.path}' is no file; remove it")


def remove_contents(folder: Path, files: Iterable[str]) -> None:
    """Remove files of a result, and the folder if nothing else lies in it.

    Args:
        folder: Of the result.
        files: Paths in it.

    Raises:
        OSError: If something cannot be removed, or something else is there.
    """
    names = tuple(files)
    inner = {name.partition("/")[0] for name in names if "/" in name} | {*_FOLDERS}
    for name in names:
        if "/" in name:
            (folder / name).unlink(missing_ok=True)
    for name in inner:
        with suppress(FileNotFoundError, NotADirectoryError):
            (folder / name).rmdir()
    for name in names:
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()


def _is_part(name: str) -> bool:
    """Whether a path in a folder is that of a part of toys."""
    table, _, part = name.partition("/")
    return table == _TABLE and Span.of(part) is not None


def _by_numbers(folder: Path, kind: str | None) -> set[str]:
    """Files of a result without a manifest; none if its numbers are not ours, or damaged."""
    if kind is None:
        return set()
    try:
        numbers = read_json(folder / f"{kind}.json")
        if str(numbers["schema"]).startswith(f"pullfactory-{kind}/"):
            return set(result_files(kind, numbers))
    except (AttributeError, LookupError, OSError, TypeError, ValueError):
        pass
    return set()


def result_files(kind: str, numbers: Numbers) -> frozenset[str]:
    """Paths of all files that a result may have, in its folder.

    Args:
        kind: Name of its numbers without ending, such as "summary".
        numbers: Content of that file.

    Raises:
        AttributeError, LookupError, TypeError, ValueError: If the numbers lack what names files.
    """
    return frozenset({f"{kind}.json", *_FILES[kind](numbers)})


def _entries(folder: Path, inner: Collection[str]) -> Iterator[tuple[str, bool]]:
    """Entries of a folder and of those in it that we make, and whether each is a plain file."""
    for entry in _sorted(folder):
        own = entry.name in inner and entry.is_dir(follow_symlinks=False)
        if own and not is_mount(entry.path):
            for one in _sorted(Path(entry.path)):
                yield f"{entry.name}/{one.name}", one.is_file(follow_symlinks=False)
        else:
            yield entry.name, entry.is_file(follow_symlinks=False)


def _sorted(folder: Path) -> "list[os.DirEntry[str]]":
    with os.scandir(folder) as found:
        return sorted(found, key=lambda entry: entry.name)


# --- the files of each kind of result --------------------------------------------------------


def _figures(kinds: Kinds, **names: Iterable[str]) -> Iterator[str]:
    stems = figure_names(kinds, names)
    return (f"figures/{stem}.{ending}" for stem in stems for ending in FIGURE_FORMATS)


def _names(described: Any) -> list[str]:
    return [one["name"] for one in described]


def _methods(numbers: Numbers) -> list[str]:
    return list(dict.fromkeys(row["method"] for row in numbers["pulls"]))


def _of_summary(numbers: Numbers) -> Iterator[str]:
    return _of_toys() if numbers.get("study") is None else _of_study(numbers)


def _of_toys() -> Iterator[str]:
    return chain((_TABLE, "failures.csv", "report.html"), _figures(TOYS))


def _of_study(numbers: Numbers) -> Iterator[str]:
    study = numbers["study"]
    observables, scan = _names(study["observable"]), study["ensemble"]["rho"]
    return chain(
        (_TABLE, "failures.csv", "report.html", "study.toml", CALIBRATION),
        (f"workspaces/{study['name']}.json",),
        (f"workspaces/joint_rho_{rho:g}.json" for rho in scan),
        _figures(STUDY, observable=observables, method=_methods(numbers)),
    )


def _of_closure(numbers: Numbers) -> Iterator[str]:
    return chain(_of_study_alone(CLOSURE, numbers), (CALIBRATION,))


def _of_audit(numbers: Numbers) -> Iterator[str]:
    config = numbers["config"]
    name = config["name"]
    tables = (
        *("response", "goodness", "errors", "correlations", "bin_pairs", "samples", "sets"),
        *("data", "failures", "calibration", "calibration_lines"),
    )
    return chain(
        (_TABLE, "report.html", "audit.toml", "templates.json"),
        (f"workspaces/{name}.json", f"workspaces/{name}_joint.json"),
        (f"tables/{table}.csv" for table in tables),
        _figures(AUDIT, parameter=_shown(numbers), method=_methods(numbers)),
    )


def _shown(numbers: Numbers) -> set[str]:
    """Parameters of an audit, those of its file and those of its errors."""
    return {*_names(numbers["config"]["parameter"]), *(r["parameter"] for r in numbers["errors"])}


def _of_scan(numbers: Numbers) -> Iterator[str]:
    scan = dict.fromkeys(row["rho"] for row in numbers["rows"])
    endings = ("", *(f"{rho:g}" for rho in scan if rho is not None))
    return chain(("study.toml",), _figures(SCAN, rho=endings))


def _of_workspace_audit(_numbers: Numbers) -> Iterator[str]:
    covariance = (f"covariance{ending}" for ending in (".json", ".npz", "_hs3.json"))
    return chain(("errors.csv", "shared.csv", "report.html"), covariance, _figures(SHARING))


def _of_study_alone(kinds: Kinds, _numbers: Numbers) -> Iterator[str]:
    return chain(("study.toml",), _figures(kinds))


_FILES: Mapping[str, Callable[[Numbers], Iterator[str]]] = MappingProxyType(
    {
        "summary": _of_summary,
        "prediction": partial(_of_study_alone, PREDICTION),
        "selection": partial(_of_study_alone, SELECTION),
        "bootstrap": partial(_of_study_alone, {}),
        "closure": _of_closure,
        "scan": _of_scan,
        "audit": _of_audit,
        "workspace_audit": _of_workspace_audit,
    }
)
