"""Commands on a study: run, init, calibrate, workspace."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from pullfactory.cli._completion import methods, presets, study_keys
from pullfactory.cli._request import REPORTED, Request, figures_option, kept_options, result_options
from pullfactory.cli._shared import (
    PLACE,
    command,
    console,
    say,
    stage_progress,
    warn_of_lost,
    warn_of_mixed,
    workers_option,
)
from pullfactory.cli._unused import UNUSED_WITHOUT_TOYS, of_workspace, unused_with
from pullfactory.errors import StudyError
from pullfactory.progress import tell

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pullfactory.calibration import Calibration
    from pullfactory.inference.calibration_noise import CalibrationNoise
    from pullfactory.results.study import StudyResult
    from pullfactory.settings.study import Study


def study_options(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """What a command on a study has: which study (- is standard input), and changes to it.

    Args:
        without: Options that would have no effect.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for name, option in reversed(list(_STUDY_OPTIONS.items())):
            command = command if name in without else option(command)
        return command

    return decorate


_STUDY_OPTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "STUDY.toml": click.argument(
            "study_file", metavar="[STUDY.toml]", required=False, type=PLACE
        ),
        "--preset": click.option(
            "--preset",
            help="A study that comes with the package.  [default: poster]",
            shell_complete=presets,
        ),
        "--seed": click.option("--seed", metavar="N", help="Seed of all random numbers."),
        "--n-toys": click.option("--n-toys", metavar="N", help="Toys per rho."),
        "--n-events": click.option("--n-events", metavar="N", help="Events per toy."),
        "--rho": click.option("--rho", metavar="LIST", help="Correlations, such as -0.6,0,0.5."),
        "--methods": click.option(
            "--methods",
            metavar="LIST",
            help="Likelihoods, such as unbinned,binned; or all.",
            shell_complete=methods,
        ),
        "--set": click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="KEY=VALUE",
            help="Any key of the study file, such as ensemble.truth=fixed. Repeatable.",
            shell_complete=study_keys,
        ),
    }
)


calibration_option = click.option(
    "--calibration",
    "calibration_file",
    type=PLACE,
    help="Use what 'pullfactory calibrate' wrote, instead of calibrating.",
)


@command("pullfactory run --rho 0,0.5 --n-toys 1000 --set ensemble.truth=fixed")
@study_options()
@calibration_option
@click.option(
    "--intervals",
    metavar="LIST",
    help="Parameters whose likelihood-ratio intervals are tested, such as m_t,JSF.",
)
@result_options("results/<study name>", figures_option, *kept_options)
def run(request: Request, calibration_file: str | None, **study_settings: Any) -> None:
    """Throw and fit the toys of a study; write pulls and figures."""
    from pullfactory.runs.study import run as run_study

    study = read_study(unused=unused_with(calibration_file), **study_settings)
    folder = request.folder(study.name)
    calibration = read_calibration(calibration_file, study)
    with request.kept(folder) as keep:
        result = run_study(study, calibration=calibration, keep=keep, **request.work)
        request.answer(result, folder, _shown(result), **REPORTED)
    warn_of_mixed(result.mixed)
    warn_of_lost(result.failures)
    _warn_of_noise(result.calibration, result.noise)


def _shown(result: "StudyResult") -> Iterator["RenderableType"]:
    from pullfactory.report.flow import flow_lines
    from pullfactory.report.optimal import null_lines
    from pullfactory.report.table import closure_line, remark_lines

    yield result.table
    if result.coverage:
        yield result.coverage
    if result.closure is not None:
        yield f"Closure   {closure_line(result.closure)}"
    for said in remark_lines(result.remarks):
        yield f"Pulls     {said}"
    for said in null_lines(result.null):
        yield f"Weights   {said}"
    for said in flow_lines(result.calibration):
        yield f"Flow      {said}"
    yield from result.answers


@command(
    "pullfactory init my.toml                       a study to change",
    "pullfactory init - | pullfactory run -         ... or to run",
    "pullfactory init --audit audit.toml            the audit of your own events",
)
@click.argument("file", type=PLACE)
@click.option(
    "--preset", help="The study to start from.  [default: poster]", shell_complete=presets
)
@click.option("--audit", is_flag=True, help="The configuration of an audit instead of a study.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def init(file: str, preset: str | None, audit: bool, force: bool) -> None:
    """Write a study file, or an audit file, with a comment on every key."""
    from pullfactory.files import write_text
    from pullfactory.settings.study import Study, preset_text

    if audit and preset:
        raise StudyError(f"--audit starts from no study, and --preset names {preset!r}; give one")
    if audit:
        text = preset_text("audit.txt")
    else:
        text = _named(Study.preset(preset or "poster"), file).to_toml()
    if file == "-":
        if force:
            raise StudyError("--force replaces a file, and '-' is standard output; leave it out")
        click.echo(text.encode(), nl=False)
        return
    if Path(file).exists() and not force:
        raise StudyError(f"file '{file}' exists; choose another name or add --force")
    write_text(file, text)
    say(f"{'Audit' if audit else 'Study'}     {file}")


def _named(study: "Study", file: str) -> "Study":
    """The study by the name of its file, so that its results do not replace those of another."""
    try:
        return study.with_settings({"name": Path(file).stem})
    except StudyError:  # the file has a name that a study cannot have
        return study


@command(
    "pullfactory calibrate --output calibration.json",
    "pullfactory run --calibration calibration.json",
)
@study_options("--n-toys")
@click.option(
    "--output",
    "-o",
    type=PLACE,
    help="File, or - for standard output.  [default: <study name>_calibration.json]",
)
@workers_option
def calibrate(output: str | None, workers: int | None, **study_settings: Any) -> None:
    """Make the calibration samples and learn from them."""
    from pullfactory.files import check_file, write_text
    from pullfactory.inference.calibration_noise import calibration_noise
    from pullfactory.report.flow import flow_lines
    from pullfactory.report.table import calibration_table
    from pullfactory.runs.calibrate import calibrate as calibrate_study

    progress = stage_progress()

    none = dict.fromkeys(("optimal", "figures"), "a calibration has none; leave it out")
    unused = {**UNUSED_WITHOUT_TOYS, **none}
    study = read_study(unused=unused, **study_settings)
    output = output or f"{study.name}_calibration.json"
    if output != "-":
        check_file(output, keys=("schema", "study", "sha256"))
    calibration = calibrate_study(study, workers=workers, progress=progress)
    text = json.dumps(calibration.to_dict(), allow_nan=False)
    if output == "-":
        click.echo(text)
        return
    write_text(output, f"{text}\n")
    console().print(calibration_table(calibration))
    for said in flow_lines(calibration):
        say(f"Flow          {said}")
    say(f"Calibration   {output}")
    _warn_of_noise(calibration, calibration_noise(calibration))


@command(
    "pullfactory workspace --preset poster --output - | pyhf inspect",
    "pullfactory workspace --joint --rho 0.5 --set joint.n_bins=6,3",
)
@study_options("--n-toys", "--methods")
@click.option(
    "--output",
    "-o",
    type=PLACE,
    help="File, or - for standard output.  [default: <study name>(_joint).json]",
)
@calibration_option
@click.option("--joint", is_flag=True, help="That of all observables in one channel; give one rho.")
@workers_option
def workspace(
    output: str | None,
    calibration_file: str | None,
    joint: bool,
    workers: int | None,
    **study_settings: Any,
) -> None:
    """Write the pyhf workspace of a study."""
    from pullfactory.files import check_file
    from pullfactory.runs.calibrate import calibrated
    from pullfactory.workspaces.study import (
        build_joint_workspace,
        build_workspace,
        clipping_note,
        write_workspace,
    )

    progress = stage_progress()

    unused = unused_with(calibration_file, of_workspace(joint=joint))
    further = {"methods": ["binned_joint"]} if joint else {}
    study = read_study(unused=unused, further=[further], **study_settings)
    if joint:
        study = _with_joint_channel(study)
    output = output or f"{study.name}{'_joint' if joint else ''}.json"
    if output != "-":
        check_file(output, keys=("channels", "measurements", "observations", "version"))
    calibration = read_calibration(calibration_file)
    calibration = calibrated(study, calibration, None, workers, progress)
    if joint:
        spec = build_joint_workspace(calibration, study.ensemble.rho[0])
    else:
        spec = build_workspace(calibration)
    if output == "-":
        click.echo(json.dumps(spec, indent=1, allow_nan=False))
    else:
        write_workspace(spec, output)
        say(f"Workspace   {output}")
    if note := clipping_note(spec):
        tell(f"{'joint' if joint else study.workspace.morphing} workspace: {note}")


def _with_joint_channel(study: "Study") -> "Study":
    scan = study.ensemble.rho
    if len(scan) > 1:
        raise StudyError(
            f"the joint workspace is that of one rho, and study {study.name!r} has {len(scan)}; "
            "choose one with --rho"
        )
    from pullfactory.methods import BINNED_JOINT

    return study.with_settings({"methods": [BINNED_JOINT.name]})


def read_study(
    study_file: str | None,
    preset: str | None,
    settings: tuple[str, ...],
    *,
    unused: Mapping[str, str],
    used: "Callable[[Study], Iterable[str]]" = lambda _study: (),
    further: Iterable[Mapping[str, Any]] = ({},),
    **options: Any,
) -> "Study":
    """The study that is asked for; other arguments as `study_options` gives them.

    Args:
        study_file: Its file.
        preset: Its name, if it comes with the package.
        settings: Changes as KEY=VALUE.
        unused: Why the command makes no use of a key, or of all below it.
        used: Keys among them that it makes use of after all, for this study.
        further: Settings that it is worked on with, one after the other.
        options: Values of short options.

    Raises:
        StudyError: If it is named twice, cannot be read or changed so, or a setting has no effect.
    """
    from pullfactory.settings.idle import refuse_idle, refuse_idle_file
    from pullfactory.settings.study import Study

    if study_file and preset:
        raise StudyError(f"both study file '{study_file}' and preset {preset!r}; give one")
    if study_file == "-":
        written = Study.from_toml_text(sys.stdin.buffer.read(), place="standard input")
    elif study_file:
        written = Study.from_toml(study_file)
    else:
        written = Study.preset(preset or "poster")
    changes = given_changes(settings, options)
    study = written.with_settings(changes) if changes else written
    studies = [study.with_settings(more) for more in further]
    needed = set(used(study))
    refuse_idle(changes, studies, {key: why for key, why in unused.items() if key not in needed})
    refuse_idle_file(written, f"study {written.name!r}", studies)
    return study


def given_changes(settings: tuple[str, ...], options: Mapping[str, Any]) -> dict[str, Any]:
    """What is changed in a study, by dotted key.

    Args:
        settings: As KEY=VALUE.
        options: Values of short options, None where they are not given.

    Raises:
        StudyError: If something is given twice, or is no setting.
    """
    from pullfactory.settings.study import Study

    keys = {
        "seed": "seed",
        "n_toys": "ensemble.n_toys",
        "n_events": "ensemble.n_events",
        "rho": "ensemble.rho",
        "methods": "methods",
        "intervals": "intervals",
    }
    short = [
        f"{key}={options[name]}" for name, key in keys.items() if options.get(name) is not None
    ]
    return Study.parse_settings([*short, *settings])


def _warn_of_noise(calibration: "Calibration", noise: "Sequence[CalibrationNoise]") -> None:
    """One line for each method whose pulls the noise of the calibration spoils."""
    from pullfactory.inference.calibration_noise import noise_warnings

    events = calibration.study.calibration.events_per_point
    for line in noise_warnings(noise, events):
        tell(line)


def read_calibration(path: str | None, study: "Study | None" = None) -> "Calibration | None":
    """The calibration that `calibration_option` names, if it does.

    Args:
        path: The file.
        study: That is fitted with its flows, whose verdicts are told; None if they are not used.
    """
    from pullfactory.calibration import Calibration
    from pullfactory.report.flow import verdict_warnings

    if path is None:
        return None
    calibration = Calibration.read(path)
    if study is not None and study.learns.flow:
        for line in verdict_warnings(calibration.for_study(study)):
            tell(line)
    return calibration
