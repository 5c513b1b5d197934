"""`scan.json`."""

from dataclasses import dataclass
from typing import Any, Literal

from pullfactory.inference.rows import ScanRow
from pullfactory.results.schemas.parts import OfStudy


@dataclass
class ScanFile(OfStudy):
    """Pulls of a study at several values of one of its keys.

    Attributes:
        schema: `pullfactory-scan/2`.
        study: The study before any change, with the keys of its TOML file.
        over: The key that was scanned.
        values: Its values.
        variants: For each label the settings of that variant.
        rows: Rows of pulls with, in front, the label (`variant`) and the value (`value`) of each.
    """

    schema: Literal["pullfactory-scan/2"]
    over: str
    values: list[Any]
    variants: dict[str, dict[str, Any]]
    rows: list[ScanRow]
