"""Wrong models are rejected: p-values of their fits are small."""

import os

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.auditing.fit_models import data
from tests.auditing.judged_fits import Case, judged

pytestmark = pytest.mark.slow

SETS = int(os.environ.get("SETS", "60"))  # 0.96 is known to 0.025


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
    found = [judged(rng, *WRONG[position](rng)).rows[0] for _ in range(SETS)]
    assert found[0].of == "all bins"
    return float(np.mean([row.p_value < 0.01 for row in found]))


@pytest.mark.parametrize("position", range(len(WRONG)))
def test_wrong_models_are_rejected(position: int) -> None:
    part = wrong(position)
    print(f"{WRONG[position].__name__}: {part:.3f} rejected")  # noqa: T201
    assert part > 0.9
