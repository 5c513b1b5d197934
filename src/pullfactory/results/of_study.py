"""What results of a study share."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pullfactory.calibration import Calibration
from pullfactory.results.contents import CALIBRATION
from pullfactory.results.result import Result
from pullfactory.results.rows import provenance, schema_name
from pullfactory.settings.study import Study


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ResultOfStudy(Result):
    """A result that belongs to a study; the study lies in its folder.

    Attributes:
        study: The study.
    """

    study: Study

    @property
    def _formats(self) -> tuple[str, ...]:
        return self.study.figures

    def _head(self, **more: Any) -> dict[str, Any]:
        """What its numbers begin with.

        Args:
            more: What else there is to say of where they come from.
        """
        return {
            "schema": schema_name(self.kind),
            "study": self.study.to_dict(),
            "provenance": provenance(
                self.study.seed, self.versions, study_sha256=self.study.sha256, **more
            ),
        }

    @classmethod
    def _read_head(cls, folder: Path, numbers: dict[str, Any]) -> dict[str, Any]:
        """What `_head` was made of."""
        return {
            "versions": numbers["provenance"]["versions"],
            "study": Study.from_dict(numbers["study"], place=f"study in '{folder}'"),
        }

    def _fill(self, folder: Path, _summary: dict[str, Any]) -> None:
        (folder / "study.toml").write_text(self.study.to_toml(), encoding="utf-8")


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Write what a result knows for further runs.

    Args:
        folder: Of the result.
        calibration: Of its study.
    """
    text = json.dumps(calibration.to_dict(), allow_nan=False)
    (folder / CALIBRATION).write_text(f"{text}\n", encoding="utf-8")
