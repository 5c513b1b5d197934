"""What many tests need: a study that runs in a moment, and the command line."""

import sys
from collections.abc import Callable
from subprocess import CompletedProcess

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


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., CompletedProcess[str]]:
    """Runs the command line in this process, as a terminal would."""

    def run(*arguments: object) -> CompletedProcess[str]:
        command = ["pullfactory", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ending:
            main()
        code = ending.value.code
        assert isinstance(code, int)
        return CompletedProcess(command, code, *capsys.readouterr())

    return run
