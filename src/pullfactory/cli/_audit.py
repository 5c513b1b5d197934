"""The audit of one's own events."""

import json
from functools import partial
from pathlib import Path

import click

from pullfactory.cli._shared import (
    console,
    epilog,
    figures_option,
    named_lost,
    result_options,
    say,
    say_files,
    stage_progress,
    write_result,
)

__all__ = ["audit"]


@click.command(
    epilog=epilog(
        "pullfactory init --audit audit.toml           a configuration to fill in",
        "pullfactory audit audit.toml                  ... and its verdict",
        "pullfactory audit audit.toml --n-toys 500 --set workspace.n_bins=10",
    )
)
@click.argument("config_file", metavar="CONFIG.toml", type=click.Path())
@click.option("--seed", metavar="N", help="Seed of all random numbers.")
@click.option("--n-toys", metavar="N", help="Toys drawn from the events; 0: none.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any key of the configuration, such as toys.held_apart=0.3. Repeatable.",
)
@result_options("results/<audit name>", figures_option)
def audit(
    config_file: str,
    seed: str | None,
    n_toys: str | None,
    settings: tuple[str, ...],
    output: str | None,
    figures: tuple[str, ...] | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """May the observables in your events be fitted as if they were independent?"""
    from pullfactory.report.table import remark_lines
    from pullfactory.results.audit_tables import (
        audit_answer,
        audit_table,
        data_table,
        dependence_lines,
        pay_line,
    )
    from pullfactory.results.folders import check_folder
    from pullfactory.runs.audit import audit as run_audit
    from pullfactory.settings.audit import AuditConfig
    from pullfactory.settings.study import Study

    progress = stage_progress()
    given = {"seed": seed, "toys.n_toys": n_toys}
    short = [f"{key}={value}" for key, value in given.items() if value is not None]
    config = AuditConfig.from_toml(config_file)
    if changes := Study.parse_settings([*short, *settings]):
        config = config.with_settings(changes)
    folder = check_folder(output or Path("results") / config.name)
    result = run_audit(config, base=Path(config_file).parent, workers=workers, progress=progress)
    write_result(partial(result.write, figures=figures, progress=progress), folder)
    if as_json:
        click.echo(json.dumps(result.summary(), indent=1, allow_nan=False))
    else:
        say(audit_answer(result))
        console().print(audit_table(result))
        for said in remark_lines(result.remarks, "audit.json"):
            say(f"Toys: {said}")
        for text in (*dependence_lines(result), pay_line(result)):
            say(text)
        if result.data:
            console().print(data_table(result))
        for note in result.notes:
            if note not in result.warnings:
                say(f"Note: {note}")
        say_files(
            folder,
            Report="report.html",
            Summary="audit.json",
            Figures="figures",
            Workspaces="workspaces",
        )
    for warning in result.warnings:
        click.echo(f"Warning: {warning}", err=True)
    for method, status in result.status.items():
        if line := named_lost(method, status):
            click.echo(line, err=True)
