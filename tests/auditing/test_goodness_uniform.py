"""p-values of the fit are uniform for data of the model.

Every data set has templates of its own, of ten times as many events as it has itself. True values
are drawn from their constraints, so that the auxiliary values are as far from them as the model
says, and near enough to the nominal point for additive templates to close. p-values are
(beyond + U) / (toys + 1) with U uniform: exactly uniform if toys and data are alike.
"""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.auditing.fit_models import data
from tests.auditing.judged_fits import Case, judged

pytestmark = pytest.mark.slow

SETS = int(os.environ.get("SETS", "200"))  # 2000 take four minutes of two processors
PARTS = 10
UNLIKELY = 1e-3  # of 16 tests
MODELS = list(product((2, 3), (0.0, 0.5, 0.9), (0.0, 0.2)))


def right(seed: int) -> list[tuple[float, ...]]:
    """Of data sets of the model: events, expected and observed; p-values of all, x, y, events."""
    rng, found = np.random.default_rng(seed), []
    for i in range(SETS // PARTS):
        k, rho, part = MODELS[i % len(MODELS)]
        case = Case(k, rho, part, float(np.exp(rng.uniform(np.log(300), np.log(3000)))), 64)
        theta = {"m": rng.uniform(-0.3, 0.3), "tune": rng.standard_normal()}
        rates = (1.0, 1.1 ** rng.standard_normal())
        measured = data(rng, k, rho, case.events, rates, part, **theta)
        rows = {row.of: row for row in judged(rng, case, measured).rows}
        p_values = ((rows[o].beyond + rng.random()) / (rows[o].toys + 1) for o in NAMES)
        found.append((case.events, len(measured), *p_values))
    return found


NAMES = ("all bins", "x", "y", "number of events")


def spread(work: Callable[[int], Any], tasks: int) -> list[Any]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(work, range(tasks)))


def test_p_values_of_data_of_the_model_are_uniform() -> None:
    sets = np.array([row for rows in spread(right, PARTS) for row in rows])
    assert len(sets) == SETS
    unlikely = {}
    for name, p_values in zip(NAMES, sets[:, 2:].T, strict=True):
        number = sets[:, 0] if name == "all bins" else sets[:, 1]
        thirds = np.digitize(number, np.quantile(number, [1 / 3, 2 / 3]))
        for which in (None, 0, 1, 2):
            chosen = p_values if which is None else p_values[thirds == which]
            found = stats.kstest(chosen, "uniform").pvalue
            print(f"{name:6} {which!s:4} {len(chosen):5} {chosen.mean():.3f} {found:.3f}")  # noqa: T201
            if found < UNLIKELY:
                unlikely[name, which] = found
    assert not unlikely
