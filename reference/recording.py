"""What a program `make.py` writes: values with where they come from."""

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Any

from reference.cases import Value

__all__ = ["exact", "measured", "record"]


def exact(ask: str, key: str, value: float | bool | str | None, **row: Any) -> Value:
    """A value without an error.

    Args:
        ask: Which question of the case it answers.
        key: Which entry of the answer's row.
        value: The value.
        row: What identifies the row.
    """
    return Value(ask=ask, row=row, key=key, value=value)


def measured(ask: str, key: str, value: float, error: float, **row: Any) -> Value:
    """A value with its standard error.

    Args:
        ask: Which question of the case it answers.
        key: Which entry of the answer's row.
        value: The value.
        error: Its standard error.
        row: What identifies the row.
    """
    return Value(ask=ask, row=row, key=key, value=value, error=error)


def record(
    program: str,
    values: Callable[[], Sequence[Value]],
    *packages: str,
    seed: int | None = None,
    files: Mapping[str, str] | None = None,
) -> None:
    """Compute the values and write `values.json` beside the program.

    Args:
        program: `__file__` of the program.
        values: Computes them.
        packages: Whose versions matter, besides numpy and scipy.
        seed: Of the random numbers, if there are any.
        files: Input that the program makes: names and texts, written beside it too.
    """
    for name, text in (files or {}).items():
        Path(program).with_name(name).write_text(text, encoding="utf-8")
    start = perf_counter()
    found = values()
    seconds = perf_counter() - start
    names = ("numpy", "scipy", *packages)
    content = {
        "program": Path(program).name,
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in names},
        },
        "seed": seed,
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": float(f"{seconds:.2g}"),
        "values": [_plain(value) for value in found],
    }
    Path(program).with_name("values.json").write_text(_text(content), encoding="utf-8")


def _text(content: dict[str, Any]) -> str:
    """JSON with one value a line."""
    values = ",\n".join(f"  {json.dumps(each, allow_nan=False)}" for each in content["values"])
    rest = json.dumps({**content, "values": None}, indent=1, allow_nan=False)
    return rest.replace("null\n}", f"[\n{values}\n ]\n}}\n")


def _plain(value: Value) -> dict[str, Any]:
    """Without what is left at its default."""
    plain = {key: each for key, each in asdict(value).items() if key == "value" or each is not None}
    return {key: each for key, each in plain.items() if key != "error" or each}
