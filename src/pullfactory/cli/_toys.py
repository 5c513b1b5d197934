"""Toys of any workspace."""

import json
import sys
from pathlib import Path
from typing import Literal

import click

from pullfactory.cli._shared import console, epilog, named_lost, workers_option
from pullfactory.errors import StudyError

__all__ = ["toys"]

_TOO_MANY_FAILED = 1


@click.command(
    epilog=epilog(
        "pullfactory toys workspace.json --n-toys 10000",
        "pullfactory toys bkg.json --patch signal.json --truth mu=0,lumi=1.02",
        "pullfactory toys workspace.json --ensemble prior --fix JSF --free m_t",
    )
)
@click.argument("workspace_file", metavar="WORKSPACE.json", type=click.Path())
@click.option(
    "--patch",
    "patches",
    multiple=True,
    type=click.Path(),
    help="JSON patch, or FILE#NAME for one of a patch set. Repeatable.",
)
@click.option("--measurement", help="Measurement of the workspace.  [default: the first]")
@click.option("--n-toys", type=int, default=1000, show_default=True, help="How many toys.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed.")
@click.option(
    "--truth",
    default="init",
    show_default=True,
    metavar="init|fit|NAME=VALUE,...",
    help="True parameters: the initial ones, the best fit to the data, or some by name.",
)
@click.option(
    "--ensemble",
    type=click.Choice(["fixed", "prior"]),
    default="fixed",
    show_default=True,
    help="Draw the auxiliary data, or the constrained parameters.",
)
@click.option(
    "--fix",
    "fixed",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Hold a parameter in the fits. Repeatable.",
)
@click.option(
    "--free",
    "freed",
    multiple=True,
    metavar="NAME",
    help="Drop the constraint of a parameter, which a plain pyhf fit would not do. Repeatable.",
)
@click.option(
    "--modifier-settings",
    metavar="MODIFIER=CODE,...",
    help="Interpolation codes.  [default: normsys=code4,histosys=code4p]",
)
@click.option(
    "--max-failed",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Fraction of failed fits above which the exit code is 1.",
)
@click.option(
    "--output", "-o", type=click.Path(), help="Output folder.  [default: results/<file name>]"
)
@workers_option
@click.option("--json", "as_json", is_flag=True, help="Print the summary instead of the tables.")
def toys(
    workspace_file: str,
    patches: tuple[str, ...],
    measurement: str | None,
    n_toys: int,
    seed: int,
    truth: str,
    ensemble: Literal["fixed", "prior"],
    fixed: tuple[str, ...],
    freed: tuple[str, ...],
    modifier_settings: str | None,
    max_failed: float,
    output: str | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Throw toys of any pyhf workspace and fit them (- is standard input)."""
    from pullfactory.campaign import run_toys
    from pullfactory.likelihoods import BinnedLikelihood, read_workspace
    from pullfactory.output import check_folder
    from pullfactory.progress import bar
    from pullfactory.report.table import failure_table, toys_table

    name = "toys" if workspace_file == "-" else Path(workspace_file).stem
    folder = check_folder(output or Path("results") / name)
    likelihood = BinnedLikelihood.from_pyhf(
        read_workspace(workspace_file, patches=patches),
        measurement=measurement,
        modifier_settings=_pairs("--modifier-settings", modifier_settings or ""),
    )
    likelihood = likelihood.free(freed).fix(_fixed(fixed))
    wanted = truth if truth in ("init", "fit") else _numbers("--truth", truth)
    result = run_toys(
        likelihood, n_toys, seed, truth=wanted, ensemble=ensemble, workers=workers, progress=bar
    )
    with bar("figures", 1) as advance:
        result.write(folder)
        advance(1)
    if as_json:
        click.echo(json.dumps(result.summary(), indent=1, allow_nan=False))
    else:
        console().print(toys_table(result))
        console().print(failure_table(result))
        click.echo(f"Summary   {folder / 'summary.json'}\nFigures   {folder / 'figures'}")
    if line := named_lost("binned", result.status):
        click.echo(line, err=True)
    if result.failed_fraction > max_failed:
        click.echo(
            f"Error: {result.failed_fraction:.1%} of the fits failed, more than --max-failed "
            f"{max_failed:g}; everything is written",
            err=True,
        )
        sys.exit(_TOO_MANY_FAILED)


def _pairs(option: str, text: str) -> dict[str, str]:
    """Read NAME=VALUE,NAME=VALUE."""
    pairs: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals or not name or not value:
            raise StudyError(f"{option} {part!r} is not NAME=VALUE")
        pairs[name.strip()] = value.strip()
    return pairs


def _numbers(option: str, text: str) -> dict[str, float]:
    """Read NAME=NUMBER,NAME=NUMBER."""
    return {name: _number(option, name, value) for name, value in _pairs(option, text).items()}


def _fixed(texts: tuple[str, ...]) -> dict[str, float | None]:
    """Read NAME or NAME=NUMBER, several times."""
    held: dict[str, float | None] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        held[name] = _number("--fix", name, value) if equals else None
    return held


def _number(option: str, name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise StudyError(f"{option} {name}={value}: {value!r} is no number") from None
