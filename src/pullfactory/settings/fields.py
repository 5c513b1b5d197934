"""Kinds of values in a study file: strict about types, so that mistakes are seen."""

from collections.abc import Iterable
from functools import cache
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict

FigureFormat = Literal["png", "pdf", "svg"]
FIGURE_FORMATS: tuple[FigureFormat, ...] = get_args(FigureFormat)

T = TypeVar("T")
_LONGEST = 500  # letters of LaTeX
_CHOICE = f"choose of {', '.join(FIGURE_FORMATS)}, or none"


def _whole(value: object) -> object:
    """1e6 is a whole number too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


@cache
def _drawable(text: str) -> str:
    """Refuse now what matplotlib would refuse when all toys are fitted."""
    text.encode()  # a command line may hold what is no Unicode
    if not text.isprintable():
        raise ValueError(f"{text!r} has letters that do not print; leave them out")
    if "$" not in text:
        return text
    if len(text) > _LONGEST:
        raise ValueError(f"{text[:20]!r}... has {len(text)} letters, more than {_LONGEST}")
    from matplotlib.mathtext import MathTextParser

    try:
        MathTextParser("path").parse(text)
    except (RecursionError, ValueError) as error:
        reason = str(error).splitlines()[-1]
        raise ValueError(f"{text!r} is no LaTeX that can be drawn ({reason}); mend it") from None
    return text


def listed(value: object) -> object:
    """One name for a list of it.

    Args:
        value: A name, or a list.
    """
    return (value,) if isinstance(value, str) else value


def figure_formats(given: object) -> tuple[FigureFormat, ...]:
    """Formats of figures, each once.

    Args:
        given: Names, or a text with commas between them; "none", or nothing: no figures.

    Raises:
        ValueError: If one is no format.
    """
    parts = given.split(",") if isinstance(given, str) else given
    if not isinstance(parts, Iterable):
        raise ValueError(f"{given!r} are no formats; {_CHOICE}")
    names = [part.strip().lower() if isinstance(part, str) else part for part in parts]
    if names in ([], ["none"]):
        return ()
    for name in names:
        if name == "none":
            raise ValueError(f"{given!r}: none stands alone; {_CHOICE}")
        if name not in FIGURE_FORMATS:
            raise ValueError(f"{name!r} is no format of figures; {_CHOICE}")
    return tuple(ending for ending in FIGURE_FORMATS if ending in names)


Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Text = Annotated[str, AfterValidator(_drawable)]
Whole = Annotated[int, BeforeValidator(_whole)]
Count = Annotated[Whole, Field(le=10**12)]
Listed = Annotated[tuple[T, ...], Strict(strict=False)]
Bounds = Annotated[tuple[float, float], Strict(strict=False)]
MOST_BINS = 10**6
"""Of an observable: as many as a large calibration sample has events."""
Bins = Annotated[
    Count | None,
    Field(
        ge=2,
        le=MOST_BINS,
        description="bins of equal population; absent: workspace.n_bins",
        examples=[10],
    ),
]
FigureFormats = Annotated[tuple[FigureFormat, ...], BeforeValidator(figure_formats)]


class Frozen(BaseModel):
    """A table of a study file: known keys only, every number finite, frozen after."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)
