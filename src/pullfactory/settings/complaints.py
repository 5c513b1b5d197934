"""What pydantic finds wrong with a study, said to the person who wrote the file."""

import json
import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_WHOLE, _NUMBER, _LIST, _TABLE = (
    "must be a whole number",
    "must be a number",
    "must be a list in square brackets",
    "must be a table of keys and values",
)
_TEXTS = {
    "bool_type": "must be true or false",
    "dict_type": _TABLE,
    "finite_number": "must be a finite number",
    "float_type": _NUMBER,
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_from_float": _WHOLE,
    "int_type": _WHOLE,
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "missing": "missing; add it",
    "model_attributes_type": _TABLE,
    "model_type": _TABLE,
    "string_pattern_mismatch": "use letters, digits and underscores, a letter first",
    "string_type": "must be a text in quotes",
    "too_long": "must have {max_length} entries, not {actual_length}",
    "too_short": "must have {min_length} or more entries, not {actual_length}",
    "tuple_type": _LIST,
}
_SHOWN = 60


def complaint(error: ValidationError, data: Any, model: type[BaseModel]) -> str:
    """One line for the first of pydantic's complaints: place, value, remedy.

    Args:
        error: What pydantic raised.
        data: What was validated.
        model: What it was validated as.
    """
    first, *others = error.errors()
    others = [other for other in others if other["loc"] != first["loc"][: len(other["loc"])]]
    place = _place(first["loc"], data)
    text = _text(first, model)
    if first["type"] not in ("extra_forbidden", "missing", "value_error"):
        place = f"{place} = {_shown(first['input'])}" if place else _shown(first["input"])
    more = f" (and {len(others)} more)" if others else ""
    return f"{place}: {text}{more}" if place else f"{text}{more}"


def _text(details: ErrorDetails, model: type[BaseModel]) -> str:
    if details["type"] == "extra_forbidden":
        return _unknown_key(details["loc"], model)
    if details["type"] == "tuple_type" and isinstance(details["input"], Mapping):
        return f"must be a list of tables, each headed [[{details['loc'][-1]}]]"
    if details["type"] in _TEXTS:
        return _TEXTS[details["type"]].format_map(details.get("ctx", {}))
    return details["msg"].removeprefix("Value error, ")


def _unknown_key(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    for step in location[:-1]:
        if isinstance(step, str) and step in model.model_fields:  # else a name that is free
            annotation = model.model_fields[step].annotation
            parts = (annotation, *get_args(annotation))
            kinds = (*parts, *(inner for part in parts for inner in get_args(part)))
            model = next(k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel))
    near = get_close_matches(str(location[-1]), model.model_fields, n=1)
    if near:
        return f"unknown key; did you mean {near[0]}?"
    return f"unknown key; use one of {', '.join(model.model_fields)}"


def _place(location: tuple[int | str, ...], data: Any) -> str:
    """Dotted path of a complaint; list entries are shown by name, or counted from 1."""
    parts: list[str] = []
    for step in location:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            data = None
        if isinstance(step, int):
            name = data.get("name") if isinstance(data, Mapping) else None
            parts.append(name if isinstance(name, str) else f"#{step + 1}")
        else:
            parts.append(step)
    return ".".join(part if part.isprintable() else json.dumps(part) for part in parts)


def _shown(value: object) -> str:
    """The value as it stands in the file."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
