"""Templates: counts of channels at the calibration points."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration.grid import label_point, label_points
from pullfactory.errors import CalibrationError
from pullfactory.settings.sections import WorkspaceSettings
from pullfactory.settings.study import Study


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Templates:
    """What a workspace is made of.

    Attributes:
        study: What is fitted.
        workspace: How to use the templates.
        free_totals: Whether the total of each channel is a free parameter.
        channels: Names.
        points: Where there are samples, shape (points, parameters), in calibration steps; the
            nominal point first.
        counts: One array of shape (points, bins) per channel.
    """

    study: Study
    workspace: WorkspaceSettings
    free_totals: bool
    channels: tuple[str, ...]
    points: NDArray[np.float64]
    counts: tuple[NDArray[np.float64], ...]

    @property
    def scale(self) -> float:
        """Events of a toy for each calibration event."""
        return self.study.ensemble.n_events / self.study.calibration.events_per_point

    @property
    def units(self) -> dict[str, float]:
        """What 1 in the workspace means in the study, for parameters where that is not 1."""
        return self.workspace.units(self.study.free_names)

    @property
    def labels(self) -> tuple[str, ...]:
        """Name of each point, such as "nominal" or "JSF+1"."""
        return label_points(self.study.parameter_names, self.points)

    def template(
        self, channel: int, steps: Mapping[str, float] | None = None
    ) -> NDArray[np.float64]:
        """Counts of one channel, by its position, at one point; as `Calibration.template`.

        Raises:
            CalibrationError: If there is no sample at this point.
        """
        names = self.study.parameter_names
        wanted = np.array([(steps or {}).get(name, 0.0) for name in names])
        where = np.flatnonzero((self.points == wanted).all(axis=1))
        if not len(where):
            raise CalibrationError(
                f"there is no calibration sample at {label_point(names, wanted)}; "
                "calibrate the study with the workspace settings that need it"
            )
        return np.asarray(self.counts[channel][where[0]])
