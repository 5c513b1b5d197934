"""Figures of all lines in one file, and the table of the documentation that is made of it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.verdicts.figures import ANSWERS, Figures
from benchmarks.verdicts.lines import LINES

RECORD = Path(__file__).parents[1] / "verdicts.json"
DOCUMENT = Path(__file__).parents[2] / "docs" / "audit.md"
BEGIN, END = "<!-- verdicts: begin -->", "<!-- verdicts: end -->"
_VERSIONS = ("pullfactory", "pyhf", "jax", "numpy", "scipy")
_HEAD = (
    "| samples | audits | answers | factor, true | correlation, % | true | "
    "false yes, no, % | pulls | coverage |"
)
_PULLS = {"factor": "f", "slope": "A", "factor_infinite": "f∞"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Figures of lines, and what they were made with.

    Attributes:
        made: Day of the last line.
        versions: Of packages.
        lines: Figures by name.
    """

    made: str
    versions: dict[str, str]
    lines: dict[str, Figures]

    @classmethod
    def new(cls) -> "Record":
        """Without a line, of the versions that are installed."""
        versions = {name: version(name) for name in _VERSIONS}
        return cls(made=date.today().isoformat(), versions=versions, lines={})

    @classmethod
    def read(cls, file: Path) -> "Record":
        """From a file.

        Args:
            file: As `write` left it.
        """
        content = json.loads(file.read_text("utf-8"))
        lines = {row["name"]: Figures.from_dict(row) for row in content["lines"]}
        return cls(made=content["made"], versions=content["versions"], lines=lines)

    def write(self, file: Path) -> None:
        """Into a file, at once or not at all.

        Args:
            file: Where to.
        """
        content: dict[str, Any] = {
            "made": self.made,
            "versions": self.versions,
            "lines": [found.to_dict() for found in self.in_order()],
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.part")
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
        part.replace(file)

    def with_line(self, found: Figures) -> "Record":
        """With one line more, or anew.

        Args:
            found: Its figures.
        """
        lines = {**self.lines, found.name: found}
        return replace(self, made=date.today().isoformat(), lines=lines)

    def in_order(self) -> list[Figures]:
        """Figures of the lines that there are, as `LINES` has them."""
        return [self.lines[line.name] for line in LINES if line.name in self.lines]

    def markdown(self) -> str:
        """The table, and under it when and with what it was made."""
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        rows = [_HEAD, "| " + " | ".join(["---"] * _HEAD.count(" |")) + " |"]
        rows += map(_row, self.in_order())
        return "\n".join([*rows, "", f"Made on {self.made} with {versions}."])


def documented(text: str, record: Record) -> str:
    """A text with the table of a record between its marks.

    Args:
        text: Of the documentation.
        record: What was found.
    """
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{record.markdown()}\n\n{END}{after}"


def _row(found: Figures) -> str:
    pulls = "; ".join(
        f"{_PULLS[key]} {mean:+.2f} / {spread:.2f}" for key, (mean, spread) in found.pulls.items()
    )
    cells = (
        found.name,
        str(found.audits),
        matrix(found),
        _beside(found.factor),
        _percent(found.correlation.items()),
        _beside(found.infinite),
        f"{100 * found.false_yes:.1f}, {100 * found.false_no:.1f}",
        pulls or "-",
        "-" if found.coverage is None else f"{100 * found.coverage:.1f} ± {_error(found):.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _error(found: Figures) -> float:
    return 100 * (found.coverage_error or 0.0)


def _percent(parts: Iterable[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {100 * part:.0f}" for name, part in parts if part)


def _beside(pair: tuple[float | None, float]) -> str:
    told, true = pair
    return f"{'-' if told is None else f'{told:.3f}'}, {true:.3f}"


def matrix(found: Figures) -> str:
    """How many gave each answer, by whether the claimed error is right as it stands.

    Args:
        found: Of a line.
    """
    rows: Sequence[tuple[str, dict[str, int]]] = (("right", found.right), ("wrong", found.wrong))
    told = (
        f"{name}: {', '.join(f'{a} {row[a]}' for a in ANSWERS if row[a])}" for name, row in rows
    )
    return "; ".join(text for text in told if not text.endswith(": "))


if __name__ == "__main__":
    text = DOCUMENT.read_text("utf-8")
    DOCUMENT.write_text(documented(text, Record.read(RECORD)), "utf-8")
