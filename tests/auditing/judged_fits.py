"""Data sets fitted and judged, step by step as an audit does."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing import (
    AuditModel,
    Expected,
    FittedPool,
    build_audit_workspace,
    read_events,
)
from pullfactory.auditing.goodness import judge_data, throw_distances
from pullfactory.fitting import fit_toys
from pullfactory.inference.goodness import Distances, Goodness
from pullfactory.settings.audit import AuditConfig
from tests.auditing.fit_models import config, simulated, table

SIMULATED = 10  # events of a sample, for each event of the data


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
    return judge_data(model, fit, toys, None)
