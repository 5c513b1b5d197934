"""The covariance of the score of auxiliary data over the ensemble of a study."""

import numpy as np
import pytest

from pullfactory import Study, build_method, calibrate
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.likelihoods.auxiliary import counting_noise, gamma_terms

STUDY = Study.preset("poster").with_settings(
    {
        "calibration.events_per_point": 5000,
        "calibration.grid": "needed",
        "calibration.replicas": 2,
        "workspace.n_bins": 4,
        "workspace.staterror": True,
        "ensemble.n_toys": 10,
        "ensemble.rho": [0.5],
    }
)


def test_counting_noise_is_that_of_independent_observables() -> None:
    """A covariance from n draws has the error sqrt((V_aa V_bb + V_ab^2) / n)."""
    rng = np.random.default_rng(1)
    shares = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    n = 20_000
    drawn = np.concatenate([rng.multinomial(400, row, n) for row in shares], axis=1)
    contents = 400 * shares.ravel()
    right = counting_noise(contents, (3, 3))
    found = np.cov(drawn / contents, rowvar=False)
    error = np.sqrt((np.outer(right.diagonal(), right.diagonal()) + right**2) / n)
    assert np.all(np.abs(found - right) < 4.5 * error)


def test_gammas_scatter_where_the_calibration_is_repeated() -> None:
    """Scores are values by the variances that the fit takes; m_t is free, JSF and JRF are not."""
    calibration = calibrate(STUDY, workers=1)
    method = build_method("binned", calibration)
    likelihood = method.likelihood
    assert isinstance(likelihood, BinnedLikelihood)
    terms = gamma_terms(likelihood)
    gammas = [likelihood.aux_index[term] for term in terms]
    order = [STUDY.observable_names.index(name) for name, _ in likelihood.channels]
    contents = np.concatenate([calibration.template(o) for o in order])
    assert likelihood.aux_sigma[terms] == pytest.approx(contents**-0.5)
    noise = counting_noise(contents, (4, 4))
    scatter = method.aux_scatter
    assert scatter[np.ix_(gammas, gammas)] == pytest.approx(noise * np.outer(contents, contents))
    own = [likelihood.names.index(name) for name in STUDY.parameter_names]
    assert scatter[np.ix_(own, own)] == pytest.approx(np.diag([0.0, 1.0, 1.0]))
    once = calibration.for_study(STUDY.with_settings({"calibration.replicas": 1}))
    held = build_method("binned", once).aux_scatter
    assert not held[np.ix_(gammas, gammas)].any()
