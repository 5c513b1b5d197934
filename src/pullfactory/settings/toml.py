"""Plain TOML in and out: what the standard library reads but does not write."""

import json
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pullfactory.errors import StudyError
from pullfactory.files import read_given

_WIDTH = 100
_LONGEST_ALIGNED = 38
_SHOWN = 20  # letters of a value that is refused
_DEEP = re.compile(r"(?:[^\s.,=#\[\]{}]{1,50}[ \t]{0,9}\.[ \t]{0,9}){100}")  # tables in tables

_LONG = re.compile(r"\b0[xob][0-9A-Fa-f_]{3000}")


def read_toml(path: str | Path, place: str, remedy: str) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        path: The file.
        place: What it is, for messages.
        remedy: What to do if it cannot be read.

    Raises:
        StudyError: If it cannot be read or is no TOML.
    """
    try:
        content = read_given(path)
    except OSError as error:
        raise StudyError(f"{place} cannot be read ({error.strerror}); {remedy}") from None
    return parse_toml(content, place)


def parse_toml(text: str | bytes, place: str) -> dict[str, Any]:
    """Read the content of a TOML file.

    Args:
        text: TOML.
        place: Where it came from, for messages.

    Raises:
        StudyError: If it is no TOML.
    """
    try:
        return _loaded(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise StudyError(f"{place} is no text in UTF-8: {error}; save it as that") from None
    except tomllib.TOMLDecodeError as error:
        if text.lstrip()[:1] in ("{", b"{"):
            raise StudyError(
                f"{place} is JSON, not TOML; 'pullfactory toys' and 'pullfactory audit' take "
                "workspaces"
            ) from None
        raise StudyError(f"{place} is no TOML: {error}; mend that line") from None
    except ValueError as error:
        raise StudyError(f"{place} cannot be read: {error}; mend it") from None


def _loaded(text: str) -> dict[str, Any]:
    """Read TOML; what its library does not foresee is a `ValueError` too."""
    if _DEEP.search(text):  # which takes it minutes
        raise ValueError("tables are nested too deep")
    if _LONG.search(text):  # which it reads, and nobody can show
        raise ValueError("a number has too many digits")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("brackets are nested too deep") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:
        raise ValueError("a number has too many digits") from None


def parse_value(text: str) -> Any:
    """Read one value of a command line.

    Args:
        text: TOML, such as "5000" or "[0, 0.5]"; a list may do without brackets and a text
            without quotes, as in "0,0.5" and "fixed".

    Raises:
        StudyError: If it is nested too deep, or a number has too many digits.
    """
    try:
        return _loaded(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        parts = text.split(",")
        return text if len(parts) == 1 else [parse_value(part.strip()) for part in parts]
    except ValueError as error:
        raise StudyError(f"'{text[:_SHOWN]}...' is no value: {error}; give another one") from None


def to_toml(model: BaseModel) -> str:
    """Write a model with every key, its description as a comment.

    Args:
        model: Fields are plain values, models (tables) or tuples of models (arrays of tables).
            A key whose value is None is written as a comment, with an example.
    """
    return "\n".join([_heading(model), *_lines(model, "")]) + "\n"


def _heading(model: BaseModel) -> str:
    return f"# {(type(model).__doc__ or '').splitlines()[0]}"


def _lines(model: BaseModel, prefix: str) -> Iterator[str]:
    tables = {name: entries for name, value in model if (entries := _entries(value))}
    plain = [
        (_assignment(name, getattr(model, name), field.examples), field.description or "")
        for name, field in type(model).model_fields.items()
        if name not in tables
    ]
    column = max((len(text) for text, _ in plain if len(text) <= _LONGEST_ALIGNED), default=0)
    for text, comment in plain:
        line = f"{text:<{column}}  # {comment}"
        if len(text) <= column and len(line) <= _WIDTH:
            yield line
        else:
            yield from textwrap.wrap(comment, _WIDTH, initial_indent="# ", subsequent_indent="# ")
            yield text
    for name, entries in tables.items():
        table = (
            f"[{prefix}{name}]"
            if isinstance(getattr(model, name), BaseModel)
            else f"[[{prefix}{name}]]"
        )
        yield ""
        yield _heading(entries[0])
        for number, entry in enumerate(entries):
            if number:
                yield ""
            yield table
            yield from _lines(entry, f"{prefix}{name}.")


def _entries(value: object) -> list[BaseModel]:
    """The models in a field: one, those of a tuple, or none."""
    values = value if isinstance(value, tuple) else [value]
    return [entry for entry in values if isinstance(entry, BaseModel)]


def _assignment(name: str, value: object, examples: list[Any] | None) -> str:
    """A key and its value: on one line if it fits, or else on several."""
    if value is None:
        return f"# {name} = {_value(examples[0]) if examples else ''}"
    line = f"{name} = {_value(value)}"
    if len(line) <= _WIDTH:
        return line
    if isinstance(value, Mapping):
        return "\n".join(f"{name}.{key} = {_value(entry)}" for key, entry in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join([f"{name} = [", *_wrapped(value), "]"])
    return line


def _wrapped(values: Sequence[object]) -> Iterator[str]:
    line = " "
    for value in values:
        entry = f" {_value(value)},"
        if len(line) > 1 and (isinstance(value, Sequence) or len(line) + len(entry) > _WIDTH):
            yield line
            line = " "
        line += entry
    yield line


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key} = {_value(entry)}" for key, entry in value.items())
        return f"{{{inner}}}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_value(entry) for entry in value)}]"
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, str) and "\\" in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
