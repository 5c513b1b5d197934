"""The audit of a workspace as it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from pullfactory.cli._request import Request

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pullfactory.results.workspace_audit import WorkspaceAuditResult

_OF_EVENTS = (
    "blind",
    "settings",
    "fresh",
    "tolerant",
    "blocks",
    "dask",
    "workers",
)
_OF_WORKSPACES = ("patches", "measurement", "tolerance", "events_file", "cabinetry")


def is_workspace(path: str) -> bool:
    """Whether a file is a workspace, by its name.

    Args:
        path: Of the file, or - for standard input.
    """
    return path == "-" or path.lower().endswith(".json")


def refuse_options(*, workspace: bool) -> None:
    """Refuse options that the other kind of audit has.

    Args:
        workspace: Whether it is one of a workspace.

    Raises:
        UsageError: If one is given.
    """
    context = click.get_current_context()
    kind = "of a workspace" if workspace else "of events"
    for option in context.command.params:
        if option.name not in (_OF_EVENTS if workspace else _OF_WORKSPACES):
            continue
        if context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE:
            name = option.opts[0] if isinstance(option, click.Option) else "EVENTS.toml"
            raise click.UsageError(f"an audit {kind} has no {name}; leave it out")


def show_workspace_audit(
    request: Request,
    workspace_file: str,
    patches: tuple[str, ...],
    *,
    events_file: str | None,
    cabinetry: str | None,
    **how: Any,
) -> None:
    """Audit a workspace, and write and print what comes out.

    Args:
        request: How the result is asked for.
        workspace_file: JSON.
        patches: Of it.
        events_file: Which events are in it, or None.
        cabinetry: The same as a configuration of cabinetry, or None.
        how: As `audit_workspace` is told.

    Raises:
        UsageError: If events are named twice.
    """
    from pullfactory.runs.workspace_audit import audit_workspace
    from pullfactory.settings.cabinetry import read_cabinetry
    from pullfactory.workspaces.reading import read_workspace

    if cabinetry and events_file:
        raise click.UsageError("both EVENTS.toml and --cabinetry are given; choose one")
    if not (cabinetry or events_file):
        for option in ("--n-toys", "--seed"):
            if option.removeprefix("--").replace("-", "_") in how:
                raise click.UsageError(f"{option} has no effect without events; leave it out")
    name = "workspace" if workspace_file == "-" else Path(workspace_file).stem
    workspace = read_workspace(workspace_file, patches=patches)
    events = read_cabinetry(cabinetry) if cabinetry else events_file
    folder = request.folder(f"{name}_audit")
    result = audit_workspace(workspace, events=events, **how, name=name, progress=request.progress)
    request.answer(
        result,
        folder,
        _shown(result),
        Report="report.html",
        Numbers="workspace_audit.json",
        Errors="errors.csv",
        Shared="shared.csv",
        Covariance="covariance.npz",
        Figures="figures",
    )


def _shown(result: "WorkspaceAuditResult") -> Iterator["RenderableType"]:
    from pullfactory.report.goodness import goodness_sentences, goodness_table, shown_goodness
    from pullfactory.report.optimal import optimal_sentences
    from pullfactory.report.sharing import (
        MOST_SHOWN,
        combined_table,
        hidden_pairs,
        parts_line,
        shared_table,
        shown_pairs,
    )

    if result.pairs:
        yield shared_table(shown_pairs(result.pairs))
    if hidden := hidden_pairs(result.pairs):
        yield hidden
    if result.goodness:
        goodness = result.goodness.to_dict()
        if goodness["rows"]:
            yield goodness_table(shown_goodness(goodness, MOST_SHOWN))
        yield from goodness_sentences(goodness)
    yield result.shown
    yield from result.answer
    if result.parts:
        yield parts_line(result.parts, result.rows[0].parameter)
    if result.optimal:
        if result.optimal.rows:
            yield combined_table(result.optimal.rows)
        yield from optimal_sentences([result.optimal.to_dict()])
    for note in result.notes:
        yield f"Note: {note}."
