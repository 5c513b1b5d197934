"""What was measured, and how it is shown."""

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.table import Table

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
_LIBRARIES = ("pullfactory", "jax", "numpy", "scipy", "boost-histogram", "pyhf", "iminuit")
_HEADER = ("measured", "figure", "target", "", "detail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure.

    Attributes:
        what: What was measured.
        value: The figure.
        unit: Its unit; empty for a bare number.
        at_least: Target from below, or None.
        at_most: Target from above, or None.
        detail: What the figure is made of.
    """

    what: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    detail: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.at_least is None and self.at_most is None:
            return None
        low = -float("inf") if self.at_least is None else self.at_least
        high = float("inf") if self.at_most is None else self.at_most
        return low <= self.value <= high

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as texts."""
        target = ""
        if self.at_least is not None:
            target = f"≥ {_number(self.at_least, self.unit)}"
        elif self.at_most is not None:
            target = f"≤ {_number(self.at_most, self.unit)}"
        verdict = {None: "", True: "met", False: "not met"}[self.met]
        return self.what, _number(self.value, self.unit), target, verdict, self.detail


def duration(time: float) -> str:
    """Seconds for people."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if time * factor >= 1:
            return f"{time * factor:.3g} {unit}"
    return f"{time * 1e6:.3g} µs"


def environment() -> dict[str, str]:
    """Number of cores and versions."""
    versions = {name: metadata.version(name) for name in _LIBRARIES}
    return {"cores": str(os.cpu_count()), "Python": platform.python_version(), **versions}


def table(sections: Mapping[str, list[Row]], facts: Mapping[str, str]) -> Table:
    """All rows for the terminal."""
    shown = Table(title="Benchmarks", caption=_caption(facts))
    for name in _HEADER:
        shown.add_column(name, justify="right" if name in ("figure", "target") else "left")
    colours = {None: "", True: "green", False: "red"}
    for title, rows in sections.items():
        shown.add_section()
        shown.add_row(f"[bold]{title}")
        for row in rows:
            shown.add_row(*row.cells, style=colours[row.met])
    return shown


def to_dict(sections: Mapping[str, list[Row]]) -> dict[str, Any]:
    """All rows as plain data."""
    return {
        title: [{**asdict(row), "met": row.met} for row in rows] for title, rows in sections.items()
    }


def insert_markdown(
    path: Path, sections: Mapping[str, list[Row]], facts: Mapping[str, str]
) -> None:
    """Put rows between the two marks of a Markdown file; sections that are not measured stay."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    inside, _, after = rest.partition(END)
    caption, *earlier = (part.strip() for part in inside.split("\n### "))
    texts = {text.partition("\n")[0]: text for text in earlier}
    mine = f"{_caption(facts)}."
    if not texts.keys() - sections.keys():
        caption = mine
    for title, rows in sections.items():
        lines = ["| " + " | ".join(_HEADER) + " |", "|---|--:|--:|---|---|"]
        lines += ["| " + " | ".join(row.cells) + " |" for row in rows]
        own = [] if mine == caption else [mine, ""]
        texts[title] = "\n".join([title, "", *own, *lines])
    text = "\n\n".join([caption, *(f"### {text}" for text in texts.values())])
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _caption(facts: Mapping[str, str]) -> str:
    cores, *versions = facts.items()
    return ", ".join([f"{cores[1]} cores", *(f"{name} {version}" for name, version in versions)])


def _number(value: float, unit: str) -> str:
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()
