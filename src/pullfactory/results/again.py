"""A result that is in its folder already: what of it need not be made again."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pullfactory.files import read_json
from pullfactory.results.manifest import MANIFEST, read_manifest
from pullfactory.results.report import REPORT


class Earlier(NamedTuple):
    """What a folder has of a result with the same numbers.

    Attributes:
        figures: Files of its figures that are as they were written.
        missing: Whether something could not be made, or was changed.
    """

    figures: Mapping[str, Path]
    missing: bool

    @classmethod
    def of(cls, folder: Path, summary: Mapping[str, Any]) -> "Earlier":
        """Look into a folder.

        Args:
            folder: May be missing, or hold something else.
            summary: All numbers; toys with the same sums are the same.
        """
        nothing = cls({}, missing=True)
        kind = str(summary["schema"]).partition("/")[0].removeprefix("pullfactory-")
        listed = read_manifest(folder)
        try:
            if listed is None or read_json(folder / f"{kind}.json") != summary:
                return nothing
            lost = read_json(folder / MANIFEST)["missing"]
            whole = {
                name: (folder / name).is_file() and one.is_still(folder / name)
                for name, one in listed.items()
            }
        except (OSError, ValueError, LookupError):
            return nothing
        figures = {
            Path(name).name: folder / name
            for name, still in whole.items()
            if still and name.startswith("figures/")
        }
        return cls(figures, missing=bool(lost) or not all(whole.values()) or REPORT not in whole)

    def is_all(self, formats: Collection[str]) -> bool:
        """Whether nothing is left to be made.

        Args:
            formats: Of the figures.
        """
        drawn = {name.rpartition(".")[2] for name in self.figures}
        return not self.missing and drawn == set(formats)
