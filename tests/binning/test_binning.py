"""Bins and counts."""

import numpy as np
import pytest

from pullfactory.binning.edges import choose_edges, count_events, exact_probabilities
from pullfactory.errors import CalibrationError
from pullfactory.settings.study import Study

POSTER = Study.preset("poster")


def test_counts_agree_with_numpy_and_lose_no_event() -> None:
    rng = np.random.default_rng(3)
    events = rng.normal(size=(7, 500))
    edges = np.array([-1.0, -0.5, 0.0, 0.7, 1.0])
    counts = count_events(events, edges)
    inner = np.array([-np.inf, -0.5, 0.0, 0.7, np.inf])
    assert np.array_equal(counts, [np.histogram(row, inner)[0] for row in events])
    assert np.all(counts.sum(axis=1) == 500)


def test_weights_count() -> None:
    events = np.array([[0.1, 0.6, 2.0]])
    counts = count_events(events, np.array([0.0, 0.5, 1.0]), np.array([[1.0, 0.0, 3.0]]))
    assert np.array_equal(counts, [[1.0, 3.0]])


@pytest.mark.parametrize("edges", [[-1.0, -0.5, 0.0, 0.7, 1.0], [0.0, 0.5], [-9.0, -8.0, 9.0]])
def test_a_value_at_an_edge_belongs_to_the_bin_above(edges: list[float]) -> None:
    rng = np.random.default_rng(4)
    events = rng.choice([*edges, 0.1, -2.0, 3.0], size=(5, 200))
    inner = np.array([-np.inf, *edges[1:-1], np.inf])
    expected = [np.histogram(row, inner)[0] for row in events]
    assert np.array_equal(count_events(events, np.array(edges)), expected)


def test_padding_is_not_counted() -> None:
    rng = np.random.default_rng(5)
    edges = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    events = np.round(rng.normal(size=(6, 300)), 1)
    weights = rng.integers(0, 2, size=events.shape).astype(float)
    weights[0], weights[1] = 0.0, 1.0
    inner = np.array([-np.inf, *edges[1:-1], np.inf])
    expected = [
        np.histogram(row[used], inner)[0] for row, used in zip(events, weights > 0, strict=True)
    ]
    before = events.copy()
    assert np.array_equal(count_events(events, edges, weights), expected)
    assert np.array_equal(events, before)
    # General weights are added up another way.
    assert np.array_equal(count_events(events, edges, 3.0 * weights), 3.0 * np.array(expected))


def test_equal_population() -> None:
    rng = np.random.default_rng(3)
    nominal = [rng.normal(100, 10, 10_000), rng.normal(50, 5, 10_000)]
    edges = choose_edges(POSTER.observable, POSTER.channel_bins, nominal)
    for sample, edge in zip(nominal, edges, strict=True):
        assert np.all(np.abs(count_events(sample[None], edge) - 500) <= 1)


def test_exact_edges_have_equal_probability() -> None:
    edges = choose_edges(POSTER.observable, POSTER.channel_bins, None)
    found = exact_probabilities(POSTER, edges, np.array([[171.8, 83.3]]), np.array([[10.4, 6.8]]))
    for probabilities in found:
        assert np.allclose(probabilities, 1 / 20, atol=1e-12)


def test_edges_of_the_study_are_used() -> None:
    study = POSTER.with_settings({"observable.m_t.edges": [140, 160, 170, 180, 210]})
    edges = choose_edges(study.observable, study.channel_bins, None)
    assert np.array_equal(edges[0], [140, 160, 170, 180, 210])


def test_repeated_values_are_refused() -> None:
    with pytest.raises(CalibrationError, match=r"'m_t': 20 bins .* use fewer bins"):
        choose_edges(POSTER.observable, POSTER.channel_bins, [np.ones(100), np.ones(100)])
