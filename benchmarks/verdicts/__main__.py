"""Answers of audits of known truth, and how right they are.

Every line that is finished is kept: the same command continues what was stopped.
"""

from pathlib import Path

import click

from benchmarks.verdicts.figures import Figures
from benchmarks.verdicts.lines import LINES
from benchmarks.verdicts.records import Record, matrix
from benchmarks.verdicts.tasks import Task, run_tasks

_SEED = 16_000


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--audits", default=100, show_default=True, help="Of each line.")
@click.option(
    "--most", type=float, default=None, help="Seconds of a line; fewer audits where more."
)
@click.option("--only", metavar="LIST", help="Numbers of the lines, from 0.")
@click.option("--processes", default=2, show_default=True, help="Lines at once.")
@click.option("--seed", default=_SEED, show_default=True, help="Of the first line; then one more.")
@click.option("--again", is_flag=True, help="Forget the lines that are finished.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("results/benchmarks/verdicts.json"),
    show_default=True,
)
def main(
    audits: int,
    most: float | None,
    only: str | None,
    processes: int,
    seed: int,
    again: bool,
    output: Path,
) -> None:
    """Answers of audits of known truth, and how right they are."""
    record = Record.new()
    if output.exists() and not again:
        known = Record.read(output)
        if known.versions == record.versions:
            record = known
    numbers = range(len(LINES)) if only is None else [int(each) for each in only.split(",")]
    wanted = [n for n in numbers if LINES[n].name not in record.lines]
    tasks = [Task(line=LINES[n], audits=audits, seed=seed + n, most=most) for n in wanted]
    with click.progressbar(length=len(numbers), label="lines") as bar:
        bar.update(len(numbers) - len(wanted))
        for found in run_tasks(tasks, processes):
            record = record.with_line(found)
            record.write(output)
            bar.update(1)
    for n in numbers:
        click.echo(told(n, record.lines[LINES[n].name]))


def told(number: int, found: Figures) -> str:
    """A line of text.

    Args:
        number: Of the line.
        found: Its figures.
    """
    pulls = "; ".join(f"{key} {m:+.2f} / {s:.2f}" for key, (m, s) in found.pulls.items())
    matters = ", ".join(f"{k} {100 * v:.0f}" for k, v in found.correlation.items() if v)
    factor, infinite = (
        f"{'-' if median is None else f'{median:.3f}'} (true {true:.3f})"
        for median, true in (found.factor, found.infinite)
    )
    coverage = "-"
    if found.coverage is not None:
        coverage = f"{found.coverage:.3f} +- {found.coverage_error or 0:.3f}"
    return (
        f"{number} {found.name}: {found.audits} audits, {matrix(found)}, {factor} | "
        f"{matters}, {infinite} | false yes {100 * found.false_yes:.1f}, no "
        f"{100 * found.false_no:.1f} | pulls {pulls or '-'} | coverage {coverage} | "
        f"{found.seconds:.2f} s | design: {found.design or '-'}"
    )


if __name__ == "__main__":
    main()
