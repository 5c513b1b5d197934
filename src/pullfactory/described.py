"""Rows that describe themselves: types that say what a number may be, and words of docstrings."""

import inspect
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from pydantic import Field, TypeAdapter, WithJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

T = TypeVar("T")

Count = Annotated[int, Field(ge=0)]
Size = Annotated[float, Field(ge=0)]
Part = Annotated[float, Field(ge=0, le=1)]
Rho = Annotated[float, Field(ge=-1, le=1)]


def _or_null(**limits: float) -> WithJsonSchema:
    return WithJsonSchema({"type": ["number", "null"], **limits})


# What is NaN in Python and null where it is written.
NumberOrNaN = Annotated[float, _or_null()]
SizeOrNaN = Annotated[float, _or_null(minimum=0)]
PartOrNaN = Annotated[float, _or_null(minimum=0, maximum=1)]
RhoOrNaN = Annotated[float, _or_null(minimum=-1, maximum=1)]


class Flat:
    """Marks an attribute whose own keys are written in its place."""


class Later:
    """Marks an attribute whose key files of earlier versions lack; it may be missing."""


def keys_of(kind: type) -> dict[str, str]:
    """What is written under each key of a row or a file, in words.

    Args:
        kind: A dataclass or a typed dictionary, whose docstring describes its attributes.
    """
    said, found = _attributes(kind), dict[str, str]()
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if (inner := _flattened(hint)) is not None:
            found |= keys_of(inner)
        else:
            found[name] = said.get(name, "")
    return found


def row_of(kind: type[T], row: Mapping[str, Any]) -> T:
    """A row as it was before it was written.

    Args:
        kind: A dataclass whose attributes stand under their names, or are marked `Flat`.
        row: Plain data; null for NaN. Keys that the type does not know are passed over.

    Raises:
        KeyError, TypeError: If the row lacks something.
    """
    values: dict[str, Any] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if (inner := _flattened(hint)) is not None:
            values[name] = row_of(inner, row)
        elif name in row:
            value = row[name]
            if value is None and any(isinstance(part, WithJsonSchema) for part in get_args(hint)):
                value = math.nan
            values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def json_schema_of(kind: Any) -> dict[str, Any]:
    """The JSON Schema (2020-12) of what is written: every key is there, and others may be.

    Args:
        kind: As for `keys_of`, or a union of such types.
    """
    schema = TypeAdapter(kind).json_schema(schema_generator=_Schema)
    return {"$schema": _Schema.schema_dialect, **schema}


class _Schema(GenerateJsonSchema):
    """Takes the words of docstrings, wants every key, and writes flat what is marked so."""

    def dataclass_schema(self, schema: Any) -> JsonSchemaValue:
        return self._row(super().dataclass_schema(schema), schema["cls"])

    def typed_dict_schema(self, schema: Any) -> JsonSchemaValue:
        return self._row(super().typed_dict_schema(schema), schema["cls"])

    def _row(self, made: JsonSchemaValue, kind: type) -> JsonSchemaValue:
        hints, said = get_type_hints(kind, include_extras=True), _attributes(kind)
        properties: dict[str, Any] = {}
        later = set[str]()
        for key, hint in hints.items():
            own = made["properties"][key]
            if _flattened(hint) is not None:
                inner = self.resolve_ref_schema(own)
                properties |= inner["properties"]
                later |= inner["properties"].keys() - set(inner["required"])
                continue
            properties[key] = {k: v for k, v in own.items() if k not in ("title", "default")}
            if key in said:
                properties[key]["description"] = said[key]
            if Later in get_args(hint):
                later.add(key)
        return {
            "type": "object",
            "description": " ".join(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].split()),
            "properties": properties,
            "required": [key for key in properties if key not in later],
        }


def _flattened(hint: Any) -> Any:
    """The type of an attribute whose keys stand in its place, or None."""
    inner, *marks = get_args(hint) or (None,)
    return inner if Flat in marks else None


def _attributes(kind: type) -> dict[str, str]:
    """What stands under "Attributes:" in docstrings, bases first, with the words of JSON."""
    words: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        _, _, part = inspect.cleandoc(each.__doc__ or "").partition("\nAttributes:\n")
        found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", part, re.MULTILINE)
        words |= {name: " ".join(text.split()) for name, text in found}
    return {name: re.sub(r"\b(None|NaN)\b", "null", text) for name, text in words.items()}
