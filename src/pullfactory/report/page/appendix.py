"""What ends every page: where its numbers come from, and how to cite."""

from collections.abc import Mapping
from typing import Any

from pullfactory.report.citation import CITATION
from pullfactory.report.page.content import Listing, Section, Text
from pullfactory.report.page.tables import paged
from pullfactory.report.tabular import Table, text


def appendix(provenance: Mapping[str, Any]) -> tuple[Section, ...]:
    """Sections on seed and versions, and on how to cite.

    Args:
        provenance: Of a summary.
    """
    rows = {"seed": provenance["seed"], **provenance["versions"]}
    if mixed := provenance.get("mixed"):
        rows["some toys were made by"] = ", ".join(mixed)
    for key, what in (("study_sha256", "study"), ("config_sha256", "configuration")):
        if digest := provenance.get(key):
            rows[f"SHA-256 of the {what}"] = digest
    return (
        Section(
            name="provenance",
            heading="Seed and versions",
            blocks=(
                paged(
                    Table(
                        columns=(text("what", "what"), text("which", "which")),
                        rows=tuple({"what": k, "which": v} for k, v in rows.items()),
                    ),
                    name="provenance",
                    caption="The same seed and versions give the same numbers.",
                ),
            ),
        ),
        Section(
            name="cite",
            heading="How to cite",
            blocks=(
                Text(text="Cite the package, and the statistical tools that it builds on."),
                Listing(text=CITATION),
            ),
        ),
    )
