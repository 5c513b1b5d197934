"""Models arranged so that their rates need less computing."""

from typing import Any

import numpy as np
import pyhf
import pytest

from pullfactory import Study, build_workspace, calibrate
from pullfactory.likelihoods import BinnedLikelihood, _compact
from pullfactory.likelihoods._compact import compact


def _bin_by_bin(staterror: bool) -> dict[str, Any]:
    study = Study.preset("poster").with_settings(
        {
            "calibration.source": "exact",
            "workspace.morphing": "multiplicative",
            "workspace.staterror": staterror,
        }
    )
    spec: dict[str, Any] = build_workspace(calibrate(study))
    return spec


def _sparse() -> dict[str, Any]:
    """Samples in some bins only, with every modifier that has numbers for each bin."""
    return {
        "channels": [
            {
                "name": "b",
                "samples": [
                    {
                        "name": "one",
                        "data": [5.0, 6.0, 0.0, 0.0],
                        "modifiers": [
                            {"name": "mu", "type": "normfactor", "data": None},
                            {"name": "s", "type": "shapesys", "data": [1.0, 1.5, 0.0, 0.0]},
                        ],
                    },
                    {
                        "name": "two",
                        "data": [0.0, 0.0, 4.0, 0.0],
                        "modifiers": [
                            {
                                "name": "h",
                                "type": "histosys",
                                "data": {
                                    "hi_data": [0.0, 0.0, 5.0, 1.0],
                                    "lo_data": [0.0, 0.0, 3.5, 0.0],
                                },
                            },
                            {"name": "f", "type": "shapefactor", "data": None},
                        ],
                    },
                ],
            },
            {
                "name": "a",
                "samples": [
                    {
                        "name": "three",
                        "data": [7.0],
                        "modifiers": [
                            {"name": "lumi", "type": "lumi", "data": None},
                            {"name": "e", "type": "staterror", "data": [0.5]},
                        ],
                    },
                ],
            },
        ],
        "parameters": [
            {
                "name": "lumi",
                "auxdata": [1.0],
                "sigmas": [0.02],
                "bounds": [[0.9, 1.1]],
                "inits": [1.0],
            }
        ],
    }


@pytest.mark.parametrize("staterror", [False, True])
def test_rates_of_single_bins_are_the_same(staterror: bool) -> None:
    model = pyhf.Workspace(_bin_by_bin(staterror)).model()
    arranged, order = compact(model)
    assert (len(model.config.samples), len(arranged.config.samples)) == (20, 1)
    _compare(model, arranged, order)


def test_rates_are_the_same_for_every_modifier() -> None:
    model = pyhf.Model(_sparse(), poi_name="mu")
    arranged, order = compact(model)
    assert arranged is not model
    _compare(model, arranged, order)


def _compare(model: pyhf.Model, arranged: pyhf.Model, order: np.ndarray[Any, Any]) -> None:
    rng = np.random.default_rng(5)
    for _ in range(5):
        theta = np.array(model.config.suggested_init()) + rng.uniform(-0.3, 0.3, model.config.npars)
        assert np.allclose(
            arranged.expected_actualdata(theta[order]), model.expected_actualdata(theta), rtol=1e-12
        )


def test_dense_models_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study.preset("poster").with_settings({"calibration.source": "exact"})
    model = pyhf.Workspace(build_workspace(calibrate(study))).model()
    assert compact(model)[0] is model
    monkeypatch.setattr(_compact, "_GAIN", 0)
    _compare(model, *compact(model))


def test_units_change_the_reading_alone() -> None:
    """At +-3 GeV templates, 3 GeV here is 1 in the workspace, and so is its constraint."""
    workspace = pyhf.Workspace(_bin_by_bin(False))
    plain = BinnedLikelihood.from_pyhf(workspace)
    read = plain.in_units({"m_t": 3.0})
    rng = np.random.default_rng(6)
    factor = np.where(np.array(plain.names) == "m_t", 3.0, 1.0)
    data = rng.poisson(plain.observed).astype(float)
    for step in rng.standard_normal((3, len(factor))):
        theta = plain.init + 0.1 * step
        one, two = plain.expansion(theta, data), read.expansion(factor * theta, data)
        assert float(two.nll) == pytest.approx(float(one.nll), rel=1e-12)
        assert np.allclose(two.gradient, one.gradient / factor, rtol=1e-9, atol=1e-9)
        assert np.allclose(two.curvature, one.curvature / np.outer(factor, factor), rtol=1e-9)
    assert np.array_equal(read.limits, plain.limits * factor[:, None])
