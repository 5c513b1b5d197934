"""Events that channels of a workspace share, and what they do to its errors."""

from pullfactory.sharing.answer import Answer, Answers, find_answers
from pullfactory.sharing.bound import Largest, largest_factors
from pullfactory.sharing.causes import EXACT
from pullfactory.sharing.checks import MappingError, refuse_mismatch
from pullfactory.sharing.covariance import Covariance
from pullfactory.sharing.filled import Filled, MappedEvents, filled
from pullfactory.sharing.optimal import Combined, CombinedRow, combine_optimally
from pullfactory.sharing.parts import error_parts, pulls_of
from pullfactory.sharing.point import Point, fitted, gamma_bins
from pullfactory.sharing.rates import sample_rates
from pullfactory.sharing.reading import read_mapped
from pullfactory.sharing.rows import SharedRow, SharingRow, shared_rows, sharing_rows
from pullfactory.sharing.toys import throw_paired

__all__ = [
    "EXACT",
    "Answer",
    "Answers",
    "Combined",
    "CombinedRow",
    "Covariance",
    "Filled",
    "Largest",
    "MappedEvents",
    "MappingError",
    "Point",
    "SharedRow",
    "SharingRow",
    "combine_optimally",
    "error_parts",
    "filled",
    "find_answers",
    "fitted",
    "gamma_bins",
    "largest_factors",
    "pulls_of",
    "read_mapped",
    "refuse_mismatch",
    "sample_rates",
    "shared_rows",
    "sharing_rows",
    "throw_paired",
]
