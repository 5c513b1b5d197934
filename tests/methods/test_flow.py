"""The method `flow` in studies: learnt, stored, read, and as good as the joint fit."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pullfactory as pf
from pullfactory._jax import jax, jnp
from pullfactory.calibration import Calibration
from pullfactory.errors import CalibrationError, StudyError
from pullfactory.files import sealed
from pullfactory.flows.stored import flow_from_dict, flow_to_dict
from pullfactory.methods import build_method
from pullfactory.settings.idle import idle_keys
from pullfactory.simulation.toys import draw_toys

TOYS = int(os.environ.get("TOYS", "400"))
EVENTS = 1_000_000 if TOYS > 400 else 300_000

SMALL = pf.Study.preset("poster").with_settings(
    {
        "methods": ["flow", "unbinned_joint"],
        "ensemble.rho": [0.5],
        "ensemble.n_toys": 8,
        "ensemble.n_events": 300,
        "calibration.events_per_point": 5000,
        "calibration.grid": "needed",
        "flow.degree": 1,
    }
)


@pytest.fixture(scope="module")
def small() -> Calibration:
    """A calibration with a flow."""
    return pf.calibrate(SMALL)


def test_exact_flow_is_the_gaussian_copula() -> None:
    """With an exact calibration both joint methods have the same likelihood, and Hessian."""
    study = SMALL.with_settings(
        {"calibration.source": "exact", "joint.correlation": "given", "flow": None}
    )
    calibration, block = pf.calibrate(study), draw_toys(study, 0, 0.5)
    flow, joint = (build_method(name, calibration, 0.5) for name in study.methods)
    data = [
        jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), method.observe(block).data)
        for method in (flow, joint)
    ]
    thetas = jnp.array([[0.0, 0.0, 0.0], [1.0, -0.5, 1.0], [-2.0, 1.5, -1.0]])
    values = np.array(
        [
            [float(method.likelihood.nll(theta, one)) for theta in thetas]
            for method, one in zip((flow, joint), data, strict=True)
        ]
    )
    np.testing.assert_allclose(values[0] - values[0, 0], values[1] - values[1, 0], atol=1e-7)
    hessians = [
        np.asarray(jax.jit(method.likelihood.hessian)(thetas[1], one))
        for method, one in zip((flow, joint), data, strict=True)
    ]
    np.testing.assert_allclose(hessians[0], hessians[1], rtol=1e-9, atol=1e-7)


def test_exact_flow_of_another_dependence_is_refused() -> None:
    study = SMALL.with_settings(
        {"calibration.source": "exact", "ensemble.dependence": "t_copula", "methods": ["flow"]}
    )
    with pytest.raises(CalibrationError, match="exact flow is not known"):
        pf.calibrate(study)


def test_flow_is_stored_as_it_is(small: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(small.to_dict()))
    read = Calibration.read(path).flow(0.5)
    flow = small.flow(0.5)
    assert flow_to_dict(flow)["schema"] == "pullfactory-flow/1"
    np.testing.assert_array_equal(read.density.free, flow.density.free)
    np.testing.assert_array_equal(read.covariance, flow.covariance)
    assert (read.degrees, read.changes, read.events) == (flow.degrees, flow.changes, flow.events)
    x = draw_toys(SMALL, 0, 0.5).events[0]
    theta = np.array([0.1, -1.0, 1.0])
    np.testing.assert_array_equal(read.density.log_prob(x, theta), flow.density.log_prob(x, theta))


def test_edited_flow_is_refused(small: Calibration) -> None:
    data = flow_to_dict(small.flow(0.5))
    data["maps"][1]["coefficients"][0][0] += 1e-9
    with pytest.raises(CalibrationError, match="does not match its sha256"):
        flow_from_dict(data)


FORGED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "degree": (
        lambda d: d["maps"][1].update(shift_degree=10),
        r"maps\.#2\.shift_degree = 10: must be at most 9",
    ),
    "huge degree": (
        lambda d: d["maps"][1].update(shape_degree=10**9),
        r"maps\.#2\.shape_degree = 1000000000: must be at most 9",
    ),
    "another degree": (
        lambda d: d["maps"][1].update(shift_degree=2),
        r"maps\.#2\.coefficients must have the shape \(1, 10\)",
    ),
    "degree that is no number": (
        lambda d: d["maps"][1].update(shift_degree=True),
        r"maps\.#2\.shift_degree = true: must be a whole number",
    ),
    "unknown parameter": (
        lambda d: d["maps"][1].update(linear=["JES"]),
        r"maps\.#2\.linear = JES: must be parameters, each once",
    ),
    "coefficient": (
        lambda d: d["maps"][1]["coefficients"][0].__setitem__(0, float("inf")),
        r"maps\.#2\.coefficients\.#1\.#1 = inf: must be a finite number",
    ),
    "map left out": (
        lambda d: d["maps"].__setitem__(1, None),
        r"maps\.#2 = null: only the first of the order may have no map",
    ),
    "maps": (lambda d: d["maps"].pop(), "maps has 1 entries for 2 observables"),
    "order": (lambda d: d.update(order=["m_t", "m_t"]), "order = m_t, m_t is no order of m_t, m_W"),
    "repeated name": (
        lambda d: d.update(parameters=["m_t", "JSF", "JSF"]),
        "parameters = m_t, JSF, JSF: each can be there once",
    ),
    "density": (
        lambda d: d["densities"][0].update(density="landau"),
        r"densities\.#1: density 'landau' is unknown",
    ),
    "response": (lambda d: d["response"]["mu"].pop(), r"response\.mu must have the shape \(2,\)"),
    "scale": (
        lambda d: d["response"]["sigma"].__setitem__(1, 0.0),
        r"response\.sigma\.#2 = 0\.0: must be greater than 0",
    ),
    "covariance": (
        lambda d: d["covariance"][0].__setitem__(1, 0.0),
        "covariance is not symmetric",
    ),
    "variance": (
        lambda d: d["covariance"][0].__setitem__(0, -1.0),
        "covariance has a correlation beyond 1",
    ),
    "size of the covariance": (
        lambda d: d["covariance"].pop(),
        r"covariance must have the shape \(9, 9\)",
    ),
    "events": (lambda d: d.update(events=-1), "events = -1: must be at least 0"),
    "missing": (lambda d: d.pop("response"), "response: missing"),
    "verdict": (
        lambda d: d.update(verdict={"answer": "perhaps"}),
        r"verdict\.answer = \"perhaps\": must be 'closes', 'does not close'",
    ),
    "test": (lambda d: d.update(changes=[{}]), r"changes\.#1\.observable: missing"),
}


@pytest.mark.parametrize("what", FORGED)
def test_forged_flow_is_refused(small: Calibration, what: str) -> None:
    """Every field is looked at, though the digest is that of the edited content."""
    edit, complaint = FORGED[what]
    data = json.loads(json.dumps(flow_to_dict(small.flow(0.5))))
    edit(data)
    del data["sha256"]
    with pytest.raises(CalibrationError, match=f"not as pullfactory writes it: {complaint}"):
        flow_from_dict(sealed(data))


def test_flow_of_another_calibration_is_refused(small: Calibration) -> None:
    flow = small.flow(0.5)
    for what, other in (
        ("observables", replace(flow, observables=flow.observables[::-1])),
        ("order", replace(flow, density=replace(flow.density, order=(1, 0)))),
        (
            "response",
            replace(
                flow,
                density=replace(
                    flow.density, response=small.response._replace(mu=2.0 * small.response.mu)
                ),
            ),
        ),
    ):
        foreign = replace(small, joint=(replace(small.joint[0], flow=other),))
        with pytest.raises(CalibrationError, match=f"of another calibration, with other {what}"):
            Calibration.from_dict(foreign.to_dict())


def test_flow_of_one_observable_is_its_family() -> None:
    one = SMALL.with_settings({"methods": ["flow"]}).subset(["m_t"])
    flow = pf.calibrate(one).flow(0.5)
    assert flow.density.maps == (None,)
    assert flow.covariance.shape == (0, 0)


def test_rows_of_a_run(small: Calibration) -> None:
    study = SMALL.with_settings({"methods": ["flow"]})
    result = pf.run(study, calibration=Calibration.from_dict(small.to_dict()), workers=1)
    assert [(row.method, row.pulls.parameter) for row in result.pulls] == [
        ("flow", name) for name in study.parameter_names
    ]
    for row in result.pulls:
        assert row.pulls.n_failed == 0
        assert row.pulls.predicted_width == pytest.approx(1.0, abs=0.05)  # 15 000 events
        assert row.pulls.corrected_width is not None


def test_calibration_for_another_flow_is_refused(small: Calibration) -> None:
    other = SMALL.with_settings({"flow.order": ["m_W", "m_t"]})
    with pytest.raises(CalibrationError, match="flow"):
        small.for_study(other)
    without = pf.calibrate(SMALL.with_settings({"methods": ["unbinned_joint"]}))
    with pytest.raises(CalibrationError, match="has no flow"):
        build_method("flow", without, 0.5)


def test_order_names_every_observable() -> None:
    with pytest.raises(StudyError, match=r"flow\.order = m_t is no order"):
        SMALL.with_settings({"flow.order": ["m_t"]})
    assert SMALL.with_settings({"flow.order": ["m_W", "m_t"]}).flow_order == (1, 0)


def test_settings_of_the_flow_are_idle_without_it() -> None:
    idle = idle_keys(SMALL.with_settings({"methods": ["unbinned"]}))
    assert {"flow.shape", "flow.degree", "flow.order"} <= set(idle)
    assert not {key for key in idle_keys(SMALL) if key.startswith("flow.")}


def test_prediction_has_the_error_of_the_joint_fit() -> None:
    """An exact flow has the width 1 and the error of the joint fit, up to simulated scores.

    The simulated sample has 2^19 events: errors of 1 / sqrt(2^20), five of which are allowed.
    """
    study = SMALL.with_settings({"calibration.source": "exact", "methods": ["flow"], "flow": None})
    predicted = pf.predict(study)
    for row in predicted.rows:
        assert row.predicted_width == pytest.approx(1.0, abs=5e-3)
        assert row.joint_error is not None
        assert row.actual_error == pytest.approx(row.joint_error, rel=5e-3)


def test_sets_have_flows_of_their_own() -> None:
    """One observable has a flow without coefficients, the density of `unbinned`."""
    study = SMALL.with_settings({"calibration.source": "exact", "flow": None, "poi": "JRF"})
    study = study.with_settings({"parameter.m_t.constraint": "normal"})
    result = pf.select(study, methods=["flow", "unbinned"])
    errors = {(row.pull.method, row.observables): row.pull.claimed_error for row in result.rows}
    assert len(errors) == 6
    for names in (("m_t",), ("m_W",)):
        assert errors["flow", names] == pytest.approx(errors["unbinned", names], rel=5e-3)
    assert errors["flow", ("m_t", "m_W")] < errors["flow", ("m_t",)]


def test_bootstrap_is_that_of_the_joint_fit() -> None:
    """An exact flow is the Gaussian copula: in the same replicas both have the same estimates."""
    study = SMALL.with_settings(
        {"calibration.source": "exact", "joint.correlation": "given", "flow": None}
    )
    rows = pf.bootstrap_toy(study, toy=3, replicas=40).to_pandas().set_index("method")
    flow, joint = rows.loc["flow"], rows.loc["unbinned_joint"]
    assert list(flow["parameter"]) == list(study.parameter_names)
    numbers = flow.select_dtypes("number").columns
    assert len(numbers) >= 3
    np.testing.assert_allclose(flow[numbers], joint[numbers], rtol=2e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("rho", [-0.6, 0.5])
def test_poster_pulls_are_those_of_the_true_joint_fit(rho: float) -> None:
    """Means within 0.05, widths and actual errors within 2 %, and 3 standard errors of each.

    The true joint fit has the true response and correlation, and the same toys: the difference of
    both means has a far smaller standard error than either.
    """
    study = SMALL.with_settings(
        {
            "ensemble.rho": [rho],
            "ensemble.n_toys": TOYS,
            "ensemble.n_events": 2000,
            "calibration.events_per_point": EVENTS,
            "flow": None,
        }
    )
    exact = study.with_settings(
        {
            "calibration.source": "exact",
            "methods": ["unbinned_joint"],
            "joint.correlation": "given",
        }
    )
    flow = pf.run(study.with_settings({"methods": ["flow"]})).to_pandas()
    true = pf.run(exact).to_pandas()
    for (_, row), (_, other) in zip(flow.iterrows(), true.iterrows(), strict=True):
        assert abs(row["mean"] - other["mean"]) < 0.05 + 3 * row["mean_error"]
        assert row["width"] == pytest.approx(1.0, abs=0.02 + 3 * row["width_error"])
        ratio = row["actual_error"] / other["actual_error"]
        assert ratio == pytest.approx(1.0, abs=0.02 + 3 / np.sqrt(2 * TOYS))


@pytest.mark.slow
def test_t_copula_has_the_width_one() -> None:
    """With a t copula of 4 degrees of freedom the Gaussian copula has 1.117 for JRF."""
    study = SMALL.with_settings(
        {
            "methods": ["flow"],
            "ensemble.dependence": "t_copula",
            "ensemble.n_toys": TOYS,
            "ensemble.n_events": 2000,
            "calibration.events_per_point": EVENTS,
            "flow": None,
        }
    )
    for _, row in pf.run(study).to_pandas().iterrows():
        assert row["width"] == pytest.approx(1.0, abs=0.02 + 3 * row["width_error"])
