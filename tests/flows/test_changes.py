"""Changes of few coefficients are found among many that do not change."""

import numpy as np
import pytest
from scipy.stats import chi2

from pullfactory.flows.changes import ChangeRow, find_changes
from pullfactory.flows.conditional import Conditional
from pullfactory.flows.sums import FlowSample
from pullfactory.flows.training import train_map

CONDITIONAL = Conditional(before=1, shift_degree=5, shape_degree=4)
EVENTS = 5000


def sample(theta: float, moves: float, seed: int) -> FlowSample:
    """Correlated normal scores; the Fisher transform of their correlation moves with theta."""
    first, other = np.random.default_rng([seed, int(theta) + 1]).standard_normal((2, EVENTS))
    rho = np.tanh(0.3 + moves * theta)
    scores = np.stack([first, rho * first + np.sqrt(1 - rho**2) * other])
    return FlowSample(np.array([theta]), scores, None, int(theta))


def change(moves: float, seed: int) -> ChangeRow:
    samples = [sample(theta, moves, seed) for theta in (0.0, 1.0, -1.0)]
    fixed = train_map(CONDITIONAL, samples[:1], [False])
    (row,) = find_changes(CONDITIONAL, fixed, samples, tests=1, n_events=1000)
    return row


def test_the_plainest_coefficients_are_those_of_the_smallest_map() -> None:
    smallest = Conditional(before=2, shift_degree=1, shape_degree=0)
    assert smallest.plainest.all()
    larger = Conditional(before=2, shift_degree=5, shape_degree=4)
    assert larger.plainest.sum() == smallest.size
    assert larger.plainest.shape == (larger.size,)


@pytest.mark.parametrize("seed", [2, 3, 4, 8])
def test_a_change_of_the_correlation_alone_is_found(seed: int) -> None:
    """Of 5.5 standard errors, by 9 coefficients: those of the seeds are no chance in all 36."""
    row = change(0.055, seed)
    assert row.linear
    assert row.dof == CONDITIONAL.plainest.sum()
    assert row.chi2 > chi2.isf(1e-3, row.dof)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_none_is_none(seed: int) -> None:
    """All coefficients are told of; three of these tests find something once in 300 times."""
    row = change(0.0, seed)
    assert not row.linear
    assert row.dof > 30
