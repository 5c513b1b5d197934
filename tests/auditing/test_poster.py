"""The study of the poster written out as event files and audited: the numbers of `predict`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from pullfactory import AuditResult, Study, audit, predict

EVENTS = 300_000
NAMES = ("m_t", "JSF", "JRF")
MU, SIGMA = np.array([171.8, 83.3]), np.array([10.4, 6.8])
MU_SLOPES = np.array([[0.0058, 0.0046, 0.0005], [0.0003, 0.0053, 0.0016]])
SIGMA_SLOPES = np.array([[0.008, 0.0095, 0.02], [0.0, 0.0074, 0.02]])


def _latent(rng: np.random.Generator, rho: float) -> Any:
    u, v = rng.standard_normal((2, EVENTS))
    return np.stack([u, rho * u + np.sqrt(1 - rho**2) * v], axis=1)


def _write(file: Path, latent: Any, theta: tuple[int, ...]) -> None:
    mu = MU * np.prod(1 + MU_SLOPES * theta, axis=1)
    sigma = SIGMA * np.prod(1 + SIGMA_SLOPES * theta, axis=1)
    values = mu + sigma * latent
    with uproot.recreate(file, compression=None) as root:
        root.mktree("events", {"m_t": "f8", "m_W": "f8", "number": "i8"})
        root["events"].extend(
            {"m_t": values[:, 0], "m_W": values[:, 1], "number": np.arange(EVENTS)}
        )


def _audit(folder: Path, rho: float) -> AuditResult:
    """Independent samples for the mass, the same events for the detector."""
    rng = np.random.default_rng(round(100 + 10 * rho))
    nominal = _latent(rng, rho)
    _write(folder / "nominal.root", nominal, (0, 0, 0))
    samples: dict[str, Any] = {"nominal": {"files": ["nominal.root"], "events": 2000.0}}
    for k, name in enumerate(NAMES):
        samples[name] = {}
        for side, step in (("up", 1), ("down", -1)):
            theta = tuple(step * (k == other) for other in range(3))
            latent = _latent(rng, rho) if name == "m_t" else nominal
            _write(folder / f"{name}_{side}.root", latent, theta)
            samples[name][side] = {"files": [f"{name}_{side}.root"]}
    config = {
        "name": "poster",
        "poi": "m_t",
        "optimal": False,  # tests of their own
        "n_events_law": "fixed",
        "identifier": ["number"],
        "parameter": [{"name": "m_t", "constraint": "free"}, {"name": "JSF"}, {"name": "JRF"}],
        "observable": [{"name": name, "density": "normal"} for name in ("m_t", "m_W")],
        "joint": {"n_bins": 0},
        "toys": {"n_toys": 0},
        "samples": samples,
    }
    return audit(config, base=folder)


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.5, -0.6])
def test_numbers_of_the_study(rho: float, tmp_path: Path) -> None:
    """Within three bootstrap errors; exact templates in the prediction."""
    study = Study.preset("poster").with_settings({"calibration.source": "exact"})
    predicted = {
        (row.method, row.parameter): row for row in predict(study, rho=[rho], workers=1).rows
    }
    result = _audit(tmp_path, rho)
    assert len(result.rows) == 6
    for row in result.rows:
        truth = predicted[row.method, row.parameter]
        assert abs(row.claimed_error - truth.claimed_error) < 3 * row.claimed_error_error
        assert abs(row.actual_error - truth.actual_error) < 3 * row.actual_error_error
        assert abs(row.inflate_by - truth.predicted_width) < 3 * row.inflate_by_error
    (pair,) = result.dependence
    assert pair.pearson is not None
    assert pair.pearson_error is not None
    assert abs(pair.pearson - rho) < 3 * pair.pearson_error
