"""Folders of results, small, and a browser to look at them."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyhf
import pytest

from pullfactory import AuditResult, BinnedLikelihood, Study, run, run_toys

PATIENCE = 120.0  # seconds; for what is expected within a few


class Shown(NamedTuple):
    """What a browser made of a page: its elements, and what it had to say."""

    dom: str
    console: list[str]


@pytest.fixture(scope="package")
def study_folder(tiny_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study at three correlations."""
    study = tiny_study.with_settings({"ensemble.rho": [-0.6, 0.0, 0.3], "ensemble.n_toys": 64})
    return run(study).write(tmp_path_factory.mktemp("report") / "study")


@pytest.fixture(scope="package")
def toys_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toys of a workspace of which some end at a bound."""
    model = pyhf.simplemodels.uncorrelated_background([5.0, 10.0], [100.0, 80.0], [5.0, 6.0])
    result = run_toys(BinnedLikelihood.from_pyhf(model), 64, 1, truth={"mu": 0.0})
    return result.write(tmp_path_factory.mktemp("report") / "toys")


@pytest.fixture(scope="package")
def audit_folder(tiny_audit: AuditResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit with two observables, a background and data."""
    return tiny_audit.write(tmp_path_factory.mktemp("report") / "audit")


@dataclass(frozen=True, slots=True)
class Browser:
    """A Chromium without a window, which reaches nothing but files.

    Attributes:
        program: Where it is.
    """

    program: str

    def show(self, page: Path, *options: str) -> Shown:
        """Load a page with a profile that is new, and let its scripts run.

        Args:
            page: HTML.
            options: Of Chromium, such as `--window-size=1400,2000`.
        """
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            ended = subprocess.run(
                [
                    self.program,
                    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
                    *("--no-first-run", "--disable-background-networking"),
                    *("--disable-component-update", "--disable-sync", "--hide-scrollbars"),
                    *("--allow-file-access-from-files", "--enable-logging=stderr", "--v=0"),
                    *(f"--user-data-dir={profile}", *options, page.as_uri()),
                ],
                capture_output=True,
                text=True,
                check=True,
                timeout=PATIENCE,
            )
        console = [line for line in ended.stderr.splitlines() if "CONSOLE" in line]
        return Shown(ended.stdout, console)


@pytest.fixture(scope="session")
def browser() -> Browser:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no browser is installed (none of {', '.join(names)})")
    return Browser(found)
