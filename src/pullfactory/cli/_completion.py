"""What a shell proposes for the values of options."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from pydantic import BaseModel


def presets(_context: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of studies that come with the package."""
    from pullfactory.settings.study import Study

    return _proposed(Study.presets(), begun)


def methods(_context: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of methods, after those that are there already."""
    from pullfactory.settings.methods import BUILT_IN

    before, comma, _ = begun.rpartition(",")
    there = before.split(",")
    names = [name for name in BUILT_IN if name not in there] + ([] if comma else ["all"])
    return _proposed((f"{before}{comma}{name}" for name in names), begun)


def study_keys(
    _context: click.Context, _option: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Keys of the default study."""
    from pullfactory.settings.study import Study

    return _proposed((f"{key}=" for key in _keys(Study.preset())), begun)


def audit_keys(
    _context: click.Context, _option: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Keys of any audit, but for those of what is named in it."""
    from pullfactory.settings.audit import AuditConfig

    fields: Mapping[str, Any] = AuditConfig.model_fields
    found: list[str] = []
    for name, field in fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        found += [f"{name}.{key}" for key in inner] if inner else [name]
    return _proposed((f"{key}=" for key in found), begun)


def _keys(model: "BaseModel", prefix: str = "") -> Iterator[str]:
    """Dotted keys of a model; entries of lists are called by their names."""
    from pydantic import BaseModel

    from pullfactory.settings.blocks import Block

    for name, value in model:
        entries = value if isinstance(value, tuple) else ()
        if isinstance(value, BaseModel):
            yield from _keys(value, f"{prefix}{name}.")
        elif any(isinstance(one, Block) for one in entries):
            for one in entries:
                yield from _keys(one, f"{prefix}{name}.{one.name}.")
        else:
            yield f"{prefix}{name}"


def _proposed(values: Iterable[str], begun: str) -> list[CompletionItem]:
    return [CompletionItem(value) for value in values if value.startswith(begun)]
