"""Toys that cannot be fitted: the run ends early, with the reason."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest

import pullfactory as pf
from pullfactory.errors import LikelihoodError
from pullfactory.fitting import FitBatch, FitStatus, fit_toys, throw_toys
from pullfactory.fitting.minuit import MinuitFit
from pullfactory.fitting.newton import Minimum, minimise
from pullfactory.results.part import joined


@pytest.fixture(autouse=True)
def _nothing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fit ends at the iteration limit, and has no error."""

    def failing(*arguments: object) -> object:
        for one in joined(*arguments):  # type: ignore[arg-type]
            fits: FitBatch = one.fits
            lost = np.full_like(fits.status, FitStatus.ITERATION_LIMIT)
            yield one._replace(fits=replace(fits, status=lost))

    monkeypatch.setattr("pullfactory.runs.campaign.joined", failing)


@pytest.fixture
def likelihood(monkeypatch: pytest.MonkeyPatch) -> pf.BinnedLikelihood:
    monkeypatch.setattr("pullfactory.runs.toys._TOGETHER", 1)
    model = pyhf.simplemodels.uncorrelated_background([9.0], [50.0], [5.0])
    return pf.BinnedLikelihood.from_pyhf(model)


def test_a_run_ends_early(likelihood: pf.BinnedLikelihood, tmp_path: Path) -> None:
    with pytest.raises(LikelihoodError, match=r"^none of the first \d+ toys .*iteration_limit"):
        pf.run_toys(likelihood, 100_000, seed=0, workers=1, keep=tmp_path / "kept")
    assert not any(tmp_path.iterdir())


def test_second_tries_end_where_no_fit_works(
    likelihood: pf.BinnedLikelihood, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as one fit of a batch works, all others are tried."""
    converged = 0
    tried: list[object] = []

    def lost(*arguments: Any, **options: Any) -> Minimum:
        found = minimise(*arguments, **options)
        status = np.full_like(found.status, FitStatus.ITERATION_LIMIT)
        status[:converged] = FitStatus.CONVERGED
        return found._replace(status=status)

    def in_vain(_likelihood: object, data: object, **_options: object) -> MinuitFit:
        tried.append(data)
        none = np.full(2, np.nan)
        return MinuitFit(estimate=none, covariance=np.diag(none), nll=np.nan, valid=False)

    monkeypatch.setattr("pullfactory.fitting.fits.minimise", lost)
    monkeypatch.setattr("pullfactory.fitting.fits.fit_minuit", in_vain)
    toys = throw_toys(likelihood, 20, 1)
    assert (fit_toys(likelihood, toys.data).status == FitStatus.ITERATION_LIMIT).all()
    assert len(tried) == 4
    tried.clear()
    converged = 1
    fit_toys(likelihood, toys.data)
    assert len(tried) == 19


def test_a_run_of_one_part_is_told_as_it_is(likelihood: pf.BinnedLikelihood) -> None:
    result = pf.run_toys(likelihood, 30, seed=0, workers=1)
    assert result.failed_fraction == 1
