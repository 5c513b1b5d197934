"""Toys of any workspace."""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from pullfactory.cli._request import REPORTED, Request, figures_option, kept_options, result_options
from pullfactory.cli._shared import PLACE, command, count_option, warn_of_lost, warn_of_mixed
from pullfactory.progress import tell

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pullfactory.results.toys import ToysResult

_TOO_MANY_FAILED = 1


def _read_truth(
    _context: click.Context, _option: click.Parameter, text: str
) -> str | dict[str, float]:
    """Read init, fit, or NAME=NUMBER,NAME=NUMBER."""
    if text in ("init", "fit"):
        return text
    pairs = _pairs(text, "init, fit or mu=0.5,k=1")
    return {name: _number(name, value) for name, value in pairs.items()}


def _read_codes(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> dict[str, str] | None:
    """Read MODIFIER=CODE,MODIFIER=CODE."""
    return None if text is None else _pairs(text, "normsys=code1,histosys=code0")


def _read_fixed(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, float | None]:
    """Read NAME or NAME=NUMBER, several times."""
    held: dict[str, float | None] = {}
    for text in texts:
        if "=" in text:
            name, value = _pair(text, "mu or mu=0.5")
            held[name] = _number(name, value)
        else:
            held[text.strip()] = None
    return held


def _read_fraction(_context: click.Context, _option: click.Parameter, value: float) -> float:
    """Refuse NaN, which no range does."""
    if math.isnan(value):
        raise click.BadParameter("nan is no fraction; give a number from 0 to 1")
    return value


def _pairs(text: str, example: str) -> dict[str, str]:
    """Read NAME=VALUE,NAME=VALUE."""
    pairs: dict[str, str] = {}
    for part in text.split(","):
        name, value = _pair(part, example)
        if name in pairs:
            raise click.BadParameter(f"{name!r} is there twice; give one value")
        pairs[name] = value
    return pairs


def _pair(text: str, example: str) -> tuple[str, str]:
    """Read NAME=VALUE."""
    name, _, value = (word.strip() for word in text.partition("="))
    if not name or not value:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE; write for example {example}")
    return name, value


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise click.BadParameter(f"{name}={text} is no finite number; give one")
    return value


@command(
    "pullfactory toys workspace.json --n-toys 10000",
    "pullfactory toys bkg.json --patch signal.json --truth mu=0,lumi=1.02",
    "pullfactory toys workspace.json --ensemble prior --fix JSF --free JRF",
)
@click.argument("workspace_file", metavar="WORKSPACE.json", type=PLACE)
@click.option(
    "--patch",
    "patches",
    multiple=True,
    type=PLACE,
    help="JSON patch, or FILE#NAME for one of a patch set. Repeatable.",
)
@click.option("--measurement", help="Measurement of the workspace.  [default: the first]")
@count_option("--n-toys", "How many toys.", least=1, default=1000)
@count_option("--seed", "Seed.", least=0, default=0)
@click.option(
    "--truth",
    default="init",
    show_default=True,
    metavar="init|fit|NAME=VALUE,...",
    callback=_read_truth,
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
    "--errors",
    type=click.Choice(["all", "poi"]),
    default="all",
    show_default=True,
    help="Whose errors and pulls: all parameters', or that of the parameter of interest.",
)
@click.option(
    "--fix",
    "fixed",
    multiple=True,
    metavar="NAME[=VALUE]",
    callback=_read_fixed,
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
    callback=_read_codes,
    help="Interpolation codes.  [default: normsys=code4,histosys=code4p]",
)
@click.option(
    "--max-failed",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    callback=_read_fraction,
    help="Fraction of failed fits above which the exit code is 1.",
)
@result_options("results/<file name>_toys", figures_option, *kept_options)
def toys(
    request: Request,
    workspace_file: str,
    patches: tuple[str, ...],
    measurement: str | None,
    n_toys: int,
    seed: int,
    truth: str | dict[str, float],
    ensemble: Literal["fixed", "prior"],
    errors: Literal["all", "poi"],
    fixed: dict[str, float | None],
    freed: tuple[str, ...],
    modifier_settings: dict[str, str] | None,
    max_failed: float,
) -> None:
    """Throw toys of any pyhf workspace and fit them (- is standard input)."""
    from pullfactory.likelihoods import BinnedLikelihood
    from pullfactory.runs.toys import run_toys
    from pullfactory.workspaces.reading import read_workspace

    for parameter in fixed.keys() & set(freed):
        raise click.UsageError(f"both --fix and --free name {parameter!r}; choose one")
    workspace = read_workspace(workspace_file, patches=patches)
    name = "toys" if workspace_file == "-" else f"{Path(workspace_file).stem}_toys"
    folder = request.folder(name)
    likelihood = BinnedLikelihood.from_pyhf(
        workspace, measurement=measurement, modifier_settings=modifier_settings
    )
    likelihood = likelihood.free(freed).fix(fixed)
    with request.kept(folder) as keep:
        result = run_toys(
            likelihood,
            n_toys,
            seed,
            truth=truth,
            ensemble=ensemble,
            errors=errors,
            keep=keep,
            **request.work,
        )
        request.answer(result, folder, _shown(result), **REPORTED)
    warn_of_mixed(result.mixed)
    warn_of_lost(result.failures)
    if result.failed_fraction > max_failed:
        tell(
            f"Error: {result.failed_fraction:.1%} of the fits failed, more than --max-failed "
            f"{max_failed:g}; everything is written"
        )
        sys.exit(_TOO_MANY_FAILED)


def _shown(result: "ToysResult") -> Iterator["RenderableType"]:
    from pullfactory.report.table import remark_lines
    from pullfactory.results.tables import failure_table

    yield result.table
    yield failure_table(result.status, result.pulls)
    for said in remark_lines(result.remarks):
        yield f"Pulls     {said}"
    yield result.answer
