"""`workspace_audit.json`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pullfactory.described import Later
from pullfactory.results.schemas.parts import Provenance
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
