"""Correlated constraints as people write them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pullfactory as pf
from pullfactory.errors import StudyError
from tests.auditing.test_optimal import config

BOTH: dict[str, Any] = {
    "constraints.parameters": ["JSF", "JRF"],
    "constraints.correlation": [[1.0, 0.5], [0.5, 1.0]],
}
POSTER = pf.Study.preset("poster")


def test_they_are_written_and_read(tmp_path: Path) -> None:
    study = POSTER.with_settings(BOTH)
    path = tmp_path / "study.toml"
    path.write_text(study.to_toml())
    assert pf.Study.from_toml(path) == study
    assert study.correlated == ("JSF", "JRF")
    assert study.sha256 != POSTER.sha256
    wanted = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.5, 1.0]])
    np.testing.assert_array_equal(study.constraint_correlation, wanted)
    inverse = study.constraint_information @ wanted
    np.testing.assert_allclose(inverse, np.diag([0.0, 1.0, 1.0]), atol=1e-15)
    assert config(**BOTH).correlated == ("JSF", "JRF")


def test_a_matrix_that_was_calculated_has_rounding() -> None:
    """As that of numpy.corrcoef, with other last digits on both sides and on the diagonal."""
    given = [[1.0 - 2e-16, 0.3 + 1e-16], [0.3 - 1e-16, 1.0 + 2e-16]]
    study = POSTER.with_settings(BOTH | {"constraints.correlation": given})
    assert study.constraints is not None
    found = study.constraints.matrix
    np.testing.assert_array_equal(np.diag(found), 1.0)
    np.testing.assert_array_equal(found, found.T)


def test_the_parameter_of_interest_comes_first() -> None:
    """It is one of the parameters that the workspace has."""
    study = pf.Study.preset("poster_constrained").with_settings(
        BOTH | {"constraints.parameters": ["JSF", "m_t"]}
    )
    assert study.correlated == ("m_t", "JSF")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"correlation": [[1.0, 1.0], [1.0, 1.0]]}, "not positive definite"),
        ({"correlation": [[1.0, 1.5], [1.5, 1.0]]}, "not positive definite"),
        ({"correlation": [[1.0, 0.5], [0.4, 1.0]]}, "JSF with .* is 0.5 and 0.4, and .* symmetric"),
        ({"correlation": [[4.0, 0.5], [0.5, 1.0]]}, "ones on its diagonal"),
        ({"correlation": [[1.0]]}, "must be 2 x 2, .* it has rows of 1"),
        ({"parameters": ["JSF", "JXF"]}, "'JXF' is no parameter; use some of"),
        ({"parameters": ["JSF", "JSF"]}, "'JSF' is given twice; keep one"),
        ({"parameters": ["m_t", "JSF"]}, "'m_t' is free, and has no auxiliary value"),
        ({"parameters": ["JSF"], "correlation": [[1.0]]}, "2 or more entries"),
    ],
)
def test_what_is_no_correlation_is_refused(changes: dict[str, Any], said: str) -> None:
    settings = BOTH | {f"constraints.{key}": value for key, value in changes.items()}
    with pytest.raises(StudyError, match=said):
        POSTER.with_settings(settings)
    names = [name.replace("m_t", "m") for name in settings["constraints.parameters"]]
    with pytest.raises(StudyError, match=said.replace("m_t", "m")):
        config(**settings | {"constraints.parameters": names})


def test_held_and_measured_ones_are_not_correlated() -> None:
    with pytest.raises(StudyError, match="make them the same"):
        config(**BOTH, **{"parameter.JSF.auxiliary": "held"})
