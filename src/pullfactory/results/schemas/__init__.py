"""What stands in the files of numbers: one type for each, from which its JSON Schema is made."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pullfactory.described import json_schema_of
from pullfactory.errors import OutputError
from pullfactory.results.schemas.audit import AuditFile
from pullfactory.results.schemas.bootstrap import BootstrapFile
from pullfactory.results.schemas.closure import ClosureFile
from pullfactory.results.schemas.prediction import PredictionFile
from pullfactory.results.schemas.scan import ScanFile
from pullfactory.results.schemas.selection import SelectionFile
from pullfactory.results.schemas.summary import StudyFile, ToysFile
from pullfactory.results.schemas.workspace_audit import WorkspaceAuditFile

__all__ = ["json_schema"]

_FILES: Mapping[str, Any] = MappingProxyType(
    {
        "summary": StudyFile | ToysFile,
        "audit": AuditFile,
        "prediction": PredictionFile,
        "selection": SelectionFile,
        "bootstrap": BootstrapFile,
        "closure": ClosureFile,
        "scan": ScanFile,
        "workspace_audit": WorkspaceAuditFile,
    }
)


def json_schema(kind: str = "summary") -> dict[str, Any]:
    """The JSON Schema (2020-12) of a file of numbers. Keys may be added that it does not name.

    Args:
        kind: Name of the file without ending, such as "summary" or "audit".

    Raises:
        OutputError: If there is no such file.
    """
    if kind not in _FILES:
        raise OutputError(f"no schema of {kind!r}; there are those of {', '.join(_FILES)}")
    return json_schema_of(_FILES[kind])
