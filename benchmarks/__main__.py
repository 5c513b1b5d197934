"""Measure everything, print one table, write it down: `python -m benchmarks`."""

import json
from pathlib import Path
from time import perf_counter

import click
from rich.console import Console

from benchmarks.measure import Settings, in_fresh_process
from benchmarks.rows import Row, environment, insert_markdown, table, to_dict
from benchmarks.sections import SECTIONS, measure


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--quick", is_flag=True, help="Tiny sizes: shows that it runs, measures little.")
@click.option("--only", metavar="LIST", help=f"Some of {','.join(SECTIONS)}.")
@click.option(
    "--workspace", type=click.Path(path_type=Path, exists=True), help="Measure this one as well."
)
@click.option(
    "--patch", type=click.Path(path_type=Path, exists=True), help="JSON patch of --workspace."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("results/benchmarks/results.json"),
    show_default=True,
    help="All numbers.",
)
@click.option(
    "--markdown", type=click.Path(path_type=Path), help="Replace the table in this Markdown file."
)
def main(
    quick: bool,
    only: str | None,
    workspace: Path | None,
    patch: Path | None,
    output: Path,
    markdown: Path | None,
) -> None:
    """Measure pullfactory, the obvious loops and the floor in one run."""
    wanted = only.split(",") if only else list(SECTIONS)
    for name in wanted:
        if name not in SECTIONS:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(SECTIONS)}")
    settings = Settings(quick=quick, workspace=workspace, patch=patch)
    rows: dict[str, list[Row]] = {}
    for name in wanted:
        click.echo(f"{SECTIONS[name]} ... ", nl=False, err=True)
        start = perf_counter()
        rows[SECTIONS[name]] = in_fresh_process(measure, name, settings)
        click.echo(f"{perf_counter() - start:.0f} s", err=True)
    facts = environment()
    Console(width=None if Console().is_terminal else 130).print(table(rows, facts))
    output.parent.mkdir(parents=True, exist_ok=True)
    content = {"quick": quick, "environment": facts, "sections": to_dict(rows)}
    output.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    click.echo(f"Numbers   {output}")
    if markdown:
        insert_markdown(markdown, rows, facts)
        click.echo(f"Table     {markdown}")


if __name__ == "__main__":
    main()
