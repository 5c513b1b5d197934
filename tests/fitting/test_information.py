"""The information in the joint density of the observables."""

import numpy as np
import pytest

from pullfactory import Study, predict
from pullfactory.fitting import joint_errors, joint_information
from pullfactory.simulation.response import Response

POSTER = Study.preset("poster")


@pytest.mark.parametrize(("rho", "m_t", "jrf"), [(0.5, 0.275, 0.524), (0.9, 0.152, 0.525)])
def test_joint_errors_of_the_default_study(rho: float, m_t: float, jrf: float) -> None:
    errors = joint_errors(POSTER, rho)
    assert errors is not None
    assert errors[[0, 2]] == pytest.approx([m_t, jrf], abs=5e-4)


def test_information_is_the_general_expression() -> None:
    """With derivatives of the mean and the covariance matrix by differences."""
    rng = np.random.default_rng(3)
    slopes = rng.uniform(-0.05, 0.05, (2, 3, 2))
    response = Response(np.array([5.0, -3.0, 8.0]), slopes[0], np.array([1.0, 0.5, 2.0]), slopes[1])
    theta = np.array([0.4, -0.7])
    correlation = np.array([[1.0, 0.5, -0.2], [0.5, 1.0, 0.3], [-0.2, 0.3, 1.0]])

    def moments(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        location, scale = response(at)
        return location, correlation * np.outer(scale, scale)

    inverse = np.linalg.inv(moments(theta)[1])
    changes = []
    for step in 1e-5 * np.eye(2):
        up, down = moments(theta + step), moments(theta - step)
        changes.append([(u - d) / 2e-5 for u, d in zip(up, down, strict=True)])
    expected = [
        [a @ inverse @ b + 0.5 * np.trace(inverse @ s @ inverse @ t) for b, t in changes]
        for a, s in changes
    ]
    assert joint_information(response, theta, correlation) == pytest.approx(
        np.array(expected), rel=1e-7
    )


def test_joint_error_is_predicted_where_it_is_known() -> None:
    study = POSTER.with_settings({"methods": ["unbinned"], "calibration.source": "exact"})
    without, correlated = (
        {row.parameter: row for row in predict(study, rho=[rho]).rows} for rho in (0.0, 0.9)
    )
    for row in without.values():
        assert row.joint_error == pytest.approx(row.actual_error, rel=1e-9)
    assert correlated["m_t"].joint_error == pytest.approx(0.152, abs=5e-4)
    assert correlated["m_t"].actual_error > 1.1 * 0.152
    skewed = study.with_settings(
        {"observable.m_W.density": "bifurcated_normal", "observable.m_W.shape": {"sigma_ratio": 2}}
    )
    assert joint_errors(skewed, 0.5) is None
    assert joint_errors(POSTER.with_settings({"ensemble.dependence": "t_copula"}), 0.5) is None
