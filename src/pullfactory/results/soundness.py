"""Whether what is read back from a folder is what was written there."""

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

_CLOSE = 1e-6  # numbers made anew by another version or processor differ by less
_MOST = 100  # complaints of which the best is told
_WORDS = ("provenance", "remarks", "notes", "schema")  # other versions may say it otherwise


def require_schema(numbers: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Refuse numbers that are not as their type says.

    Args:
        numbers: From a file.
        schema: Of what the file must hold.

    Raises:
        ValueError: If something is missing or of another kind; says where.
    """
    complaints = Draft202012Validator(schema).iter_errors(numbers)
    error = best_match(islice(complaints, _MOST))
    if error is not None:
        place = error.json_path.removeprefix("$").lstrip(".")
        raise ValueError(f"{place}: {error.message}" if place else error.message)


def with_less(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a file in which keys may be missing, and the name of the schema is another.

    Args:
        schema: As for `require_schema`.
    """
    made: dict[str, Any] = _with_less(schema)
    return made


def _with_less(part: Any) -> Any:
    if isinstance(part, list):
        return [_with_less(one) for one in part]
    if not isinstance(part, Mapping):
        return part
    kept = {key: _with_less(one) for key, one in part.items() if key != "required"}
    if "properties" in kept:
        kept["properties"].pop("schema", None)
    return kept


def require_same(made: Mapping[str, Any], numbers: Mapping[str, Any]) -> None:
    """Refuse a folder whose parts are not of one result.

    Args:
        made: The numbers that follow from all files of the folder.
        numbers: Those that stand in one of them.

    Raises:
        ValueError: If they differ; says where.
    """
    place = next(_differences(made, numbers, ""), None)
    if place is not None:
        raise ValueError(f"{place} does not follow from the other files: one of them was changed")


def _differences(made: Any, known: Any, place: str) -> Iterator[str]:
    if isinstance(made, Mapping) and isinstance(known, Mapping):
        for key in known:
            if key in made and key not in _WORDS:
                yield from _differences(made[key], known[key], f"{place}.{key}" if place else key)
    elif isinstance(made, list | tuple) and isinstance(known, list | tuple):
        if len(made) != len(known):
            yield place
        for i, (mine, theirs) in enumerate(zip(made, known, strict=False)):
            yield from _differences(mine, theirs, f"{place}[{i}]")
    elif isinstance(made, int | float) and isinstance(known, int | float):
        if not math.isclose(made, known, rel_tol=_CLOSE, abs_tol=_CLOSE):
            yield place
    elif type(made) is not type(known) or (made != known and not place.endswith(".reason")):
        yield place
