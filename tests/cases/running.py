"""Runs the commands of a case, as a terminal would."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.cases.case import Case, Command

__all__ = ["Ending", "run_case"]

_ENVIRONMENT = {"COLUMNS": "80"}  # help is as wide as the terminal
_PICTURE = bytes.fromhex(  # one pixel in PNG, which the report takes in
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636000000002000148afa4710000000049454e44ae426082"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a command ended.

    Attributes:
        code: Exit code.
        stdout: Standard output.
        stderr: Standard error.
    """

    code: int
    stdout: str
    stderr: str


def run_case(case: Case, folder: Path) -> tuple[Ending, ...]:
    """Run the commands of a case, one after the other.

    Args:
        case: What is run.
        folder: An empty folder, in which it is run.
    """
    for source in case.inputs:
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, folder / source.name)
    endings = []
    with contextlib.chdir(folder), patch.dict(os.environ, _ENVIRONMENT):
        for command in case.commands:
            for target, name in command.place.items():
                shutil.copyfile(name, target)
            given = Path(command.input).read_bytes() if command.input else b""
            run = _run_process if command.process else _run_here
            endings.append(run(command, given))
            if command.save:
                Path(command.save).write_text(endings[-1].stdout, encoding="utf-8")
    return tuple(endings)


def _run_process(command: Command, given: bytes) -> Ending:
    """Run a command in a process of its own."""
    words = [sys.executable, "-m", "pullfactory", *command.line]
    done = subprocess.run(words, input=given, capture_output=True, check=False)
    return Ending(code=done.returncode, stdout=done.stdout.decode(), stderr=done.stderr.decode())


def _run_here(command: Command, given: bytes) -> Ending:
    """Run a command in this process; its figures are blank, for nobody looks at them."""
    from pullfactory.cli import main

    stdin, stdout, stderr = (
        io.TextIOWrapper(io.BytesIO(content), encoding="utf-8") for content in (given, b"", b"")
    )
    code: Any = None
    with (
        _blank_figures(),
        patch.object(sys, "argv", ["pullfactory", *command.line]),
        patch.object(sys, "stdin", stdin),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        try:
            main()
        except SystemExit as ending:
            code = ending.code
    for stream in (stdout, stderr):
        stream.seek(0)
    return Ending(code=code, stdout=stdout.read(), stderr=stderr.read())


@contextlib.contextmanager
def _blank_figures() -> Iterator[None]:
    """Within it, Matplotlib places and draws nothing, which would take most of the time."""

    def save(_figure: object, file: str | Path, **_options: object) -> None:
        Path(file).write_bytes(_PICTURE)

    with (
        patch("matplotlib.figure.Figure.savefig", save),
        patch("matplotlib.layout_engine.ConstrainedLayoutEngine.execute"),
    ):
        yield
