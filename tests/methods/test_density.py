"""A density as a method of a study: in every verb, at every rho, in other processes."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import pullfactory as pf
from pullfactory import Study
from pullfactory.errors import LikelihoodError
from tests.likelihoods.true_density import RHO, log_prob

STUDY = Study.preset("poster").with_settings(
    {
        "name": "given",
        "calibration.source": "exact",
        "ensemble.n_toys": 40,
        "ensemble.n_events": 200,
        "ensemble.rho": [RHO],
        "methods": ["unbinned_joint"],
    }
)
GIVEN = pf.density_method({RHO: log_prob}, name="given", label="given density", colour="#123456")


def test_it_is_in_every_verb(tmp_path: Path) -> None:
    """Beside the same density in closed form, which it agrees with."""
    result = pf.run(STUDY, methods=["unbinned_joint", GIVEN])
    frame = result.pulls.to_pandas().pivot(index="parameter", columns="method", values="width")
    np.testing.assert_allclose(frame["given"], frame["unbinned_joint"], rtol=1e-4)
    folder = result.write(tmp_path / "result", figures=())
    assert "given density" in (folder / "report.html").read_text()
    again = pf.read(folder, methods=[GIVEN])
    assert again.summary() == result.summary()


def test_it_is_predicted() -> None:
    """From 524288 simulated events, which know an error to 0.1 %."""
    rows = pf.predict(STUDY, methods=["unbinned_joint", GIVEN]).rows
    errors = np.array([(row.claimed_error, row.actual_error) for row in rows]).reshape(2, 3, 2)
    np.testing.assert_allclose(errors[1], errors[0], rtol=5e-3)


def test_a_correlation_without_a_density_is_refused() -> None:
    other = STUDY.with_settings({"ensemble.rho": [0.0]})
    with pytest.raises(LikelihoodError, match=r"'given' has no density at rho = 0, but at 0\.5"):
        pf.run(other, methods=[GIVEN])
    with pytest.raises(LikelihoodError, match="method 'density' has no density; give"):
        pf.density_method({})


@pytest.mark.parametrize("events", [1.5, True, -3, 0, "7", float("nan")])
def test_what_is_no_number_of_events_is_refused(events: Any) -> None:
    with pytest.raises(LikelihoodError, match="must be a whole number, at least 1"):
        pf.density_method(log_prob, events=events)


@pytest.mark.parametrize("rho", ["a", True, 2.0, None])
def test_what_is_no_correlation_is_refused(rho: Any) -> None:
    with pytest.raises(LikelihoodError, match="is no correlation; give a density for each rho"):
        pf.density_method({rho: log_prob})


def test_it_does_not_tell_its_noise() -> None:
    calibration = pf.calibrate(STUDY)
    told = GIVEN.noise(calibration, RHO, np.zeros((1, 3)))
    assert "nobody knows from how many events" in told.reason  # type: ignore[union-attr]


def test_with_a_number_of_events_it_does_not_tell_it_either() -> None:
    told = pf.density_method(log_prob, events=1000).noise(
        pf.calibrate(STUDY), RHO, np.zeros((1, 3))
    )
    assert "from 1000 events would differ" in told.reason  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changed", "integral"),
    [
        (lambda x, theta: log_prob(x, theta) + theta[0], r"2\.7.* at theta = \(1, 1, 1\)"),
        (lambda x, theta: 2.0 * log_prob(x, theta), "0.00.* at theta = 0"),
        (lambda x, theta: jnp.exp(log_prob(x, theta)), "at theta = 0, and not to 1"),
    ],
)
def test_what_is_not_normalised_is_refused(changed: Any, integral: str) -> None:
    """By a factor that changes with the mass, squared, or without the logarithm."""
    with pytest.raises(LikelihoodError, match=f"integrates to .*{integral}"):
        pf.predict(STUDY, methods=[pf.density_method(changed, name="off")])


@pytest.mark.slow
def test_it_travels() -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        there = pf.run(STUDY, methods=[GIVEN], executor=pool)
    here = pf.run(STUDY, methods=[GIVEN])
    assert [row.pulls for row in there.pulls] == [row.pulls for row in here.pulls]
