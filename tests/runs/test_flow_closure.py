"""The verdict on flows: by the command line, and where classes respond differently."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

import pullfactory as pf
from pullfactory import ClosureResult
from pullfactory.calibration import Calibration
from pullfactory.densities import family
from pullfactory.flows.learning import FlowPlan, LearntFlow, Shape, learn_flow
from pullfactory.flows.sums import FlowSample
from pullfactory.flows.verdict import FlowVerdict
from pullfactory.inference.density_answer import Judged
from pullfactory.inference.density_rows import DensityVerdict
from pullfactory.inference.density_sums import Ensemble
from pullfactory.inference.density_verdict import judge_density
from pullfactory.likelihoods.density import DensityLikelihood
from pullfactory.report.flow import flow_lines, verdict_warnings
from pullfactory.runs.study import _identity
from pullfactory.simulation.response import Response
from tests.inference.classes_truth import draw, moments

EVENTS = int(os.environ.get("LEARNT", "200000"))
HELD_OUT = int(os.environ.get("HELD_OUT", "150000"))
NAMES = ("m_t", "JSF", "JRF")


def test_by_the_command_line(invoke: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    """An exact flow of Gaussian observables closes, with Wald's test where there is one."""
    settings = (
        *("methods=flow", "ensemble.rho=0.5", "ensemble.n_events=100"),
        *("calibration.source=exact", "calibration.grid=needed"),
    )
    options = [part for one in settings for part in ("--set", one)]
    options += ["--held-out", "20000", "--points", "1", "--figures", "none"]
    done = invoke("closure", *options, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "joint densities" in done.stdout
    (verdict,) = ClosureResult.read(tmp_path / "out").densities
    assert (verdict.method, verdict.rho, verdict.events) == ("flow", 0.5, 20_000)
    assert verdict.answer == "closes", verdict.reason
    assert "closes" in done.stdout
    assert [row.parameter for row in verdict.left_out] == ["m_t"]  # JSF, JRF: the same events
    assert len(verdict.corners) == 12 * 3
    calibration = Calibration.read(tmp_path / "out" / "calibration.json")
    stored = calibration.flow(0.5).verdict
    assert stored is not None
    assert (stored.answer, stored.reason, stored.events) == ("closes", None, 20_000)
    assert (stored.n_events, stored.corners) == (100, True)
    for row in verdict.corners:  # the flow is right: what remains is noise of the held-out events
        assert abs(row.extra) < 4.5 * row.extra_error < 0.15


def test_a_stored_verdict_is_told(
    invoke: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    """In a line where it closes, in a warning where it does not; no toy depends on it."""
    settings = {
        "methods": ["flow"],
        "ensemble.rho": [0.5],
        "ensemble.n_events": 200,
        "calibration.source": "exact",
        "calibration.grid": "needed",
    }
    study = pf.Study.preset("poster").with_settings(settings)
    calibration = pf.calibrate(study)
    assert calibration.flow(0.5).verdict is None
    assert list(verdict_warnings(calibration)) == []
    closing = FlowVerdict(answer="closes", reason=None, events=4000, n_events=200, corners=True)
    judged = calibration.judged({0.5: closing})
    assert list(verdict_warnings(judged)) == []
    assert next(flow_lines(judged)).endswith("; closes (data sets of 200 events)")
    assert _identity(study, judged) == _identity(study, calibration)
    wrong = replace(closing, answer="does not close", reason="it is skew", n_events=100)
    judged = judged.judged({0.0: closing, 0.5: wrong})
    (tmp_path / "judged.json").write_text(json.dumps(judged.to_dict()))
    (tmp_path / "study.toml").write_text(study.to_toml())
    options = ("--calibration", tmp_path / "judged.json", "--replicas", 4, "-o", tmp_path / "out")
    done = invoke("bootstrap", tmp_path / "study.toml", *options)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert "flow at rho = 0.5 does not close: it is skew" in said
    assert "was judged for data sets of 100 events, these have 200" in said


def learnt(shape: Shape) -> LearntFlow:
    """From the classes, with the slopes of their means and standard deviations."""
    samples, (mean, spread) = draw(EVENTS, 7), moments(np.zeros(3))
    ends = [(moments(row), moments(-row)) for row in np.eye(3)]
    slopes = [
        np.stack([(up[i] - down[i]) / (2 * at) for up, down in ends], axis=1)
        for i, at in enumerate((mean, spread))
    ]
    response = Response(mean, slopes[0], spread, slopes[1])
    scored = []
    for one in samples:
        location, scale = response(one.theta)
        scores = np.ascontiguousarray(((one.events - location) / scale).T)
        scored.append(FlowSample(one.theta, scores, None, one.sample))
    plan = FlowPlan(observables=("m_t", "m_W"), parameters=NAMES, order=(0, 1), shape=shape)
    return learn_flow(scored, response, (family("normal", {}),) * 2, plan)


def judged(flow: LearntFlow) -> DensityVerdict:
    likelihood = DensityLikelihood.of(
        flow.density,
        limits=np.array([[-10.0, 10.0]] * 3),
        names=NAMES,
        constraint=np.diag([0.0, 1.0, 1.0]),
        observables=2,
    )
    asked = Judged(
        method="flow",
        rho=0.3,
        observables=("m_t", "m_W"),
        ensemble=Ensemble(2000, np.diag([0.0, 1.0, 1.0]), np.diag([0.0, 1.0, 1.0])),
        reach=np.array([0.33, 1.0, 1.0]),
        learnt_from=EVENTS,
        freedom='set flow.shape = "linear"',
    )
    return judge_density(likelihood, draw(HELD_OUT, 1), asked)


@pytest.mark.slow
def test_a_fixed_shape_is_found_and_a_linear_one_is_right() -> None:
    """Of classes that respond differently; a width of 1 is no proof."""
    fixed = judged(learnt("fixed"))
    assert fixed.answer == "does not close"
    assert str(fixed.reason).startswith("its shape changes with JRF")
    assert str(fixed.reason).endswith('; set flow.shape = "linear"')
    wald = {row.parameter: row for row in fixed.left_out}
    assert wald["JRF"].p_value < 1e-6
    for row in fixed.levels:
        assert row.width == pytest.approx(1.0, abs=0.01)
    excess = {row.parameter: row for row in fixed.levels}
    assert excess["JRF"].excess > 1.1
    linear = judged(learnt("auto"))
    for row in linear.levels:
        assert row.excess < 1.03 + 3 * row.excess_error
        assert abs(row.level) < 0.1 + 3 * row.level_error
    for moved in linear.shifts:
        if moved.paired:
            assert abs(moved.difference) < 0.05
