"""The user's own events: tables in files or in memory, expressions over them, identifiers."""

from ._files import named_files
from .computed import Computed, ConstantWeight, open_computed
from .expressions import Expression, parse_expression
from .identifiers import hash_events, hash_rows
from .repeats import first_rows, row_pairs
from .sources import FileSource, Source, open_files, open_source

__all__ = [
    "Computed",
    "ConstantWeight",
    "Expression",
    "FileSource",
    "Source",
    "first_rows",
    "hash_events",
    "hash_rows",
    "named_files",
    "open_computed",
    "open_files",
    "open_source",
    "parse_expression",
    "row_pairs",
]
