"""Tables of keys in the documentation, made of the types: `python -m tests.tables`."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from pullfactory.auditing import (
    CalibrationCurve,
    CurveLine,
    CurvePoint,
    Finding,
    FlowFit,
    FlowRow,
    Goodness,
    ImpactRow,
    OptimalFit,
    OptimalRow,
    OptimalWeight,
    PaperRow,
    RatioRow,
    ResponseRow,
    SampleCheck,
)
from pullfactory.auditing.paper import SlopeMatrix
from pullfactory.auditing.rows import AuditRow
from pullfactory.described import keys_of
from pullfactory.inference import AnyRho, ComparedPull, WeightRow
from pullfactory.inference.calibration_noise import CalibrationNoise
from pullfactory.inference.coverage import CoverageRow
from pullfactory.inference.density_rows import (
    DensityCorner,
    DensityLevel,
    DensityShift,
    DensityVerdict,
    LeftOut,
    TransformRow,
)
from pullfactory.inference.error_part import Part
from pullfactory.inference.goodness import ChiSquare, GoodnessRow
from pullfactory.inference.remarks import Remark
from pullfactory.inference.rows import PullRow, SelectionRow, SetRow
from pullfactory.results.schemas.audit import AuditFile, AuditKeys, DataRow, DependenceRow
from pullfactory.results.schemas.bootstrap import BootstrapFile
from pullfactory.results.schemas.closure import ClosureFile, GridVerdictRow
from pullfactory.results.schemas.parts import ShapeRow, Status, StudyKeys, VerdictRow
from pullfactory.results.schemas.scan import ScanFile
from pullfactory.results.schemas.selection import SelectionFile
from pullfactory.results.schemas.summary import StudyFile, ToysFile
from pullfactory.results.schemas.workspace_audit import WorkspaceAuditFile
from pullfactory.sharing.optimal import Combined, CombinedRow
from pullfactory.sharing.rows import SharedRow, SharingRow

__all__ = ["PAGE", "filled"]

PAGE = Path(__file__).parents[1] / "docs" / "outputs.md"
_KINDS = (
    *(AuditFile, AuditRow, BootstrapFile, CalibrationNoise, ClosureFile, DataRow, DependenceRow),
    *(CalibrationCurve, CurveLine, CurvePoint),
    *(DensityCorner, DensityLevel, DensityShift, DensityVerdict, LeftOut, TransformRow),
    *(ChiSquare, Combined, CombinedRow, Finding, Goodness, GoodnessRow, ResponseRow),
    *(ImpactRow, PaperRow, Part, SlopeMatrix),
    *(AnyRho, CoverageRow, FlowFit, FlowRow, OptimalFit, OptimalRow, OptimalWeight, RatioRow),
    *(GridVerdictRow, ComparedPull, PullRow, Remark, SampleCheck, ScanFile, SelectionFile),
    *(ShapeRow, SharedRow, SharingRow, StudyFile, ToysFile, WeightRow, WorkspaceAuditFile),
)
_PLACES: Mapping[Any, str] = MappingProxyType(  # where more is said of what a key has
    {
        AuditKeys: "audit.md#the-audit",
        AuditRow: "#errors-of-an-audit",
        CalibrationCurve: "#calibration-curve-of-an-audit",
        CalibrationNoise: "#rows-of-calibration_noise",
        Combined: "#audit-of-a-workspace",
        CombinedRow: "#audit-of-a-workspace",
        CoverageRow: "#rows-of-intervals",
        DataRow: "#fits-of-the-data-of-an-audit",
        DensityLevel: "#verdicts-on-joint-densities",
        DensityCorner: "#verdicts-on-joint-densities",
        DensityShift: "#verdicts-on-joint-densities",
        DensityVerdict: "#verdicts-on-joint-densities",
        DependenceRow: "#correlations-of-an-audit",
        Finding: "#findings-of-an-audit",
        FlowFit: "#the-joint-fit-of-an-audit",
        Goodness: "#goodness-of-the-fit-of-an-audit",
        GridVerdictRow: "#verdicts-of-a-closure",
        LeftOut: "#verdicts-on-joint-densities",
        ImpactRow: "#impacts-of-an-audit",
        OptimalFit: "#the-optimal-combination-of-an-audit",
        PaperRow: "#the-line-for-the-paper-of-an-audit",
        PullRow: "#rows-of-pulls",
        RatioRow: "#intervals-of-an-audit",
        Remark: "#rows-of-remarks",
        ResponseRow: "#response-of-an-audit",
        SampleCheck: "#samples-of-an-audit",
        SelectionRow: "#prediction",
        SetRow: "#tables-of-an-audit",
        ShapeRow: "#rows-of-shapes",
        SharedRow: "#audit-of-a-workspace",
        SharingRow: "#audit-of-a-workspace",
        Status: "#status",
        TransformRow: "#verdicts-on-joint-densities",
        StudyKeys: "study.md",
        VerdictRow: "#verdicts-of-a-closure",
    }
)
_TABLE = re.compile(r"<!-- keys of (\w+) -->\n\n(?:\|.*\n)*")


def filled(text: str) -> str:
    """A page with each table of keys as the types say it.

    Args:
        text: Has a comment above each such table that names the type.
    """
    kinds = {kind.__name__: kind for kind in _KINDS}
    return _TABLE.sub(lambda found: _table(kinds[found[1]]), text)


def _table(kind: type) -> str:
    hints = get_type_hints(kind)
    rows = [("key", "content")]
    for key, said in keys_of(kind).items():
        place = next((_PLACES[part] for part in _parts(hints.get(key)) if part in _PLACES), "")
        more = f" ([more]({place}))" if place else ""
        rows.append((f"`{key}`", said.removesuffix(".").replace("|", r"\|") + more))
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    rows.insert(1, ("-" * widths[0], "-" * widths[1]))
    lines = (f"| {key:<{widths[0]}} | {said:<{widths[1]}} |\n" for key, said in rows)
    return f"<!-- keys of {kind.__name__} -->\n\n{''.join(lines)}"


def _parts(hint: Any) -> Iterator[Any]:
    """A type and those in it."""
    yield hint
    for inner in get_args(hint):
        yield from _parts(inner)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
