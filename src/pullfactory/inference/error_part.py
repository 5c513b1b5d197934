"""A part of the error of a parameter; parts add in quadrature."""

from dataclasses import dataclass
from typing import Literal

from pullfactory.described import Size

Source = Literal["statistics", "nuisance", "leakage", "templates", "slope"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the whole error of a parameter; the parts add in quadrature.

    Attributes:
        source: `statistics` of the data; `nuisance`: the auxiliary measurement of one; `leakage`:
            noise of its templates, which its truth moves the estimate with; `templates`: noise of
            the nominal ones; `slope`: what the slope is not known to, of an estimate divided by it.
        parameter: The nuisance, or several with plus signs between them where their auxiliary
            measurements are correlated; None where it is of none.
        size: In the unit of the parameter of interest.
    """

    source: Source
    parameter: str | None
    size: Size
