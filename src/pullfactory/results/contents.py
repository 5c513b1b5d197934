"""What lies in the folder of a result: known by its numbers, file by file."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pullfactory.files import read_json
from pullfactory.report.figures import (
    AUDIT,
    CLOSURE,
    PREDICTION,
    SCAN,
    SELECTION,
    STUDY,
    TOYS,
    Kinds,
    figure_names,
)
from pullfactory.settings.fields import FIGURE_FORMATS

Numbers = Mapping[str, Any]

_FOLDERS = ("figures", "tables", "workspaces")


def find_foreign(folder: Path) -> str | None:
    """What lies in a folder and is not of a result of ours.

    A folder is a result's by all of its files: one that holds numbers of ours says which files
    belong to these, and every other entry is foreign. So is what has the name of a file of ours
    and is a link, a folder, a pipe or a mount point.

    Args:
        folder: Exists.

    Returns:
        The first foreign entry, as a path in the folder; None if there is none.

    Raises:
        OSError: If the folder cannot be read.
    """
    entries = dict(_entries(folder))
    if not entries:
        return None
    kind = next((kind for kind in _FILES if entries.get(f"{kind}.json")), None)
    known: frozenset[str] = frozenset()
    if kind:
        try:
            numbers = read_json(folder / f"{kind}.json")
            if str(numbers["schema"]).startswith(f"pullfactory-{kind}/"):
                known = result_files(kind, numbers)
        except (AttributeError, LookupError, OSError, TypeError, ValueError):
            pass  # damaged, and so not known to be ours
    return next((name for name, plain in entries.items() if not plain or name not in known), None)


def result_files(kind: str, numbers: Numbers) -> frozenset[str]:
    """Paths of all files that a result may have, in its folder.

    Args:
        kind: Name of its numbers without ending, such as "summary".
        numbers: Content of that file.

    Raises:
        AttributeError, LookupError, TypeError, ValueError: If the numbers lack what names files.
    """
    return frozenset({f"{kind}.json", *_FILES[kind](numbers)})


def _entries(folder: Path) -> Iterator[tuple[str, bool]]:
    """Entries of a folder and of those in it that we make, and whether each is a plain file."""
    for entry in _sorted(folder):
        own = entry.name in _FOLDERS and entry.is_dir(follow_symlinks=False)
        if own and not os.path.ismount(entry.path):
            for inner in _sorted(Path(entry.path)):
                yield f"{entry.name}/{inner.name}", inner.is_file(follow_symlinks=False)
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
    return chain(("toys.parquet", "failures.csv", "report.html"), _figures(TOYS))


def _of_study(numbers: Numbers) -> Iterator[str]:
    study = numbers["study"]
    observables, scan = _names(study["observable"]), study["ensemble"]["rho"]
    return chain(
        ("toys.parquet", "failures.csv", "report.html", "study.toml", "calibration.json"),
        (f"workspaces/{study['name']}.json",),
        (f"workspaces/joint_rho_{rho:g}.json" for rho in scan),
        _figures(STUDY, observable=observables, method=_methods(numbers)),
    )


def _of_audit(numbers: Numbers) -> Iterator[str]:
    config = numbers["config"]
    name = config["name"]
    tables = (
        *("response", "goodness", "errors", "correlations", "bin_pairs", "samples", "sets"),
        *("data", "failures"),
    )
    return chain(
        ("toys.parquet", "report.html", "audit.toml", "templates.json"),
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


def _of_study_alone(kinds: Kinds, _numbers: Numbers) -> Iterator[str]:
    return chain(("study.toml",), _figures(kinds))


_FILES: Mapping[str, Callable[[Numbers], Iterator[str]]] = MappingProxyType(
    {
        "summary": _of_summary,
        "prediction": partial(_of_study_alone, PREDICTION),
        "selection": partial(_of_study_alone, SELECTION),
        "bootstrap": partial(_of_study_alone, {}),
        "closure": partial(_of_study_alone, CLOSURE),
        "scan": _of_scan,
        "audit": _of_audit,
    }
)
