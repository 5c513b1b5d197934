"""The command line: options in, calls of the Python interface, a short table out."""

import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pullfactory._version import __version__
from pullfactory.errors import PullfactoryError, StudyError

if TYPE_CHECKING:
    from rich.console import Console

    from pullfactory.calibration import Calibration
    from pullfactory.study import Study

__all__ = ["cli", "main"]

_CITATION = f"""\
@software{{pullfactory,
  title   = {{pullfactory: pulls of profile-likelihood fits to correlated observables}},
  author  = {{{{pullfactory developers}}}},
  version = {{{__version__}}},
  license = {{BSD-3-Clause}}
}}"""
_INTERRUPTED = 130
_BAD_INPUT = 2
_WIDTH = 140
_SOON = 0.05  # seconds


def main() -> NoReturn:
    """Run the command line; bad input ends with one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    hook, sys.unraisablehook = sys.unraisablehook, _repeat_lost_interrupt
    code = _BAD_INPUT
    try:
        code = cli.main(prog_name="pullfactory", standalone_mode=False) or 0
    except click.ClickException as error:
        _complain(f"{error.format_message().rstrip('.')} (see -h)")
    except PullfactoryError as error:
        _complain(str(error))
    except OSError as error:
        _complain(f"the system refused: {error}; make room or choose another place")
    except MemoryError:
        _complain("too little memory; use fewer events, bins or --workers")
    except (KeyboardInterrupt, click.Abort):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        click.echo("Interrupted; nothing is left half written.", err=True)
        code = _INTERRUPTED
    finally:
        sys.unraisablehook = hook
    if code == _INTERRUPTED:
        gc.collect()  # removes temporary files ...
        os._exit(code)  # ... and does not wait for toys that are still being fitted
    sys.exit(code)


def _repeat_lost_interrupt(lost: "sys.UnraisableHookArgs") -> None:
    """Ctrl-C while the garbage collector calls back is an exception that goes nowhere."""
    if lost.exc_type is KeyboardInterrupt:
        again = signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)
        threading.Timer(_SOON, *again).start()
    else:
        sys.__unraisablehook__(lost)


def _complain(message: str) -> None:
    click.echo(f"Error: {message}", err=True)


def _examples(*lines: str) -> str:
    """The end of a help text; the backspace keeps click from filling the lines."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def _cite(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(_CITATION)
        context.exit()


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog=_examples(
        "pullfactory run                       the default study, into results/poster",
        "pullfactory init my.toml              a study file to change",
        "pullfactory run my.toml --rho 0,0.5   ... and to run",
    ),
)
@click.version_option(__version__, prog_name="pullfactory", message="%(prog)s %(version)s")
@click.option(
    "--cite",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_cite,
    help="Show how to cite pullfactory.",
)
@click.pass_context
def cli(context: click.Context) -> None:
    """May I fit these observables as if they were independent?"""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _study_options(command: Callable[..., None]) -> Callable[..., None]:
    """What every command on a study has: which study (- is standard input), and changes to it."""
    decorators = [
        click.argument("study_file", metavar="[STUDY.toml]", required=False, type=click.Path()),
        click.option("--preset", help="A study that comes with the package.  [default: poster]"),
        click.option("--seed", metavar="N", help="Seed of all random numbers."),
        click.option("--n-toys", metavar="N", help="Toys per rho."),
        click.option("--n-events", metavar="N", help="Events per toy."),
        click.option("--rho", metavar="LIST", help="Correlations, such as -0.6,0,0.5."),
        click.option("--methods", metavar="LIST", help="Likelihoods, such as unbinned,binned."),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="KEY=VALUE",
            help="Any key of the study file, such as ensemble.truth=fixed. Repeatable.",
        ),
    ]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


_calibration_option = click.option(
    "--calibration",
    "calibration_file",
    type=click.Path(),
    help="Use what 'pullfactory calibrate' wrote, instead of calibrating.",
)
_workers_option = click.option(
    "--workers", type=click.IntRange(min=1), help="Threads.  [default: one per processor]"
)


@cli.command(
    epilog=_examples("pullfactory run --rho 0,0.5 --n-toys 1000 --set ensemble.truth=fixed")
)
@_study_options
@click.option(
    "--output", "-o", type=click.Path(), help="Output folder.  [default: results/<study name>]"
)
@_calibration_option
@_workers_option
@click.option("--json", "as_json", is_flag=True, help="Print the summary instead of the table.")
def run(
    output: str | None,
    calibration_file: str | None,
    workers: int | None,
    as_json: bool,
    **study_options: Any,
) -> None:
    """Throw and fit the toys of a study; write pulls and figures."""
    from pullfactory.output import check_folder
    from pullfactory.pipeline import run as run_study
    from pullfactory.progress import bar
    from pullfactory.report.table import pull_table

    study = _read_study(**study_options)
    folder = check_folder(output or Path("results") / study.name)
    calibration = _read_calibration(calibration_file)
    result = run_study(study, calibration=calibration, workers=workers, progress=bar)
    with bar("figures", 1) as advance:
        result.write(folder)
        advance(1)
    if as_json:
        click.echo(json.dumps(result.summary(), indent=1, allow_nan=False))
    else:
        _console().print(pull_table(result.pulls, study.parameter))
        click.echo(f"Summary   {folder / 'summary.json'}\nFigures   {folder / 'figures'}")
    for method, failed in result.failures.items():
        lost = {name: n for name, n in failed.items() if n and name != "converged"}
        if lost:
            named = ", ".join(f"{n} {name}" for name, n in lost.items())
            click.echo(f"{method}: of {sum(failed.values())} fits {named}", err=True)


@cli.command(epilog=_examples("pullfactory init my.toml", "pullfactory init - | pullfactory run -"))
@click.argument("file", type=click.Path())
@click.option("--preset", default="poster", show_default=True, help="The study to start from.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def init(file: str, preset: str, force: bool) -> None:
    """Write a study file with a comment on every key."""
    from pullfactory.output import write_text
    from pullfactory.study import Study

    text = Study.preset(preset).to_toml()
    if file == "-":
        click.echo(text.encode(), nl=False)
        return
    if Path(file).exists() and not force:
        raise StudyError(f"file '{file}' exists; choose another name or add --force")
    write_text(file, text)
    click.echo(f"Study     {file}")


@cli.command(
    epilog=_examples(
        "pullfactory calibrate --output calibration.json",
        "pullfactory run --calibration calibration.json",
    )
)
@_study_options
@click.option(
    "--output",
    "-o",
    type=click.Path(),
    help="File, or - for standard output.  [default: <study name>_calibration.json]",
)
@_workers_option
def calibrate(output: str | None, workers: int | None, **study_options: Any) -> None:
    """Make the calibration samples and learn from them."""
    from pullfactory.calibration import calibrate as calibrate_study
    from pullfactory.output import check_file, write_text
    from pullfactory.progress import bar
    from pullfactory.report.table import calibration_table

    study = _read_study(**study_options)
    output = output or f"{study.name}_calibration.json"
    if output != "-":
        check_file(output)
    with bar("calibration", 1) as advance:
        calibration = calibrate_study(study, workers=workers)
        advance(1)
    text = json.dumps(calibration.to_dict(), allow_nan=False)
    if output == "-":
        click.echo(text)
        return
    write_text(output, f"{text}\n")
    _console().print(calibration_table(calibration))
    click.echo(f"Calibration   {output}")


@cli.command(epilog=_examples("pullfactory workspace --preset poster --output - | pyhf inspect"))
@_study_options
@click.option(
    "--output",
    "-o",
    type=click.Path(),
    help="File, or - for standard output.  [default: <study name>.json]",
)
@_calibration_option
@_workers_option
def workspace(
    output: str | None, calibration_file: str | None, workers: int | None, **study_options: Any
) -> None:
    """Write the pyhf workspace of a study."""
    from pullfactory.calibration import calibrate as calibrate_study
    from pullfactory.output import check_file
    from pullfactory.progress import bar
    from pullfactory.workspace import build_workspace, write_workspace

    study = _read_study(**study_options)
    output = output or f"{study.name}.json"
    if output != "-":
        check_file(output)
    calibration = _read_calibration(calibration_file)
    if calibration is None:
        with bar("calibration", 1) as advance:
            calibration = calibrate_study(study, workers=workers)
            advance(1)
    else:
        calibration = calibration.for_study(study)
    spec = build_workspace(calibration)
    if output == "-":
        click.echo(json.dumps(spec, indent=1, allow_nan=False))
        return
    write_workspace(spec, output)
    click.echo(f"Workspace   {output}")


def _read_study(
    study_file: str | None, preset: str | None, settings: tuple[str, ...], **options: Any
) -> "Study":
    from pullfactory.study import Study

    if study_file and preset:
        raise StudyError(f"both study file '{study_file}' and preset {preset!r}; give one")
    if study_file == "-":
        study = Study.from_toml_text(sys.stdin.buffer.read(), place="standard input")
    elif study_file:
        study = Study.from_toml(study_file)
    else:
        study = Study.preset(preset or "poster")
    keys = {
        "seed": "seed",
        "n_toys": "ensemble.n_toys",
        "n_events": "ensemble.n_events",
        "rho": "ensemble.rho",
        "methods": "methods",
    }
    short = [f"{keys[name]}={value}" for name, value in options.items() if value is not None]
    changes = Study.parse_settings([*short, *settings])
    return study.with_settings(changes) if changes else study


def _read_calibration(path: str | None) -> "Calibration | None":
    from pullfactory.calibration import Calibration

    return Calibration.read(path) if path else None


def _console() -> "Console":
    """Standard output; wide enough for whole rows where there is no terminal to ask."""
    from rich.console import Console

    console = Console()
    if not console.file.isatty():
        console.width = _WIDTH
    return console
