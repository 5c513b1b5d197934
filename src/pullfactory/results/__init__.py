"""What a run gives back, what is written of it, and how it is read."""

from pullfactory.results._audit import AuditResult, AuditRow, AuditToysResult
from pullfactory.results._bootstrap import BootstrapSummary
from pullfactory.results._closure import ClosureResult
from pullfactory.results._ledger import ToyLedger, ToyTable
from pullfactory.results._prediction import PredictionResult
from pullfactory.results._remarks import Remark
from pullfactory.results._report import write_report
from pullfactory.results._rows import PullRow, provenance, read_summary
from pullfactory.results._scan import ScanResult, ScanRow
from pullfactory.results._selection import SelectionResult, SelectionRow, SkippedSet
from pullfactory.results._study import StudyResult
from pullfactory.results._toys import ToysResult

__all__ = [
    "AuditResult",
    "AuditRow",
    "AuditToysResult",
    "BootstrapSummary",
    "ClosureResult",
    "PredictionResult",
    "PullRow",
    "Remark",
    "ScanResult",
    "ScanRow",
    "SelectionResult",
    "SelectionRow",
    "SkippedSet",
    "StudyResult",
    "ToyLedger",
    "ToyTable",
    "ToysResult",
    "provenance",
    "read_summary",
    "write_report",
]
