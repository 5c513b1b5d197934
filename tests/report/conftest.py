"""Folders of results, small."""

from pathlib import Path

import pyhf
import pytest

from pullfactory import BinnedLikelihood, Study, run, run_toys


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
