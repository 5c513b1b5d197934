"""Kinds of values in a study file: strict about types, so that mistakes are seen."""

from functools import cache
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict

__all__ = ["Count", "Frozen", "Listed", "Name", "Text", "Whole"]

T = TypeVar("T")


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
    from matplotlib.mathtext import MathTextParser

    try:
        MathTextParser("path").parse(text)
    except ValueError as error:
        reason = str(error).splitlines()[-1]
        raise ValueError(f"{text!r} is no LaTeX that can be drawn ({reason}); mend it") from None
    return text


Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Text = Annotated[str, AfterValidator(_drawable)]
Whole = Annotated[int, BeforeValidator(_whole)]
Count = Annotated[Whole, Field(le=10**12)]
Listed = Annotated[tuple[T, ...], Strict(strict=False)]


class Frozen(BaseModel):
    """A table of a study file: known keys only, every number finite, frozen after."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)
