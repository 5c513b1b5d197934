"""JSON and TOML as trees that may hold what neither allows, and their text."""

import json
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Keys", "Raw", "Tree", "json_text", "json_tree", "places", "toml_text", "toml_tree"]

Tree = Any
"""Keys, a list, a text, a number, a truth value, None, or Raw."""


class Keys(list[tuple[str, Tree]]):
    """Keys and their values; a key may be there twice."""


class Raw(str):
    """Written as it stands, whatever the syntax says to it."""

    __slots__ = ()


def json_tree(text: bytes) -> Tree:
    return json.loads(text, object_pairs_hook=Keys)


def toml_tree(text: bytes) -> Tree:
    return _with_keys(tomllib.loads(text.decode()))


def _with_keys(value: Any) -> Tree:
    if isinstance(value, dict):
        return Keys((key, _with_keys(inner)) for key, inner in value.items())
    return [_with_keys(inner) for inner in value] if isinstance(value, list) else value


def json_text(tree: Tree) -> bytes:
    return _written(tree, ": ").encode()


def toml_text(tree: Tree) -> bytes:
    """Tables on one line each; what is no table at the top has no TOML."""
    if not isinstance(tree, Keys):
        return _written(tree, " = ").encode()
    lines = (f"{json.dumps(key)} = {_written(value, ' = ')}\n" for key, value in tree)
    return "".join(lines).encode()


def _written(tree: Tree, sign: str) -> str:
    if isinstance(tree, Raw):
        return str(tree)
    if isinstance(tree, Keys):
        inner = ", ".join(f"{json.dumps(key)}{sign}{_written(value, sign)}" for key, value in tree)
        return f"{{{inner}}}"
    if isinstance(tree, list):
        return f"[{', '.join(_written(value, sign) for value in tree)}]"
    return json.dumps(tree)


def places(tree: Tree) -> list[tuple[Tree, int]]:
    """Every value below a tree: what holds it, and where."""
    return list(_places(tree))


def _places(tree: Tree) -> Iterator[tuple[Tree, int]]:
    children: Callable[[Any], Any] = (lambda one: one[1]) if isinstance(tree, Keys) else _itself
    if isinstance(tree, list):
        for position, entry in enumerate(tree):
            yield tree, position
            yield from _places(children(entry))


def _itself(one: Tree) -> Tree:
    return one
