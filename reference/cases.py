"""A case: a question, its input, and the right answers with their error, as files.

`case.toml` is written by people: what is asked, of whom, how far the answer may be off, and how
the right one was obtained. `values.json` is written by the program `make.py` beside it.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference.tolerances import TIERS

__all__ = ["Ask", "Case", "CaseError", "Value", "case_names", "read_case"]

ROOT = Path(__file__).parent
_KEYS = {"title", "asked", "slow", "ask", "provenance"}
_ASK_KEYS = {"question", "tiers", "settings"}
_PROVENANCE = {"method", "error", "checked"}
_WRITTEN = {"program", "versions", "seed", "date", "seconds", "values"}


class CaseError(ValueError):
    """A file of a case is not as `reference/README.md` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One right answer.

    Attributes:
        ask: Which question of the case it answers.
        row: What identifies the row of the answer, such as {"parameter": "m_t"}.
        key: Which entry of the row.
        value: A number; or a truth value, a text, or None for a number that must be withheld.
        error: Its standard error; 0 if it is exact.
        scale: What a relative difference refers to; None for the size of the value.
    """

    ask: str
    row: Mapping[str, Any]
    key: str
    value: float | bool | str | None
    error: float = 0.0
    scale: float | None = None

    @property
    def name(self) -> str:
        """For people."""
        return " ".join([f"{self.ask}:", *(str(each) for each in self.row.values()), self.key])


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question to pullfactory.

    Attributes:
        question: One of `reference.questions.QUESTIONS`.
        tiers: Name of the tolerance of each key.
        settings: What the question needs.
    """

    question: str
    tiers: Mapping[str, str]
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case.

    Attributes:
        name: Of its folder.
        title: One line.
        asked: What is asked, in words.
        slow: Whether the question takes more than about ten seconds.
        asks: The questions by name.
        provenance: How the values were obtained, where their error is from, how it was checked.
        values: The right answers.
        seconds: What `make.py` took.
    """

    name: str
    title: str
    asked: str
    slow: bool
    asks: Mapping[str, Ask]
    provenance: Mapping[str, str]
    values: tuple[Value, ...]
    seconds: float

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return ROOT / self.name


def case_names() -> tuple[str, ...]:
    """All cases, sorted."""
    return tuple(sorted(path.parent.name for path in ROOT.glob("*/case.toml")))


def read_case(name: str) -> Case:
    """Read and check one case.

    Args:
        name: Of its folder.

    Raises:
        CaseError: If there is none of this name, or a file is not as it should be.
    """
    folder = ROOT / name
    try:
        told = tomllib.loads((folder / "case.toml").read_text(encoding="utf-8"))
        written = json.loads((folder / "values.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CaseError(
            f"case {name!r} has no {Path(error.filename).name}; known: {', '.join(case_names())}"
        ) from error
    _same_keys(f"{name}/case.toml", told, _KEYS)
    _same_keys(f"{name}/case.toml: provenance", told["provenance"], _PROVENANCE)
    _same_keys(f"{name}/values.json", written, _WRITTEN)
    asks = {}
    for label, ask in told["ask"].items():
        _same_keys(f"{name}/case.toml: ask.{label}", ask, _ASK_KEYS)
        asks[label] = Ask(**ask)
    values = tuple(Value(**value) for value in written["values"])
    _check_values(name, asks, values)
    return Case(
        name=name,
        title=told["title"],
        asked=told["asked"],
        slow=told["slow"],
        asks=asks,
        provenance=told["provenance"],
        values=values,
        seconds=written["seconds"],
    )


def _same_keys(place: str, found: Mapping[str, Any], wanted: set[str]) -> None:
    if wrong := wanted.symmetric_difference(found):
        raise CaseError(f"{place}: missing or unknown: {', '.join(sorted(wrong))}")


def _check_values(name: str, asks: Mapping[str, Ask], values: tuple[Value, ...]) -> None:
    """Every value is asked for with a tier, every tier has a value, no value comes twice."""
    wanted = {(label, key) for label, ask in asks.items() for key in ask.tiers}
    found = {(value.ask, value.key) for value in values}
    if wrong := wanted.symmetric_difference(found):
        pairs = ", ".join(f"{label}.{key}" for label, key in sorted(wrong))
        raise CaseError(f"{name}: a tier without a value, or a value without a tier: {pairs}")
    for ask in asks.values():
        if unknown := set(ask.tiers.values()) - set(TIERS):
            raise CaseError(f"{name}: unknown tier {sorted(unknown)}; known: {', '.join(TIERS)}")
    places = [value.name for value in values]
    if len(set(places)) < len(places):
        raise CaseError(f"{name}/values.json: two values for one place")
