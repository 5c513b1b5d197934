"""The verdict on a flow, as it is stored with it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

Closing = Literal["closes", "does not close", "cannot tell", "refused"]
"""What is said of a density: as in `closure.json`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowVerdict:
    """What events that a flow was not learnt from say of it.

    Attributes:
        answer: "closes", "does not close", "cannot tell", or "refused".
        reason: Cause and remedy in a sentence; None if it closes.
        events: Held-out events of each calibration point.
        n_events: Of a data set, whose errors shifts and widths were compared with.
        corners: Whether points off the axes of the parameters were looked at.
    """

    answer: Closing
    reason: str | None
    events: Annotated[int, Field(ge=0)]
    n_events: Annotated[int, Field(ge=1)]
    corners: bool
