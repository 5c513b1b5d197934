"""What noise leaks of a truth that is drawn, against drawn templates; and what is withheld."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory import Study, calibrate, run
from pullfactory.likelihoods.channels import PairCounts
from pullfactory.methods import build_method
from pullfactory.methods.noise import (
    LocalPrediction,
    MethodNoise,
    NoiseSource,
    leaked_truth,
    typical_truth,
)

POSTER = Study.preset("poster")
BINS = 40
SIGMA = 0.1  # noise of the slopes in every bin, whose rate has the weight 1


def noisy_slopes(
    study: Study, jacobian: NDArray[np.float64], theta: NDArray[np.float64]
) -> MethodNoise:
    """Independent noise of each slope in each bin: delta is linear in the truth."""
    n = len(study.parameter)
    slopes = np.stack([np.kron(np.eye(n)[k], np.eye(BINS)) for k in range(n)])

    def points() -> Iterator[LocalPrediction]:
        for at in theta:
            response = np.tensordot(at, slopes, 1)
            yield LocalPrediction(
                jacobian, np.eye(BINS), response, slopes, np.zeros((n, *slopes.shape))
            )

    covariance = SIGMA**2 * np.eye(n * BINS)
    return MethodNoise(study.constraint_information, (NoiseSource(covariance, points),))


def test_leaked_truth_is_that_of_drawn_templates() -> None:
    """With X = (J + D)^T D the score is -(P + X) theta; 40 000 draws of D and theta.

    A variance of so many normal products is known to 2 %: entries of the diagonal within 6 %.
    """
    rng = np.random.default_rng(1)
    jacobian = rng.normal(size=(BINS, 3)) * np.sqrt([18.0, 20.0, 4.0]) / np.sqrt(BINS)
    theta = typical_truth(POSTER)
    told = leaked_truth(POSTER.aux_centre, noisy_slopes(POSTER, jacobian, theta), theta)
    prior = np.diag([0.0, 1.0, 1.0])
    sigma = np.array([parameter.truth_sigma for parameter in POSTER.parameter])
    scores, alone = [], []
    for _ in range(40_000):
        truth = sigma * rng.standard_normal(3)
        noise = SIGMA * rng.standard_normal((BINS, 3))
        scores.append((prior + (jacobian + noise).T @ noise) @ truth)
        alone.append(prior @ truth)
    found = np.cov(np.transpose(scores)) - np.cov(np.transpose(alone))
    assert np.diag(told) == pytest.approx(np.diag(found), rel=0.06)


def test_nothing_leaks_of_a_truth_that_is_held() -> None:
    study = POSTER.with_settings({"ensemble.truth": "fixed"})
    theta = typical_truth(study)
    jacobian = np.random.default_rng(2).normal(size=(BINS, 3))
    leaked = leaked_truth(study.aux_centre, noisy_slopes(study, jacobian, theta), theta)
    assert np.all(leaked == 0.0)


JOINT = POSTER.with_settings(
    {
        "methods": ["binned_joint"],
        "ensemble.rho": [0.5],
        "ensemble.n_toys": 16,
        "calibration.grid": "needed",
        "calibration.events_per_point": 20_000,
    }
)


def test_what_leaks_is_in_the_covariance_of_the_score() -> None:
    """It is positive with simulated templates, and nothing with exact ones."""
    leaks = []
    for source in ("simulated", "exact"):
        study = JOINT.with_settings({"calibration.source": source})
        method = build_method("binned_joint", calibrate(study, workers=1), 0.5)
        start = method.likelihood.start[None]
        nothing = PairCounts((np.zeros((1, 36)),), {})
        leaks.append(method.scatter(start, nothing)[0])
    own = [method.likelihood.parameters.index(name) for name in study.parameter_names]
    assert np.all(np.diag(leaks[0])[own] > 0.0)
    assert np.all(leaks[1] == 0.0)


@pytest.mark.slow
def test_corrected_errors_without_known_noise_are_withheld() -> None:
    """With a t copula the contents of the joint bins are not known; nothing becomes NaN."""
    study = JOINT.with_settings({"ensemble.dependence": "t_copula", "methods": ["binned_joint"]})
    summary = run(study, workers=1).summary()
    for row in summary["pulls"]:
        assert row["width"] is not None
        assert row["corrected_width"] is row["corrected_error"] is row["predicted_width"] is None
    assert all(
        "corrected errors are withheld" in row["reason"] for row in summary["calibration_noise"]
    )
    json.dumps(summary, allow_nan=False)
