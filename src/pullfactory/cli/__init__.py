"""The command line: options in, calls of the Python interface, a short table out."""

import gc
import os
import sys
from io import TextIOWrapper
from typing import NoReturn

import click

from pullfactory.cli._audit import audit
from pullfactory.cli._bootstrap import bootstrap
from pullfactory.cli._closure import closure
from pullfactory.cli._merge import merge, status
from pullfactory.cli._predict import predict
from pullfactory.cli._report import report
from pullfactory.cli._scan import scan
from pullfactory.cli._select import select
from pullfactory.cli._shared import common_options, epilog
from pullfactory.cli._signals import Stop, be_deaf, stoppable
from pullfactory.cli._study import calibrate, init, run, workspace
from pullfactory.cli._toys import toys
from pullfactory.errors import PullfactoryError, RunError
from pullfactory.progress import tell
from pullfactory.report.citation import CITATION

__all__ = ["cli", "main"]

_LONGEST = 1000  # letters of a message
_FAILED = 1
_BAD_INPUT = 2


def main() -> NoReturn:
    """Run the command line; bad input ends with one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    os.environ["MATPLOTLIBRC"] = os.devnull  # a user's file may not even be readable
    os.environ["MPLBACKEND"] = "agg"  # the user's may not exist
    with stoppable() as stop:
        code = _answer(stop)
        if code == stop.exit_code:
            gc.collect()  # removes temporary files ...
            os._exit(code)  # ... and does not wait for toys that are still being fitted
    sys.exit(code)


def _answer(stop: Stop) -> int:
    """Run a command, and say on one line what is wrong; its exit code."""
    try:
        return cli.main(prog_name="pullfactory", standalone_mode=False) or 0
    except click.ClickException as error:
        _complain(f"{error.format_message().rstrip('.')} (see -h)")
    except PullfactoryError as error:
        for line in error.lines:
            _complain(line)
        return _FAILED if isinstance(error, RunError) else _BAD_INPUT
    except OSError as error:
        _complain(f"the system refused: {error}; make room or choose another place")
    except MemoryError:
        _complain("too little memory; use fewer events, bins or --workers")
    except (KeyboardInterrupt, click.Abort):
        be_deaf()
        tell("Interrupted; nothing is left half written.")
        return stop.exit_code
    return _BAD_INPUT


def _complain(message: str) -> None:
    if len(message) > _LONGEST:
        message = f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 2 :]}"
    tell(f"Error: {message}")


def _cite(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(CITATION)
        context.exit()


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog=epilog(
        "pullfactory run                       the default study, into results/poster",
        "pullfactory init my.toml              a study file to change",
        "pullfactory run my.toml --rho 0,0.5   ... and to run",
    ),
)
@click.version_option(package_name="pullfactory", message="%(prog)s %(version)s")
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


for _command in (
    *(run, predict, select, bootstrap, closure, scan, audit, toys, merge, status, report),
    *(init, calibrate, workspace),
):
    cli.add_command(common_options(_command))
common_options(cli)
