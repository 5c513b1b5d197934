"""What lies in the folder of a result: known by its numbers, file by file."""

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pullfactory.files import read_json
from pullfactory.settings.fields import FIGURE_FORMATS

__all__ = ["find_foreign", "result_files"]

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


def _figures(*stems: str) -> Iterator[str]:
    return (f"figures/{stem}.{ending}" for stem in stems for ending in FIGURE_FORMATS)


def _names(described: Any) -> list[str]:
    return [one["name"] for one in described]


def _of_summary(numbers: Numbers) -> Iterator[str]:
    return _of_toys() if numbers.get("study") is None else _of_study(numbers)


def _of_toys() -> Iterator[str]:
    stems = ("pulls", "pull_ecdf", "minimum_nll", "correlation")
    return chain(("toys.parquet", "report.html"), _figures(*stems))


def _of_study(numbers: Numbers) -> Iterator[str]:
    study = numbers["study"]
    observables, scan = _names(study["observable"]), study["ensemble"]["rho"]
    methods = list(dict.fromkeys(row["method"] for row in numbers["pulls"]))
    return chain(
        (
            "toys.parquet",
            "report.html",
            "study.toml",
            "calibration.json",
            f"workspaces/{study['name']}.json",
        ),
        (f"workspaces/joint_rho_{rho:g}.json" for rho in scan),
        _figures("joint_distribution", "response", "pull_width", "pull_mean", "repair"),
        _figures(*(f"{kind}_{o}" for o in observables for kind in ("calibration", "templates"))),
        _figures(*(f"{kind}_{m}" for m in methods for kind in ("pulls", "pull_ecdf"))),
    )


def _of_audit(numbers: Numbers) -> Iterator[str]:
    config = numbers["config"]
    name, tables = config["name"], ("errors", "correlations", "bin_pairs", "samples", "data")
    methods = dict.fromkeys(row["method"] for row in numbers["pulls"])
    return chain(
        ("toys.parquet", "report.html", "audit.toml", "templates.json"),
        (f"workspaces/{name}.json", f"workspaces/{name}_joint.json"),
        (f"tables/{table}.csv" for table in tables),
        _figures("errors", "sets", "correlations", "bin_pairs", "covariance", "postfit"),
        _figures(*(f"templates_{parameter}" for parameter in _shown(numbers))),
        _figures(*(f"pull_ecdf_{method}" for method in methods)),
    )


def _shown(numbers: Numbers) -> set[str]:
    """Parameters of an audit, those of its file and those of its errors."""
    return {*_names(numbers["config"]["parameter"]), *(r["parameter"] for r in numbers["errors"])}


def _of_scan(numbers: Numbers) -> Iterator[str]:
    scan = dict.fromkeys(row["rho"] for row in numbers["rows"])
    endings = ("", *(f"_{rho:g}" for rho in scan if rho is not None))
    return chain(("study.toml",), _figures(*(f"scan{ending}" for ending in endings)))


def _of_closure(_numbers: Numbers) -> Iterator[str]:
    return chain(("study.toml",), _figures("rates", "axes", "events"))


def _of_prediction(_numbers: Numbers) -> Iterator[str]:
    return chain(("study.toml",), _figures("prediction"))


def _of_selection(_numbers: Numbers) -> Iterator[str]:
    return chain(("study.toml",), _figures("selection"))


def _of_bootstrap(_numbers: Numbers) -> Iterator[str]:
    return iter(("study.toml",))


_FILES: Mapping[str, Callable[[Numbers], Iterator[str]]] = MappingProxyType(
    {
        "summary": _of_summary,
        "prediction": _of_prediction,
        "selection": _of_selection,
        "bootstrap": _of_bootstrap,
        "closure": _of_closure,
        "scan": _of_scan,
        "audit": _of_audit,
    }
)
