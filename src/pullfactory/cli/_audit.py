"""The audit of one's own events."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pullfactory.cli._completion import audit_keys
from pullfactory.cli._request import Request, figures_option, kept_options, result_options
from pullfactory.cli._shared import PLACE, command, console, warn_of_lost, warn_of_mixed
from pullfactory.cli._workspace_audit import is_workspace, refuse_options, show_workspace_audit
from pullfactory.progress import tell

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pullfactory.results.audit import AuditResult
    from pullfactory.settings.audit import AuditConfig


@command(
    "pullfactory init --audit audit.toml           a configuration to fill in",
    "pullfactory audit audit.toml                  ... and its verdict",
    "pullfactory audit audit.toml --n-toys 500 --set workspace.n_bins=10",
    "pullfactory audit workspace.json              how wrong its errors can be, without events",
    "pullfactory audit workspace.json events.toml  ... and are, with the events that are in it",
)
@click.argument("config_file", metavar="CONFIG.toml|WORKSPACE.json", type=PLACE)
@click.argument("events_file", metavar="[EVENTS.toml]", type=PLACE, required=False)
@click.option(
    "--patch",
    "patches",
    multiple=True,
    type=PLACE,
    help="JSON patch of a workspace, or FILE#NAME for one of a patch set. Repeatable.",
)
@click.option(
    "--cabinetry",
    metavar="CONFIG.yml",
    type=PLACE,
    help="Configuration of cabinetry that says which events are in a workspace.",
)
@click.option("--measurement", help="Measurement of a workspace.  [default: the first]")
@click.option(
    "--tolerate",
    "tolerance",
    type=click.FloatRange(0, 1),
    default=1e-6,
    show_default=True,
    help="Part of a template of a workspace by which its simulated events may differ.",
)
@click.option("--seed", metavar="N", help="Seed of all random numbers.")
@click.option("--n-toys", metavar="N", help="Toys drawn from the events; 0: none.")
@click.option(
    "--blind/--unblind",
    default=None,
    help="Show estimates with a hidden offset, or as they are; else as in the file, or in a folder "
    "that is blinded.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any key of the configuration, such as toys.held_apart=0.3. Repeatable.",
    shell_complete=audit_keys,
)
@result_options("results/<audit name>", figures_option, *kept_options)
def audit(
    request: Request,
    config_file: str,
    events_file: str | None,
    patches: tuple[str, ...],
    cabinetry: str | None,
    measurement: str | None,
    tolerance: float,
    seed: str | None,
    n_toys: str | None,
    blind: bool | None,
    settings: tuple[str, ...],
) -> None:
    """May the observables in your events, or the channels of a workspace, be fitted as independent?

    A file that ends in .json is a workspace, - one on standard input.
    """
    refuse_options(workspace=is_workspace(config_file))
    if is_workspace(config_file):
        show_workspace_audit(
            request,
            config_file,
            patches,
            events_file=events_file,
            cabinetry=cabinetry,
            measurement=measurement,
            tolerance=tolerance,
            **_whole_numbers(seed=seed, n_toys=n_toys),
        )
        return
    from pullfactory.auditing import GateError
    from pullfactory.results.audit_tables import response_table
    from pullfactory.runs.audit import audit as run_audit
    from pullfactory.settings.audit import AuditConfig
    from pullfactory.settings.idle import refuse_idle, refuse_idle_file
    from pullfactory.settings.study import Study

    given = {"seed": seed, "toys.n_toys": n_toys}
    short = [f"{key}={value}" for key, value in given.items() if value is not None]
    config = AuditConfig.from_toml(config_file)
    written, changes = config, Study.parse_settings([*short, *settings])
    if changes:
        config = config.with_settings(changes)
    refuse_idle(changes, [config], {})
    refuse_idle_file(written, f"audit file '{config_file}'", [config])
    if not config.toys.n_toys:
        _refuse_toys(request)
    folder = request.folder(config.name)
    config = _with_blinding(config, folder, blind)
    with request.kept(folder) as keep:
        try:
            result = run_audit(config, base=Path(config_file).parent, keep=keep, **request.work)
        except GateError as error:
            if not request.as_json:
                console().print(response_table(error.gate.response, config))
            raise
        if blind is False:
            result = result.unblinded()
        for warning in result.warnings:
            tell(f"Warning: {warning}")
        request.answer(
            result,
            folder,
            _shown(result),
            Report="report.html",
            Summary="audit.json",
            Figures="figures",
            Workspaces="workspaces",
        )
    warn_of_mixed(result.mixed)
    warn_of_lost(result.status)


def _whole_numbers(**given: str | None) -> dict[str, int]:
    """Options that are whole numbers, of those that are given."""
    found = {}
    for name, text in given.items():
        if text is None:
            continue
        if not text.isdecimal():
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} {text}: give a whole number, 0 or more")
        found[name] = int(text)
    return found


def _refuse_toys(request: Request) -> None:
    """Refuse options that say how toys are made, where there are none."""
    given = {
        "--blocks": request.blocks,
        "--dask": request.executor,
        "--tolerant": request.tolerant or None,
    }
    for option, value in given.items():
        if value is not None:
            raise click.UsageError(
                f"{option} has no effect without toys; leave it out, or set toys.n_toys"
            )


def _with_blinding(config: "AuditConfig", folder: Path, wanted: bool | None) -> "AuditConfig":
    """The configuration with estimates hidden or not; a folder that hides them goes on to."""
    from pullfactory.results.audit import is_blinded

    if wanted is not None:
        return config.with_settings({"blind": wanted})
    if config.blind or not is_blinded(folder):
        return config
    tell(f"'{folder}' is blinded, and stays so; --unblind ends that")
    return config.with_settings({"blind": True})


def _shown(result: "AuditResult") -> Iterator["RenderableType"]:
    from pullfactory.report.table import remark_lines
    from pullfactory.results.audit_tables import (
        audit_answer,
        audit_table,
        change_lines,
        check_table,
        curve_line,
        data_table,
        dependence_lines,
        flow_shown,
        goodness_shown,
        impacts_shown,
        intervals_shown,
        optimal_shown,
        pay_line,
        response_table,
    )

    yield response_table(result.response, result.config)
    yield audit_answer(result)
    yield from goodness_shown(result)
    yield from result.lines
    if result.data:
        yield data_table(result)
        yield from intervals_shown(result)
        yield from impacts_shown(result)
    table, check = audit_table(result), check_table(result)
    yield table
    yield from change_lines(result)
    yield from curve_line(result)
    if table.rows != check.rows and (result.pulls or result.joint_workspace):
        yield check
    yield from optimal_shown(result)
    yield from flow_shown(result)
    for said in remark_lines(result.remarks, "audit.json"):
        yield f"Toys: {said}"
    yield from dependence_lines(result)
    yield pay_line(result)
    for note in result.notes:
        if note not in result.warnings:
            yield f"Note: {note}"
