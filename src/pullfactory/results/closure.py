"""What a closure gives back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration
from pullfactory.described import row_of
from pullfactory.errors import OutputError
from pullfactory.inference import Closure, DensityVerdict
from pullfactory.inference.closing import (
    ClosureGrid,
    ClosureScan,
    ClosureVerdict,
    first_above,
)
from pullfactory.inference.expectation import ExpectationFits
from pullfactory.report.figures import Figures
from pullfactory.report.tabular import Table
from pullfactory.results.contents import CALIBRATION
from pullfactory.results.of_study import ResultOfStudy, write_calibration
from pullfactory.results.tables import closure_table, density_table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ClosureResult(ResultOfStudy):
    """The closure of the workspace of a study.

    Attributes:
        study: The study.
        closure: Rates, fits and verdicts.
        densities: Verdicts on the joint densities of methods, by method and rho.
        calibration: What was judged, with the verdict on each flow in it, for further runs; None
            where no flow was judged.
    """

    kind = "closure"

    closure: Closure
    densities: tuple[DensityVerdict, ...] = ()
    calibration: Calibration | None = None

    @property
    def verdicts(self) -> tuple[dict[str, Any], ...]:
        """Plain data, one row per parameter: as in a run's summary, and what the grid adds."""
        grid, scan = self.closure.grid, self.closure.scan
        assert scan.worst is not None
        size = np.abs(np.nan_to_num(grid.pull))
        rows = []
        for k, verdict in enumerate(self.closure.verdicts):
            point = int(size[:, k].argmax())
            rows.append(
                {
                    **verdict.to_dict(),
                    "grid_bias": _number(grid.pull[point, k]),
                    "grid_theta": self._by_name(grid.theta[point]),
                    "grid_biased_from": first_above(scan.events, scan.worst[:, k]),
                }
            )
        return tuple(rows)

    @property
    def title(self) -> str:
        """What it is of, on one line."""
        return f"morphing of study {self.study.name!r}"

    @property
    def table(self) -> Table[Mapping[str, Any]]:
        """What the morphing does to each parameter."""
        return closure_table(self.verdicts)

    @property
    def density_table(self) -> Table[Mapping[str, Any]] | None:
        """What held-out events say of the joint densities; None if no method has one."""
        return density_table(self.densities) if self.densities else None

    def summary(self) -> dict[str, Any]:
        """Content of `closure.json`: plain data without NaN."""
        return {
            **self._head(),
            "sample_events": self.closure.sample_events,
            "verdicts": list(self.verdicts),
            "worst_bins": self._worst_bins(),
            "grid": self._grid(),
            "scan": self._scan(),
            "densities": [one.to_dict() for one in self.densities],
            "channels": [
                {"name": name, "edges": edges.tolist()}
                for (name, _), edges in zip(self.closure.channels, self.closure.edges, strict=True)
            ],
        }

    @classmethod
    def _read(cls, folder: Path, numbers: dict[str, Any]) -> Self:
        head = cls._read_head(folder, numbers)
        if "channels" not in numbers:
            raise OutputError(
                f"'{folder}' was written by an earlier version, and lacks the rates that figures "
                "show; measure the closure again"
            )
        names = head["study"].parameter_names
        grid, scan, channels = (numbers[key] for key in ("grid", "scan", "channels"))

        def by_point(key: str) -> NDArray[np.float64]:
            return np.array([[row[key][name] for name in names] for row in grid], dtype=np.float64)

        def by_events(key: str) -> NDArray[np.float64]:
            values = np.array([row[key] for row in scan], dtype=np.float64)
            return values.reshape(-1, len(names))

        closure = Closure(
            channels=tuple((one["name"], len(one["edges"]) - 1) for one in channels),
            edges=tuple(np.array(one["edges"]) for one in channels),
            grid=ClosureGrid(
                kinds=tuple(row["kind"] for row in grid),
                theta=by_point("theta"),
                exact=np.array([row["exact"] for row in grid], dtype=np.float64),
                predicted=np.array([row["predicted"] for row in grid], dtype=np.float64),
                fits=ExpectationFits(by_point("fitted"), by_point("error")),
            ),
            scan=ClosureScan(
                events=by_events("events")[:, 0],
                bias=by_events("bias"),
                worst=by_events("grid_bias"),
            ),
            verdicts=tuple(row_of(ClosureVerdict, row) for row in numbers["verdicts"]),
            sample_events=numbers["sample_events"],
        )
        return cls(
            **head,
            closure=closure,
            densities=tuple(map(DensityVerdict.from_dict, numbers.get("densities", ()))),
            calibration=Calibration.read(file) if (file := folder / CALIBRATION).exists() else None,
        )

    def _fill(self, folder: Path, summary: dict[str, Any]) -> None:
        super(ClosureResult, self)._fill(folder, summary)
        if self.calibration is not None:
            write_calibration(folder, self.calibration)

    def _figures(self) -> Figures:
        from pullfactory.report.closure import make_closure_figures  # drawing is slow to load
        from pullfactory.report.density import make_density_figures

        return {
            **make_closure_figures(study=self.study, closure=self.closure),
            **make_density_figures(study=self.study, densities=self.densities),
        }

    def _worst_bins(self) -> list[dict[str, Any]]:
        return [
            {
                "channel": worst.channel,
                "bin": worst.bin,
                "theta": self._by_name(self.closure.grid.theta[worst.point]),
                "exact": worst.exact,
                "predicted": worst.predicted,
                "relative": worst.relative,
                "significance": worst.significance,
            }
            for worst in self.closure.worst_bins
        ]

    def _grid(self) -> list[dict[str, Any]]:
        grid = self.closure.grid
        return [
            {
                "kind": kind,
                "theta": self._by_name(grid.theta[i]),
                "fitted": self._by_name(grid.fits.estimate[i]),
                "error": self._by_name(grid.fits.error[i]),
                "bias": self._by_name(grid.pull[i]),
                "exact": grid.exact[i].tolist(),
                "predicted": grid.predicted[i].tolist(),
            }
            for i, kind in enumerate(grid.kinds)
        ]

    def _scan(self) -> list[dict[str, Any]]:
        scan = self.closure.scan
        assert scan.worst is not None
        return [
            {
                "events": float(events),
                "parameter": name,
                "bias": _number(scan.bias[i, k]),
                "grid_bias": _number(scan.worst[i, k]),
            }
            for i, events in enumerate(scan.events)
            for k, name in enumerate(self.study.parameter_names)
        ]

    def _by_name(self, values: NDArray[np.float64]) -> dict[str, float | None]:
        numbers = map(_number, values)
        return dict(zip(self.study.parameter_names, numbers, strict=True))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
