"""`workspace_audit.json`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pullfactory.described import Later
from pullfactory.inference.error_part import Part
from pullfactory.inference.goodness import Goodness
from pullfactory.results.schemas.parts import Provenance
from pullfactory.sharing import Combined
from pullfactory.sharing.rows import SharedRow, SharingRow


@dataclass
class WorkspaceAuditFile:
    """What events in several channels do to the errors of a workspace.

    Attributes:
        schema: `pullfactory-workspace_audit/2`.
        name: Of the audit.
        provenance: Seed, versions, and a digest of the model.
        measurement: Name of the measurement.
        status: How the fit to the observations ended; where it failed, numbers
            are those at the initial values.
        channels: Names, in the order of the model.
        errors: One row for each parameter: that of interest first, gammas last.
        shared: One row for each pair of channels that share events; empty without events.
        without: Samples that have no events though others have.
        notes: What is not known.
        goodness: Whether the workspace fits its observations, beside toys of
            whole events; None without events.
        parts: Of the corrected error of the parameter of interest, which add
            in quadrature; empty without events.
        optimal: The optimal combination of the counts; None without events.
    """

    schema: Literal["pullfactory-workspace_audit/2"]
    name: str
    provenance: Provenance
    measurement: str
    status: str
    channels: list[str]
    errors: list[SharingRow]
    shared: Annotated[list[SharedRow], Later]
    without: Annotated[list[str], Later]
    notes: Annotated[list[str], Later]
    goodness: Annotated[Goodness | None, Later]
    parts: Annotated[list[Part], Later]
    optimal: Annotated[Combined | None, Later]
