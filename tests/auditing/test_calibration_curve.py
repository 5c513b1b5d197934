"""The calibration curve of audits, beside exact rates and pyhf's own fits."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from pullfactory import AuditResult, audit
from pullfactory._jax import double_precision
from pullfactory.auditing import (
    AuditModel,
    CalibrationCurve,
    CurveLine,
    ErrorModel,
    Expected,
    HalfModels,
    LinearFit,
    Smoothing,
    build_audit_workspace,
    measure_curve,
    read_events,
)
from pullfactory.auditing.answerable import doubts_on
from pullfactory.auditing.crossing import point_estimates
from pullfactory.fitting import fit_toys
from pullfactory.inference.judgement import curve_agrees
from pullfactory.report.calibration_curve import curve_sentence
from pullfactory.settings.audit import AuditConfig
from tests.auditing.known_truth import CENTRE, MASS, SCALE, WIDTH, N, config, events, samples

Tables = dict[str, dict[str, NDArray[np.float64]]]

SETS = 40


def model_of(tables: Tables, **more: Any) -> AuditModel:
    """The model of an audit of events in memory."""
    settings = AuditConfig.from_dict(config(**more))
    expected = Expected.of(settings, read_events(settings, tables, base=None))
    smoothing = Smoothing.of(expected)
    return AuditModel.of(expected, build_audit_workspace(expected, smoothing=smoothing), smoothing)


def curve_of(tables: Tables, **more: Any) -> CalibrationCurve:
    """The curve of such an audit."""
    model = model_of(tables, **more)
    errors = ErrorModel.of(model)
    return measure_curve(errors, LinearFit.of(errors), HalfModels(model=model))


def exact_counts(model: AuditModel, shift: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Rates of the densities that the events are drawn from, moved by so much."""
    return {
        name: N * np.diff(norm.cdf(axis.edges, CENTRE[o] + shift[o], WIDTH[o]))
        for o, (name, axis) in enumerate(zip("ab", model.expected.events.axes, strict=True))
    }


def true_slopes(model: AuditModel) -> NDArray[np.float64]:
    """Slopes of a fit between exact rates one step up and down in mass and scale."""
    likelihood, found = model.likelihood, []
    for name, shift in (("m", MASS), ("j", SCALE)):
        sides = [exact_counts(model, side * shift) for side in (1.0, -1.0)]
        counts = {key: np.array([side[key] for side in sides]) for key in sides[0]}
        aux = {"j": np.array([1.0, -1.0]) * (name == "j")}
        estimate = fit_toys(likelihood, likelihood.data(counts, aux)).select((name,)).estimate
        found.append((estimate[0, 0] - estimate[1, 0]) / 2)
    return np.array(found)


@double_precision
@pytest.mark.slow
@pytest.mark.parametrize(("number", "smooth"), [(20_000, 5), (100_000, "none")])
def test_slopes_are_those_of_the_fits_and_of_the_formula(number: int, smooth: Any) -> None:
    """About 30 s. The mean slope of fits of halves to exact rates is that of crossed fits; the
    formula is off by its errors: pulls have a mean within 0.35 and a spread within 0.25 of 1,
    beside three of their own errors.

    Edges are quantiles of the nominal events, which the outermost end at: what is outside is less
    than one event in `number`.
    """
    measured, true, pulls = [], [], []
    for seed in range(SETS):
        model = model_of(
            samples(np.random.default_rng(seed), number, 0.3), workspace={"smooth": smooth}
        )
        halved = HalfModels(model=model)
        errors = ErrorModel.of(model)
        lines = measure_curve(errors, LinearFit.of(errors), halved).lines
        measured.append([line.slope for line in lines])
        true.append(np.mean([true_slopes(one) for pair in halved.pairs for one in pair], axis=0))
        pulls.append([(line.slope - line.expected_slope) / line.slope_error for line in lines])
        for line in lines:
            assert line.agreement != "contradicts"
            if line.calibrated_slope is not None and line.calibrated_slope_error is not None:
                assert abs(line.calibrated_slope - 1) < 6 * line.calibrated_slope_error
    off = np.array(measured) - np.array(true)
    assert (np.abs(off.mean(axis=0)) < 4 * off.std(axis=0, ddof=1) / np.sqrt(SETS)).all()
    if smooth == "none":  # noise bends the interpolation of the scale, which no linear fit knows
        return
    assert (np.abs(np.mean(pulls, axis=0)) < 0.35 + 3 / np.sqrt(SETS)).all()
    spread = np.std(pulls, axis=0, ddof=1)
    assert (np.abs(spread - 1) < 0.25 + 3 / np.sqrt(2 * SETS)).all()


@double_precision
def test_estimates_are_those_of_pyhf() -> None:
    """Its minimiser stops within 1e-4 of an error."""
    model = model_of(samples(np.random.default_rng(1), 4000, 0.3))
    (one, other), *_ = HalfModels(model=model).pairs
    found = point_estimates(one, other.expected)
    own = pyhf.Workspace(build_audit_workspace(one.expected, smoothing=one.smoothing))
    fitted = own.model()
    theirs = build_audit_workspace(other.expected, smoothing=None)
    drawn = pyhf.Workspace(theirs).data(pyhf.Workspace(theirs).model(), include_auxdata=False)
    data = [*drawn, *fitted.config.auxdata]
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3))
    try:
        best = pyhf.infer.mle.fit(data, fitted)
    finally:
        pyhf.set_backend("numpy", "scipy")
    there = [fitted.config.par_order.index(name) for name in one.likelihood.names]
    assert found[0] == pytest.approx(np.asarray(best)[there], abs=1e-4)


def _weighted(tables: Tables) -> Tables:
    rng = np.random.default_rng(2)
    return {
        role: {**table, "w": rng.lognormal(-0.1, 0.4, len(table["a"]))}
        for role, table in tables.items()
    }


def _incomplete(tables: Tables) -> Tables:
    rng = np.random.default_rng(3)
    return {
        role: {**table, "b": np.where(rng.random(len(table["b"])) < 0.3, np.nan, table["b"])}
        for role, table in tables.items()
    }


def _third(tables: Tables) -> Tables:
    rng = np.random.default_rng(4)
    return {
        role: {**table, "c": table["a"] - 170.0 + 12.0 * rng.standard_normal(len(table["a"]))}
        for role, table in tables.items()
    }


def _repeated(tables: Tables) -> Tables:
    return {
        role: {**table, "event": np.floor(np.arange(len(table["a"])) / 2)}
        for role, table in tables.items()
    }


def _background(tables: Tables) -> Tables:
    rng = np.random.default_rng(5)
    own = {
        f"background.other{end}": events(rng, 20_000, 0.0, 8.0 + mass)
        for end, mass in (("", 0.0), (".m.up", 0.5), (".m.down", -0.5))
    }
    return {**tables, **own}


def _with_background() -> dict[str, Any]:
    known = config()["samples"]
    sides = {"m": {side: {"in_memory": True} for side in ("up", "down")}}
    other = {"in_memory": True, "events": 500.0, "norm": "free", **sides}
    return {**known, "background": {"other": other}}


def _mirrored() -> dict[str, Any]:
    known = config()["samples"]
    return {**known, "m": {"up": {"in_memory": True}}}


KINDS: Mapping[str, tuple[Any, dict[str, Any]]] = {
    "weights": (_weighted, {"weight": "w"}),
    "background": (
        _background,
        {"samples": _with_background(), "n_events_law": "poisson"},
    ),
    "mirrored": (
        lambda tables: {role: table for role, table in tables.items() if role != "m.down"},
        {
            "samples": _mirrored(),
            "parameter": [
                {"name": "m", "constraint": "free", "symmetrise": True},
                {"name": "j"},
            ],
        },
    ),
    "multiplicative": (dict, {"workspace": {"morphing": "multiplicative"}}),
    "three observables": (
        _third,
        {"observable": [{"name": "a"}, {"name": "b"}, {"name": "c"}]},
    ),
    "incomplete": (
        _incomplete,
        {"observable": [{"name": "a"}, {"name": "b", "missing": "allow"}]},
    ),
    "repeated": (_repeated, {"identifier": ["event"], "repeated": "cluster"}),
    "staterror": (dict, {"workspace": {"staterror": True}}),
    "steps": (
        dict,
        {
            "parameter": [
                {"name": "m", "constraint": "free", "step": 2.0, "bounds": [-20.0, 20.0]},
                {"name": "j", "auxiliary": "held"},
            ]
        },
    ),
    "poisson": (dict, {"n_events_law": "poisson"}),
}


@double_precision
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_samples_has_a_curve(kind: str) -> None:
    """Slopes and offsets are as expected within 6 errors, which are known from seven halvings.

    One in 1000 is farther off by chance (Student's distribution of six degrees of freedom).
    """
    change, more = KINDS[kind]
    workspace = {"smooth": 5, **more.get("workspace", {})}
    tables = change(samples(np.random.default_rng(6), 40_000, 0.3))
    curve = curve_of(tables, **{**more, "workspace": workspace})
    assert curve.reason is None
    assert [line.parameter for line in curve.lines] == ["m", "j"]
    for line in curve.lines:
        assert 0 < line.slope_error < 0.2
        assert abs(line.slope - line.expected_slope) < 6 * line.slope_error
        assert abs(line.offset) < 6 * line.offset_error
        assert (line.calibrated_slope is None) == (line.parameter == "j")
        own = [point for point in curve.points if point.parameter == line.parameter]
        roles = ["nominal", f"{line.parameter}.up", f"{line.parameter}.down"]
        assert [point.role for point in own] == roles
        through = np.polyfit([p.generated for p in own], [p.estimate for p in own], 1)
        assert (line.slope, line.offset) == pytest.approx(tuple(through), abs=1e-9)


LINE = CurveLine(
    parameter="m",
    slope=0.9,
    slope_error=0.01,
    expected_slope=0.92,
    closed_slope=1.0,
    whole_slope=0.96,
    offset=0.0,
    offset_error=0.01,
    calibrated_slope=0.98,
    calibrated_slope_error=0.01,
    calibrated_offset=0.0,
    calibrated_offset_error=0.01,
    agreement="agrees",
)


@pytest.mark.parametrize(
    ("slope", "error", "expected", "wanted"),
    [
        (0.9, 0.01, 0.92, "agrees"),
        (0.85, 0.01, 0.92, "differs"),
        (0.7, 0.01, 0.92, "contradicts"),
        (0.7, 0.1, 0.92, "agrees"),
        (0.6, 0.02, 0.7, "agrees"),  # the square of the noise is 0.09
        (0.54, 0.02, 0.7, "contradicts"),
    ],
)
def test_a_curve_contradicts_where_it_is_sure_and_it_matters(
    slope: float, error: float, expected: float, wanted: str
) -> None:
    agreement = curve_agrees(slope, error, expected, 1.0)
    assert agreement == wanted
    line = replace(LINE, slope=slope, slope_error=error, agreement=agreement)
    curve = CalibrationCurve(lines=(line,))
    found = list(curve.findings())
    assert curve.contradicts("m") == bool(found) == (wanted == "contradicts")
    assert not curve.contradicts("j")
    doubts = doubts_on(None, found)
    assert len(doubts) == len(found)
    if found:
        assert doubts[0].startswith("the slope of m is not known")
        assert f"{slope:.2f}" in found[0].text
        assert "0.920" in found[0].text


def test_the_sentence_tells_slope_offset_and_what_is_expected() -> None:
    curve = CalibrationCurve(lines=(LINE,)).to_dict()
    said = curve_sentence(curve, "m", "GeV") or ""
    for part in ("slope 0.900 ± 0.010", "expects (0.920; with all events 0.960)", "± 0.010 GeV"):
        assert part in said
    assert curve_sentence(None, "m", "GeV") is None
    assert curve_sentence(curve, "other", "") is None
    nothing = CalibrationCurve(reason="a bin is empty").to_dict()
    assert curve_sentence(nothing, "m", "") == "No calibration curve: a bin is empty."


def test_an_audit_has_a_curve_and_is_read_back(tmp_path: Path) -> None:
    """A contradiction makes the answer "cannot", whatever else is known of the error."""
    result = audit(
        config(workspace={"smooth": 5}, figures=["png"]),
        samples(np.random.default_rng(7), 20_000, 0.3),
        workers=1,
    )
    assert result.curve is not None
    assert [line.parameter for line in result.curve.lines] == ["m", "j"]
    own = next(row for row in result.rows if row.parameter == "m")
    assert result.curve.lines[0].whole_slope == pytest.approx(own.slope)
    folder = result.write(tmp_path / "out")
    assert AuditResult.read(folder).curve == result.curve
    assert {"calibration.csv", "calibration_lines.csv"} <= {x.name for x in folder.glob("tables/*")}
    assert (folder / "figures" / "calibration.png").exists()
    assert "The calibration curve" in (folder / "report.html").read_text(encoding="utf-8")


def test_halves_with_empty_bins_have_none() -> None:
    """A bin of a half has three events, none with probability exp(-3); there are 560 of them."""
    curve = curve_of(samples(np.random.default_rng(8), 120, 0.3), workspace={"smooth": "none"})
    assert not curve.lines
    assert curve.reason


def test_where_it_contradicts_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the parameter whose slope the formula does not know; the other one's answer stays."""
    tables = samples(np.random.default_rng(31), 20_000, 0.3)
    mass, scale = audit(config(), tables).rows
    assert mass.answer != "cannot"
    line = replace(LINE, slope=0.6, slope_error=0.01, agreement="contradicts")
    curve = CalibrationCurve(lines=(line,))
    monkeypatch.setattr("pullfactory.runs.audit.measure_curve", lambda *_: curve)
    off, kept = audit(config(), tables).rows
    assert off.answer == "cannot"
    assert off.whole_error is off.factor is off.calibrated_error is None
    assert off.factor_infinite == mass.factor_infinite
    assert kept == scale
