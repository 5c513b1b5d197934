"""What came out of a case, without what changes from one run to the next."""

import csv
import io
import json
import re
import shlex
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pullfactory.results.manifest import MANIFEST
from tests.cases.case import Case
from tests.cases.running import Ending

__all__ = ["Outcome", "outcome_of", "read_outcome", "write_outcome"]

Outcome = dict[str, Any]
"""Plain data by the path of a file below `expected`, without its ending."""

_COMMANDS, _FILES = "commands", "files"
_VOLATILE = {"provenance", "sha256"}  # keys: versions, and digests of all digits
_PASSING = (  # times and programs, of --verbose, and versions
    (re.compile(r"^(\w+: )\d+\.\d s$", re.MULTILINE), r"\1<time>"),
    (re.compile(r"^programs: .*$", re.MULTILINE), "programs: <counts>"),
    (re.compile(r"^(pullfactory |  version = \{)\d[\w.]*", re.MULTILINE), r"\1<version>"),
)
_WIDTH = 160  # of a line in which a list or an object stands whole
_DIGITS = 10  # the comparison looks at six


def outcome_of(
    case: Case, endings: Sequence[Ending], folder: Path, *, exactly: bool = False
) -> Outcome:
    """What came out.

    Args:
        case: What was run.
        endings: How its commands ended.
        folder: Where.
        exactly: Whether tables of toys are there with every number, not by their moments.
    """
    given = {path.name: path for path in case.inputs}
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    # a manifest has the digests of the others, and so of all their digits
    made = [path for path in files if not _untouched(path, folder, given) and path.name != MANIFEST]
    tables = {path.parent for path in made if path.parent.suffix == ".parquet"}
    contents = {}
    for path in (*(path for path in made if path.parent not in tables), *sorted(tables)):
        name = path.relative_to(folder).as_posix()
        if (content := _content(path, exactly=exactly)) is not None:
            contents[f"{_FILES}/{name.removesuffix('.json')}"] = content
    commands = [
        {
            "line": shlex.join(command.line),
            "exit": ending.code,
            "stdout": _referred(_stream(ending.stdout, folder), contents),
            "stderr": _stream(ending.stderr, folder),
        }
        for command, ending in zip(case.commands, endings, strict=True)
    ]
    return {_COMMANDS: commands, _FILES: sorted({_name(path, folder) for path in made}), **contents}


def read_outcome(folder: Path) -> Outcome:
    """Read what `write_outcome` wrote; nothing where nothing was written.

    Args:
        folder: Where.
    """
    files = sorted(folder.rglob("*.json"))
    return {
        file.relative_to(folder).as_posix().removesuffix(".json"): json.loads(
            file.read_text(encoding="utf-8")
        )
        for file in files
    }


def write_outcome(outcome: Mapping[str, Any], folder: Path, *, exactly: bool = False) -> None:
    """Write what came out, one file for each part.

    Args:
        outcome: What came out.
        folder: Where.
        exactly: Whether numbers are there with all digits.
    """
    for name, content in outcome.items():
        file = folder / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        shown = content if exactly else _rounded(content)
        file.write_text(f"{_layout(shown)}\n", encoding="utf-8")


# --- files ------------------------------------------------------------------------------------


def _untouched(path: Path, folder: Path, given: Mapping[str, Path]) -> bool:
    """Whether a file is an input as it was."""
    first, *rest = path.relative_to(folder).parts
    source = given.get(first)
    if source is None:
        return False
    original = source.joinpath(*rest)
    return original.is_file() and original.read_bytes() == path.read_bytes()


def _name(path: Path, folder: Path) -> str:
    """The path of a file; that of a figure without its ending."""
    name = path.relative_to(folder)
    return (name.with_suffix("") if name.parent.name == "figures" else name).as_posix()


def _content(path: Path, *, exactly: bool) -> Any:
    """Plain data of a file; None where only its name counts."""
    match path.suffix:
        case ".parquet":
            return _table(path, exactly=exactly)
        case ".json":
            return _lasting(json.loads(path.read_text(encoding="utf-8")))
        case ".toml":
            return _lasting(tomllib.loads(path.read_text(encoding="utf-8")))
        case ".csv":
            rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8")))
            return [[_cell(cell) for cell in row] for row in rows]
        case _:
            return None


def _stream(text: str, folder: Path) -> Any:
    """Lines of a text, or the data of one in JSON or TOML."""
    if text.startswith("{"):
        return _lasting(json.loads(text))
    text = text.replace(str(folder), "<folder>")
    for pattern, shown in _PASSING:
        text = pattern.sub(shown, text)
    return text.splitlines()


def _referred(stream: Any, contents: Mapping[str, Any]) -> Any:
    """The name of a file instead of its content."""
    if isinstance(stream, dict):
        names = (name for name, content in contents.items() if content == stream)
        return next((f"the content of {name}" for name in names), stream)
    return stream


def _lasting(data: Any) -> Any:
    """Data without what changes with versions and in the last digit."""
    if isinstance(data, dict):
        return {key: _lasting(value) for key, value in data.items() if key not in _VOLATILE}
    return [_lasting(value) for value in data] if isinstance(data, list) else data


def _cell(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _table(path: Path, *, exactly: bool) -> dict[str, Any]:
    """A table in Parquet, in one file or in parts: all of its columns, or what each is like."""
    table = pq.read_table(path)
    told = pq.read_metadata(min(path.iterdir()) if path.is_dir() else path).metadata or {}
    columns = {name: table[name].to_pylist() for name in table.column_names}
    return {
        "columns": {name: str(table.schema.field(name).type) for name in columns},
        "rows": table.num_rows,
        "metadata": sorted({key.decode() for key in told} - {"ARROW:schema"}),
        "values": columns if exactly else {name: _moments(c) for name, c in columns.items()},
    }


def _moments(column: list[Any]) -> dict[str, Any]:
    """How many values are what, or how they are distributed."""
    values = [value for value in column if value is not None]
    missing = len(column) - len(values)
    if not all(isinstance(value, float) for value in values):
        return {"missing": missing, **{str(value): n for value, n in Counter(values).items()}}
    if not values:
        return {"missing": missing}
    numbers = np.array(values)
    return {
        "missing": missing,
        "lowest": float(numbers.min()),
        "highest": float(numbers.max()),
        "mean": float(numbers.mean()),
        "mean square": float(np.mean(numbers**2)),
        "mean cube": float(np.mean(numbers**3)),
        "mean by row": float(np.mean(numbers * np.linspace(0.0, 1.0, len(numbers)))),
    }


# --- layout -----------------------------------------------------------------------------------


def _rounded(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _rounded(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_rounded(value) for value in data]
    return float(f"{data:.{_DIGITS}g}") if isinstance(data, float) else data


def _layout(data: Any, indent: str = "") -> str:
    """JSON with sorted keys, on one line where that is short."""
    whole = json.dumps(data, sort_keys=True, ensure_ascii=False)
    if len(indent) + len(whole) <= _WIDTH or not _is_nested(data):
        return whole
    inner = f"{indent} "
    if isinstance(data, dict):
        parts = [f"{json.dumps(key)}: {_layout(data[key], inner)}" for key in sorted(data)]
    else:
        parts = [_layout(value, inner) for value in data]
    ends = "{}" if isinstance(data, dict) else "[]"
    return f"{ends[0]}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{ends[1]}"


def _is_nested(data: Any) -> bool:
    """Whether it is more than a number, a text or a list of numbers."""
    if isinstance(data, list):
        return any(isinstance(value, dict | list | str) for value in data)
    return isinstance(data, dict)
