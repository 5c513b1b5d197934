"""p-values of the fit are uniform for data of the model, and small for others.

Every data set has templates of its own, of ten times as many events as it has itself. True values
are drawn from their constraints, so that the auxiliary values are as far from them as the model
says, and near enough to the nominal point for additive templates to close. p-values are
(beyond + U) / (toys + 1) with U uniform: exactly uniform if toys and data are alike.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from pullfactory.auditing import (
    AuditModel,
    Expected,
    FittedPool,
    build_audit_workspace,
    read_events,
)
from pullfactory.auditing.goodness import Distances, Goodness, judge_fit, throw_distances
from pullfactory.fitting import fit_toys
from pullfactory.settings.audit import AuditConfig
from tests.auditing.fit_models import config, data, simulated, table

pytestmark = pytest.mark.slow

SETS, PARTS, WRONG_SETS = 2000, 10, 200
SIMULATED = 10  # events of a sample, for each event of the data
UNLIKELY = 1e-3  # of 16 tests
MODELS = list(product((2, 3), (0.0, 0.5, 0.9), (0.0, 0.2)))


@dataclass(frozen=True)
class Case:
    """What the data are of, and what the model takes them for."""

    k: int
    rho: float
    part: float
    events: float
    toys: int
    norm: float | str = 0.1


def judged(rng: np.random.Generator, case: Case, measured: NDArray[np.float64]) -> Goodness:
    n = int(SIMULATED * case.events)
    tables: dict[str, Any] = simulated(rng, n, case.k, case.rho, case.part)
    asked = AuditConfig.from_dict(config(case.k, case.events, case.part, case.norm))
    asked = asked.with_settings({"seed": int(rng.integers(2**32))})
    expected = Expected.of(asked, read_events(asked, tables | {"data": table(measured)}))
    model = AuditModel.of(expected, build_audit_workspace(expected, expected.observed))
    fit = fit_toys(model.likelihood, model.likelihood.observed[None])
    pool = FittedPool.of(model, fit.estimate[0])
    blocks = range(-(-case.toys // pool.block_size))
    toys = Distances.join([throw_distances(pool, block) for block in blocks], case.toys)
    return judge_fit(model, fit, toys, None)


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


def more_background(rng: np.random.Generator) -> tuple[Case, NDArray[np.float64]]:
    case = Case(2, 0.5, 0.3, 3000.0, 128, "fixed")
    return case, data(rng, 2, 0.5, 3000.0, (1.0, 1.3), 0.3)


def shifted_observable(rng: np.random.Generator) -> tuple[Case, NDArray[np.float64]]:
    measured = data(rng, 2, 0.5, 1000.0, part=0.2)
    return Case(2, 0.5, 0.2, 1000.0, 128), measured + np.array([0.0, 0.5])


def shifted_like_the_mass(rng: np.random.Generator) -> tuple[Case, NDArray[np.float64]]:
    """The observable that measures the mass, which takes up most of it: of 1000 events, 85 %."""
    measured = data(rng, 2, 0.5, 2000.0, part=0.2)
    return Case(2, 0.5, 0.2, 2000.0, 128), measured + np.array([0.5, 0.0])


def missing_process(rng: np.random.Generator) -> tuple[Case, NDArray[np.float64]]:
    return Case(2, 0.5, 0.0, 1000.0, 128), data(rng, 2, 0.5, 1250.0, part=0.2)


WRONG = (more_background, shifted_observable, missing_process, shifted_like_the_mass)


def wrong(position: int) -> float:
    """Part of the data sets of a wrong model that are rejected."""
    rng = np.random.default_rng(1000 + position)
    found = [judged(rng, *WRONG[position](rng)).rows[0] for _ in range(WRONG_SETS)]
    assert found[0].of == "all bins"
    return float(np.mean([row.p_value < 0.01 for row in found]))


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


@pytest.mark.parametrize("position", range(len(WRONG)))
def test_wrong_models_are_rejected(position: int) -> None:
    part = wrong(position)
    print(f"{WRONG[position].__name__}: {part:.3f} rejected")  # noqa: T201
    assert part > 0.9
