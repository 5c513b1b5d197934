"""What a run gives back, what is written of it, and how it is read."""

from pullfactory.auditing.rows import AuditRow
from pullfactory.inference.remarks import Remark
from pullfactory.inference.rows import PullRow, ScanRow, SelectionRow, SkippedSet
from pullfactory.results._audit import AuditResult
from pullfactory.results._bootstrap import BootstrapSummary
from pullfactory.results._closure import ClosureResult
from pullfactory.results._ledger import ToyLedger, ToyTable
from pullfactory.results._prediction import PredictionResult
from pullfactory.results._rows import provenance, read_summary
from pullfactory.results._scan import ScanResult
from pullfactory.results._selection import SelectionResult
from pullfactory.results._study import StudyResult
from pullfactory.results._toys import ToysResult
from pullfactory.results.audit_numbers import AuditToysResult
from pullfactory.results.audit_work import AuditWork
from pullfactory.results.reading import read, write_report
from pullfactory.results.schemas import json_schema

__all__ = [
    "AuditResult",
    "AuditRow",
    "AuditToysResult",
    "AuditWork",
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
    "json_schema",
    "provenance",
    "read",
    "read_summary",
    "write_report",
]
