"""What a page consists of, whatever result it explains."""

from dataclasses import dataclass, field
from typing import ClassVar, Self

from pullfactory.report.verdict import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """What something belongs to; the page can show one method, rho or parameter alone.

    None: it belongs to all.
    """

    method: str | None = None
    rho: str | None = None
    parameter: str | None = None


NO_TAGS = Tags()


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What is read.
        value: The number it was made of, if it was one.
        mood: Of words aligned left: their colour, as that of a lead, or none; None for what is
            aligned as numbers are.
    """

    text: str
    value: float | None = None
    mood: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a table; the first cells are its heading."""

    cells: tuple[Cell, ...]
    tags: Tags = NO_TAGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of numbers.

    Attributes:
        name: Identifies it on the page.
        caption: Above it.
        columns: Their headings.
        rows: From top to bottom.
        headings: How many of the first columns name the row; they hold text, the others numbers.
    """

    kind: ClassVar[str] = "table"
    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    headings: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure of the folder.

    Attributes:
        address: The picture itself, as a data URI.
        size: Width and height in pixels of the page.
        alternative: What it shows, for who cannot see it.
        caption: Below it.
        tags: What it belongs to.
    """

    kind: ClassVar[str] = "picture"
    address: str
    size: tuple[int, int]
    alternative: str
    caption: str
    tags: Tags = NO_TAGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Lines to copy, such as a file."""

    kind: ClassVar[str] = "listing"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point of a chart, in its pixels, and what appears when one hovers over it."""

    x: float
    y: float
    low: float
    high: float
    title: str
    tags: Tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one method and the line expected for them, "x,y x,y ..." in pixels."""

    method: str
    colour: str
    shape: str
    points: tuple[Point, ...]
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Pull widths of one parameter against rho; all lengths in pixels of the drawing.

    Attributes:
        parameter: Name.
        size: Width and height of the drawing.
        frame: Left, top, right and bottom of the panel.
        x_ticks: Position and label.
        y_ticks: Position and label.
        reference: Height of pull width 1.
        series: One per method.
    """

    parameter: str
    size: tuple[int, int]
    frame: tuple[int, int, int, int]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    reference: float
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """Charts of several parameters with one legend, and what they show in words."""

    kind: ClassVar[str] = "charts"
    charts: tuple[Chart, ...]
    alternative: str


Block = Text | Table | Picture | Listing | Charts


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page with its heading.

    Attributes:
        name: Identifies it on the page.
        heading: Above it.
        blocks: From top to bottom.
    """

    name: str
    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """The answer to the question of the page, for one method and rho.

    Attributes:
        answer: "Yes", "No" or "Perhaps", in one sentence.
        mood: "good", "bad" or "open"; gives its colour.
        details: One sentence per parameter.
        tags: What it holds for.
    """

    answer: str
    mood: str
    details: tuple[str, ...]
    tags: Tags = NO_TAGS

    @classmethod
    def of(cls, answer: Answer, tags: Tags = NO_TAGS) -> Self:
        """An answer on the page.

        Args:
            answer: In words.
            tags: What it holds for.
        """
        return cls(answer=answer.text, mood=answer.mood, details=answer.details, tags=tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that stands on a page.

    Attributes:
        title: Of the document.
        question: What it answers.
        introduction: What was done, in a sentence.
        leads: The answers; without scripts the first is shown.
        sections: What supports them.
        choices: What a reader may choose: a word ("method", "rho", "parameter"), and its values
            with their names. What the first lead belongs to is chosen first.
    """

    title: str
    question: str
    introduction: str
    leads: tuple[Lead, ...]
    sections: tuple[Section, ...]
    choices: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
