"""What many tests need: a study that runs in a moment, and the command line."""

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from subprocess import CompletedProcess
from unittest.mock import patch

import pytest

from pullfactory import Study
from pullfactory.cli import main


@pytest.fixture(scope="session")
def tiny_study() -> Study:
    """The poster study, small and without calibration noise."""
    return Study.preset("poster").with_settings(
        {
            "name": "tiny",
            "ensemble.n_toys": 16,
            "ensemble.n_events": 200,
            "ensemble.rho": [0.0, 0.5],
            "calibration.source": "exact",
        }
    )


@pytest.fixture(scope="session")
def invoke() -> Callable[..., CompletedProcess[str]]:
    """Runs the command line in this process, as a terminal would."""

    def run(*arguments: object) -> CompletedProcess[str]:
        command = ["pullfactory", *map(str, arguments)]
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
        with (
            patch.object(sys, "argv", command),
            redirect_stdout(streams[0]),
            redirect_stderr(streams[1]),
            pytest.raises(SystemExit) as ending,
        ):
            main()
        code = ending.value.code
        assert isinstance(code, int)
        for stream in streams:
            stream.seek(0)
        return CompletedProcess(command, code, *(stream.read() for stream in streams))

    return run
