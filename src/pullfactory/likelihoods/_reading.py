"""Workspaces of other people: read, patched, checked, turned into models."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonpatch
import pyhf

from pullfactory.errors import WorkspaceError

__all__ = ["build_model", "read_workspace"]

_CODES = {"normsys": ("code1", "code4"), "histosys": ("code0", "code2", "code4p")}
_DEFAULT_CODES = {"normsys": "code4", "histosys": "code4p"}
_PYHF_ERRORS = tuple(
    error
    for error in vars(pyhf.exceptions).values()
    if isinstance(error, type) and issubclass(error, Exception)
)


def read_workspace(
    source: str | Path | Mapping[str, Any], *, patches: Iterable[str | Path] = ()
) -> pyhf.Workspace:
    """Read a pyhf workspace.

    Args:
        source: A JSON file, "-" for standard input, or the content of one.
        patches: JSON patches to apply in this order: files, or FILE#NAME for one patch of a
            patch set.

    Raises:
        WorkspaceError: If a file cannot be read, is no workspace, or a patch does not apply.
    """
    if isinstance(source, Mapping):
        spec, place = dict(source), "workspace"
    else:
        spec, place = _read_json(source), f"workspace '{source}'"
    for patch in patches:
        spec = _apply(spec, str(patch))
    try:
        return pyhf.Workspace(spec)
    except _PYHF_ERRORS as error:
        raise WorkspaceError(f"{place} is not valid: {_one_line(error)}") from None


def build_model(
    workspace: pyhf.Workspace,
    *,
    measurement: str | None = None,
    modifier_settings: Mapping[str, str] | None = None,
) -> pyhf.Model:
    """Build the model of one measurement.

    Args:
        workspace: A pyhf workspace.
        measurement: Name of the measurement; None for the first.
        modifier_settings: Interpolation code of "normsys" and "histosys"; pyhf's defaults
            otherwise.

    Raises:
        WorkspaceError: If the measurement or a code is unknown, or pyhf refuses the model.
    """
    known = workspace.measurement_names
    if measurement is not None and measurement not in known:
        raise WorkspaceError(
            f"measurement {measurement!r} is not in the workspace; known: {', '.join(known)}"
        )
    codes = {**_DEFAULT_CODES, **(modifier_settings or {})}
    for modifier, code in codes.items():
        if code not in _CODES.get(modifier, ()):
            allowed = "; ".join(f"{name}: {', '.join(names)}" for name, names in _CODES.items())
            raise WorkspaceError(f"modifier setting {modifier}={code} is unknown; {allowed}")
    try:
        return workspace.model(
            measurement_name=measurement,
            modifier_settings={name: {"interpcode": code} for name, code in codes.items()},
        )
    except _PYHF_ERRORS as error:
        raise WorkspaceError(f"pyhf refuses the model: {_one_line(error)}") from None


def _apply(spec: dict[str, Any], patch: str) -> dict[str, Any]:
    path, _, name = patch.partition("#")
    content = _read_json(path)
    if isinstance(content, dict):
        known = {entry["metadata"]["name"]: entry["patch"] for entry in content.get("patches", [])}
        if name not in known:
            few = ", ".join(list(known)[:5]) or "none"
            raise WorkspaceError(
                f"'{path}' is a patch set; choose one of its {len(known)} patches as "
                f"{path}#NAME (first names: {few})"
            )
        content = known[name]
    try:
        patched: dict[str, Any] = jsonpatch.apply_patch(spec, content)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError) as error:
        raise WorkspaceError(
            f"patch '{patch}' does not apply to the workspace ({_one_line(error)}); "
            "is it made for this one?"
        ) from None
    return patched


def _read_json(path: str | Path) -> Any:
    try:
        text = sys.stdin.read() if str(path) == "-" else Path(path).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        raise WorkspaceError(f"file '{path}' cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise WorkspaceError(f"file '{path}' is no JSON ({error})") from None


def _one_line(error: Exception) -> str:
    text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text if len(text) < 200 else f"{text[:197]}..."
