"""A coarse start saves evaluations of all events; it must not change the minimum."""

from unittest.mock import patch

import jax
import numpy as np
import pytest

from pullfactory import Study, build_method, calibrate, fit_toys
from pullfactory.likelihoods import UnbinnedLikelihood
from pullfactory.simulation.toys import draw_toys


@pytest.fixture(scope="module", params=["fixed", "poisson"])
def study(request: pytest.FixtureRequest) -> Study:
    return Study.preset("poster").with_settings(
        {
            "calibration.source": "exact",
            "observable.m_W.density": "voigt",
            "observable.m_W.shape": {"gamma": 0.4},
            "ensemble.dependence": "gaussian_copula",
            "ensemble.n_events": 1500,
            "ensemble.n_events_law": request.param,
        }
    )


def test_groups_keep_events_and_means(study: Study) -> None:
    method = build_method("unbinned", calibrate(study))
    block = draw_toys(study, 0, 0.5)
    data = method.observe(block).data
    coarse = method.likelihood.coarsen(data)
    assert coarse is not None
    weights = (
        np.ones(block.events.shape[:2]) if block.event_weights is None else block.event_weights
    )
    assert np.allclose(coarse.weights.sum(axis=1), weights.sum(axis=1))
    total = np.sum(coarse.weights * coarse.observables[1], axis=1)
    assert np.allclose(total, np.sum(weights * block.events[..., 1], axis=1))
    assert coarse.observables[1].shape[1] == -(-block.events.shape[1] // 16)


def test_minimum_is_that_of_all_events(study: Study) -> None:
    method = build_method("unbinned", calibrate(study))
    data = jax.tree.map(lambda leaf: leaf[:8], method.observe(draw_toys(study, 0, 0.5)).data)
    fits = fit_toys(method.likelihood, data)
    with patch.object(UnbinnedLikelihood, "coarsen", lambda *_: None):
        plain = fit_toys(method.likelihood, data)
    assert np.all(fits.status == plain.status)
    assert np.all(np.abs(fits.estimate - plain.estimate) < 1e-4 * plain.error)
    assert np.allclose(fits.error, plain.error, rtol=1e-4)


def test_few_events_are_not_worth_it(study: Study) -> None:
    few = study.with_settings({"ensemble.n_events": 100})
    method = build_method("unbinned", calibrate(few))
    assert method.likelihood.coarsen(method.observe(draw_toys(few, 0, 0.5)).data) is None
