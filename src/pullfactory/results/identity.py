"""What decides the numbers of toys: toys with the same identity are the same, and can be joined."""

import json
from collections.abc import Iterator, Mapping
from platform import node
from typing import Any

from pullfactory._cache import machine
from pullfactory._jax import accelerator
from pullfactory.errors import OutputError, RunError
from pullfactory.results.rows import installed_versions

_MAKERS = ("versions", "instructions")
_LENGTH = 40  # letters of a value that are shown
_MOST = 5  # differences that are named


def identity_of(kind: str, **decides: Any) -> str:
    """What decides the numbers of toys, which is not how many they are, as text.

    Args:
        kind: Of the result.
        decides: What was given, as plain data.
    """
    content = {"kind": kind, **decides, **_makers()}
    return json.dumps(content, sort_keys=True, allow_nan=False)


def _makers() -> dict[str, Any]:
    """What makes numbers here."""
    return {"versions": installed_versions(), "instructions": machine() + accelerator()}


def made_here(identity: str, *, tolerant: bool) -> str:
    """What decides the numbers of toys that somebody asked for and this process makes.

    Args:
        identity: Of who asks, from `identity_of`.
        tolerant: Whether another version or processor may make them.

    Returns:
        The same, with what is here.

    Raises:
        RunError: If something else is here, and may not be.
    """
    asked = json.loads(identity)
    here = asked | _makers()
    if (others := makers_differ(asked, here)) and not tolerant:
        raise RunError(
            f"a worker on {node()!r} has {', '.join(others[:_MOST])}; give it the same, or take "
            "with --tolerant what agrees to about 1e-12"
        )
    return json.dumps(here, sort_keys=True, allow_nan=False) if others else identity


def require_alike(
    mine: Mapping[str, Any], its: Mapping[str, Any], where: str, *, tolerant: bool
) -> None:
    """Refuse toys that others do not go with.

    Args:
        mine: What decides the numbers that are wanted.
        its: What decided those that are there.
        where: What they are in, `{what}` for what differs, and the remedy.
        tolerant: Whether another version or processor may have made them.

    Raises:
        OutputError: If they are other toys.
    """
    others = [*differing(mine["kind"], its["kind"], "kind")]
    others = others or [*differing(given(mine), given(its))]
    makers = makers_differ(mine, its)
    if not others and (tolerant or not makers):
        return
    remedy = "" if others else ", --tolerant takes what agrees to about 1e-12"
    found = [*others, *makers]
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    raise OutputError(f"{where.format(what=', '.join(found[:_MOST]) + more)}{remedy}")


def given(described: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, without what it was made with.

    Args:
        described: What decides some toys.
    """
    return {key: value for key, value in described.items() if key not in _MAKERS}


def makers_differ(mine: Mapping[str, Any], its: Mapping[str, Any]) -> tuple[str, ...]:
    """What packages and processor that made toys do not have in common, in words.

    Args:
        mine: What decides some toys.
        its: What decides others.
    """
    versions = (
        f"{name} {its['versions'].get(name)} instead of {version}"
        for name, version in mine["versions"].items()
        if version != its["versions"].get(name)
    )
    processor = () if mine["instructions"] == its["instructions"] else ("another processor",)
    return (*versions, *processor)


def differing(mine: Any, its: Any, place: str = "") -> Iterator[str]:
    """Where two descriptions differ, in words.

    Args:
        mine: Plain data.
        its: Other plain data.
        place: Where in a description they are.
    """
    if mine == its:
        return
    if isinstance(mine, dict) and isinstance(its, dict):
        for key in sorted(mine.keys() | its.keys()):
            inner = f"{place}.{key}" if place else key
            yield from differing(mine.get(key), its.get(key), inner)
    elif isinstance(mine, list) and isinstance(its, list) and len(mine) == len(its):
        for index, (one, other) in enumerate(zip(mine, its, strict=True)):
            yield from differing(one, other, f"{place}.{_name(one, index)}")
    elif len(f"{mine}{its}") > _LENGTH or isinstance(mine, dict | list):
        yield place
    else:
        yield f"{place} {json.dumps(its)} instead of {json.dumps(mine)}"


def _name(entry: Any, index: int) -> str:
    """What an entry of a list is called."""
    return str(entry["name"]) if isinstance(entry, dict) and "name" in entry else f"#{index + 1}"
