"""Blocks of toys."""

import numpy as np
import pytest

from pullfactory.errors import StudyError
from pullfactory.settings.study import Study
from pullfactory.simulation.toys import block_size, draw_base, draw_toys

POSTER = Study.preset("poster")


def test_shapes() -> None:
    toys = draw_toys(POSTER, 0, 0.3)
    assert toys.theta_true.shape == (256, 3)
    assert toys.aux.shape == (256, 2)
    assert toys.events.shape == (256, 2000, 2)
    assert toys.event_weights is None


def test_blocks_do_not_depend_on_the_number_of_toys_or_the_scan() -> None:
    fewer = POSTER.with_settings({"ensemble.n_toys": 10, "ensemble.rho": [0.5]})
    mine, theirs = draw_toys(POSTER, 3, 0.5), draw_toys(fewer, 3, 0.5)
    assert np.array_equal(mine.events, theirs.events)
    assert np.array_equal(mine.theta_true, theirs.theta_true)


def test_blocks_and_seeds_differ() -> None:
    first = draw_toys(POSTER, 0, 0.0).events
    assert not np.any(first == draw_toys(POSTER, 1, 0.0).events)
    assert not np.any(first == draw_toys(POSTER.with_settings({"seed": 1}), 0, 0.0).events)


def test_block_size_bounds_memory() -> None:
    sizes = [block_size(POSTER.with_settings({"ensemble.n_events": n})) for n in (10, 2000, 10**7)]
    assert sizes == [256, 256, 1]


@pytest.mark.parametrize("truth", ["prior", "fixed"])
def test_either_truth_or_auxiliary_data_move(truth: str) -> None:
    """A mean of 256 unit normals has error 1/16, a width about 1/sqrt(512); allow four."""
    study = POSTER.with_settings({"ensemble.truth": truth, "ensemble.n_events": 10})
    base = draw_base(study, 0)
    if truth == "prior":
        moving, still = base.theta_true / [0.33, 1.0, 1.0], base.aux
    else:
        moving, still = base.aux, base.theta_true
    assert np.all(still == 0)
    assert np.all(np.abs(moving.mean(axis=0)) < 4 / 16)
    assert np.all(np.abs(moving.std(axis=0) - 1) < 4 / np.sqrt(512))


def test_a_moved_truth_moves_the_auxiliary_data() -> None:
    study = POSTER.with_settings({"parameter.JSF.truth_mean": 2.0})
    assert np.all(draw_base(study, 0).aux[:, 0] == 2.0)


def test_events_have_the_location_and_scale_of_their_toy() -> None:
    """Mean of n events: error sigma / sqrt(n); 512 means are looked at, so allow five."""
    toys = draw_toys(POSTER, 0, 0.9)
    drawn = draw_base(POSTER, 0).drawn
    deviation = (toys.events.mean(axis=1) - drawn.location) / drawn.scale * np.sqrt(2000)
    assert np.abs(deviation).max() < 5


def test_poisson_number_of_events() -> None:
    """The total of 256 toys of 50 events has error sqrt(256 * 50)."""
    study = POSTER.with_settings({"ensemble.n_events": 50, "ensemble.n_events_law": "poisson"})
    toys = draw_toys(study, 0, 0.0)
    weights = toys.event_weights
    assert weights is not None
    counts = weights.sum(axis=1)
    assert weights.shape == toys.events.shape[:2]
    assert weights.shape[1] % 64 == 0
    assert set(np.unique(weights)) == {0.0, 1.0}
    assert np.all(np.diff(weights, axis=1) <= 0)
    assert abs(counts.sum() - 256 * 50) < 4 * np.sqrt(256 * 50)
    assert counts.std() > 5


def test_truth_outside_the_response_is_named() -> None:
    study = POSTER.with_settings({"parameter.JRF.truth_sigma": 60.0})
    with pytest.raises(StudyError, match=r"observable 'm_t' has scale -.* JRF = -.*truth_sigma"):
        draw_base(study, 0)
