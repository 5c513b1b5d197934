"""The paired bootstrap agrees with the event-paired sandwich."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from pullfactory import (
    BootstrapResult,
    FitStatus,
    Study,
    bootstrap,
    build_method,
    calibrate,
    draw_toys,
)
from pullfactory.errors import LikelihoodError
from pullfactory.inference import bootstrapping
from pullfactory.methods import Method
from pullfactory.simulation.toys import ToyBlock

STUDY = Study.preset("poster").with_settings({"calibration.source": "exact", "workspace.n_bins": 8})
VOIGT = STUDY.with_settings(
    {
        "observable.m_t.density": "voigt",
        "observable.m_t.shape": {"gamma": 0.3},
        "ensemble.dependence": "gaussian_copula",
        "ensemble.n_events": 1100,
    }
)
REPLICAS = 767


@cache
def method_of(name: str) -> Method:
    return build_method(name, calibrate(STUDY))


@cache
def data() -> ToyBlock:
    return draw_toys(STUDY, 0, 0.5)


@cache
def result(name: str) -> BootstrapResult:
    return bootstrap(method_of(name), data(), replicas=REPLICAS).select(STUDY.parameter_names)


@pytest.mark.parametrize("name", STUDY.methods)
def test_bootstrap_agrees_with_the_sandwich(name: str) -> None:
    """The relative error of a variance from n normal draws is sqrt(2 / (n - 1))."""
    found = result(name)
    assert found.status_counts["converged"] == REPLICAS
    assert found.fit.sandwich is not None
    sandwich = found.fit.sandwich[0]
    tolerance = 4 / np.sqrt(REPLICAS - 1)
    scale = np.sqrt(np.outer(np.diag(sandwich), np.diag(sandwich)))
    correlation = sandwich / scale
    assert np.all(
        np.abs(found.covariance - sandwich) / scale < tolerance * np.sqrt(1 + correlation**2)
    )
    assert found.error == pytest.approx(np.sqrt(np.diag(sandwich)), rel=tolerance / np.sqrt(2))
    assert found.error_of_error == pytest.approx(found.error / np.sqrt(2 * (REPLICAS - 1)))
    assert found.error[0] < 0.85 * found.fit.error[0, 0]  # the claimed error of m_t is too large


def test_auxiliary_values_are_part_of_the_errors() -> None:
    """Without drawing them the errors are those of the score of the events alone."""
    method = method_of("unbinned")
    held = bootstrap(method, data(), replicas=REPLICAS, aux_sigma=0.0)
    inverse = held.fit.covariance[0]
    aux = inverse @ method.aux_scatter @ inverse
    expected = np.sqrt(held.fit.corrected_error[0] ** 2 - np.diag(aux))
    assert held.error == pytest.approx(expected, rel=4 / np.sqrt(2 * (REPLICAS - 1)))
    assert np.all(held.error < 0.95 * result("unbinned").error)


def test_replicas_scatter_around_the_fit_of_the_data() -> None:
    found = result("unbinned")
    distance = (found.estimates.mean(axis=0) - found.fit.estimate[0]) / found.error
    assert np.abs(distance).max() < 4 / np.sqrt(REPLICAS) + 0.03  # the bias of the estimates
    other = bootstrap(method_of("unbinned"), data(), toy=1, replicas=255)
    assert not np.allclose(other.fit.estimate, found.fit.estimate)


def test_replicas_do_not_depend_on_batches_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrapping, "_BATCH", 128)
    few = bootstrap(method_of("unbinned"), data(), replicas=200)
    assert few.estimates == pytest.approx(result("unbinned").estimates[:200], abs=1e-6)


def test_correlation_of_the_observables() -> None:
    events = data().events[0]
    found = result("unbinned")
    expected = np.corrcoef(events.T)[0, 1]
    assert found.correlation[0, 1] == pytest.approx(expected, abs=1e-12)
    assert np.diag(found.correlation) == pytest.approx(1.0)
    closed_form = (1 - expected**2) / np.sqrt(len(events))  # of normal observables
    assert found.correlation_error[0, 1] == pytest.approx(closed_form, rel=0.12)


@pytest.mark.parametrize(("law", "spread"), [("fixed", 0.0), ("poisson", 1.0)])
def test_number_of_events_varies_as_that_of_the_ensemble(law: str, spread: float) -> None:
    one = bootstrapping._take(data(), 0)
    drawn = bootstrapping._draw(one, range(1, 401), 3, law, np.eye(2))  # type: ignore[arg-type]
    weights = drawn.multiplicity
    assert weights is not None
    totals = weights.sum(axis=1)
    n_events = STUDY.ensemble.n_events
    assert totals.std() == pytest.approx(spread * np.sqrt(n_events), rel=0.15)
    assert weights.mean() == pytest.approx(1.0, abs=4 * spread / np.sqrt(400 * n_events))
    assert weights.var() == pytest.approx(1.0, rel=0.02)


def test_families_without_sufficient_statistics() -> None:
    method = build_method("unbinned", calibrate(VOIGT))
    found = bootstrap(method, draw_toys(VOIGT, 0, 0.5), replicas=127)
    assert found.status_counts["converged"] == 127
    assert found.error == pytest.approx(found.fit.corrected_error[0], rel=4 / np.sqrt(2 * 126))


def test_padding_is_no_event() -> None:
    study = STUDY.with_settings({"ensemble.n_events_law": "poisson", "ensemble.n_events": 300})
    block = draw_toys(study, 0, 0.5)
    assert block.event_weights is not None
    n_events = int(block.event_weights[2].sum())
    assert bootstrapping._take(block, 2).events.shape == (1, n_events, 2)


def test_failed_replicas_are_counted_and_left_out() -> None:
    method = method_of("unbinned")
    limits = np.array([[-10, 10], [-10, 10], [-10, float(result("unbinned").fit.estimate[0, 2])]])
    likelihood = replace(method.likelihood, limits=limits)  # type: ignore[type-var]
    found = bootstrap(replace(method, likelihood=likelihood), data(), replicas=255)
    at_bound = found.status_counts["at_bound"]
    assert 50 < at_bound < 200
    assert found.status_counts["converged"] == 255 - at_bound
    assert np.isnan(found.estimates[found.status == FitStatus.AT_BOUND]).all()
    assert np.isfinite(found.covariance).all()


@pytest.mark.parametrize(
    ("toy", "replicas", "message"),
    [(0, 1, "replicas = 1 have no spread"), (10**6, 10, "toy 1000000 is none of the")],
)
def test_what_cannot_be_drawn_is_refused(toy: int, replicas: int, message: str) -> None:
    with pytest.raises(LikelihoodError, match=message):
        bootstrap(method_of("unbinned"), data(), toy=toy, replicas=replicas)


def test_data_without_events_are_refused() -> None:
    empty = replace(data(), events=data().events[:, :0])
    with pytest.raises(LikelihoodError, match="toy 0 has no events"):
        bootstrap(method_of("unbinned"), empty)
