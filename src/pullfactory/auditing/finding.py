"""What a look at the inputs of an audit, and at its fit, found."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["refuse", "warn", "fine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: "refuse": no answer can rest on it; "warn": the answer rests on it being meant so;
            "fine": looked at, and nothing found.
        cause: What was looked for, such as `no_effect`.
        place: Where, such as `samples.JSF.down`.
        text: What was found, in a sentence with its numbers.
        remedy: What to do about it, in a sentence; empty where nothing is to be done.
    """

    level: Level
    cause: str
    place: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        """Place, finding and remedy, on one line."""
        return f"{self.place}: {' '.join(filter(None, (self.text, self.remedy)))}"

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `audit.json`."""
        return asdict(self)
