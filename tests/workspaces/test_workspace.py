"""The pyhf workspace."""

import copy
import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest
from scipy.stats import multinomial

from pullfactory import Calibration, Study, build_workspace, calibrate, write_workspace
from pullfactory.binning.edges import exact_probabilities
from pullfactory.errors import CalibrationError, OutputError, StudyError
from pullfactory.simulation.response import Response

ROOT = Path(__file__).parents[2]
WORKSPACES = {
    "poster": ("poster", "additive_cross"),
    "poster_additive": ("poster", "additive"),
    "poster_multiplicative": ("poster", "multiplicative"),
    "poster_constrained": ("poster_constrained", "additive_cross"),
    "ljets": ("ljets", "additive_cross"),
}
SMALL = Study.preset("poster").with_settings({"calibration.events_per_point": 50_000})


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrate(SMALL)


@pytest.fixture(scope="module")
def spec(calibration: Calibration) -> dict[str, Any]:
    built: dict[str, Any] = build_workspace(calibration)
    return built


@cache
def _full_calibration(preset: str) -> Calibration:
    """Has what every morphing needs."""
    settings = {"workspace.morphing": "multiplicative", "calibration.grid": "full"}
    return calibrate(Study.preset(preset).with_settings(settings))


@pytest.mark.parametrize("name", WORKSPACES)
def test_committed_workspace_is_what_the_package_builds(name: str) -> None:
    preset, morphing = WORKSPACES[name]
    committed = json.loads((ROOT / "workspaces" / f"{name}.json").read_text())
    study = Study.preset(preset).with_settings({"workspace.morphing": morphing})
    built = build_workspace(_full_calibration(preset).for_study(study))
    assert pyhf.Workspace(committed) is not None
    flat_committed, flat_built = _flatten(committed), _flatten(built)
    assert flat_committed.keys() == flat_built.keys()
    for key, value in flat_built.items():
        if isinstance(value, float):
            assert flat_committed[key] == pytest.approx(value, rel=1e-9, abs=1e-9), key
        else:
            assert flat_committed[key] == value, key


def _flatten(data: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(data, dict):
        items = list(data.items())
    elif isinstance(data, list):
        items = list(enumerate(data))
    else:
        return {prefix: data}
    return {k: v for key, value in items for k, v in _flatten(value, f"{prefix}/{key}").items()}


@pytest.fixture(scope="module")
def multiplied() -> pyhf.Model:
    study = SMALL.with_settings({"workspace.morphing": "multiplicative"})
    workspace = pyhf.Workspace(build_workspace(calibrate(study)))
    return workspace.model()


def test_multiplied_bins_leave_the_totals_free(multiplied: pyhf.Model) -> None:
    """At the best totals the likelihood of a channel is multinomial (scipy's)."""
    config, rng = multiplied.config, np.random.default_rng(2)
    assert set(config.parameters) == {"m_t", "JSF", "JRF", "total_m_t", "total_m_W"}
    assert config.par_map["total_m_t"]["paramset"].suggested_bounds == [(0.0, 10.0)]
    counts = [rng.multinomial(2000, rng.dirichlet(np.full(20, 50.0))) for _ in config.channels]
    data = [*np.concatenate(counts).astype(float), *config.auxdata]
    found = []
    for theta in ({}, {"JSF": 2.0, "m_t": 0.6}, {"JRF": -1.5, "m_t": -0.4}):
        at = np.array(config.suggested_init())
        for name, value in theta.items():
            at[config.par_slice(name)] = value
        rates = np.split(multiplied.expected_actualdata(at), 2)
        for name, rate in zip(config.channels, rates, strict=True):
            at[config.par_slice(f"total_{name}")] = 2000 / rate.sum()
        penalty = sum(value**2 for value in theta.values()) / 2
        ours = float(multiplied.logpdf(at, data)[0]) + penalty
        known = sum(
            multinomial(2000, rate / rate.sum()).logpmf(n)
            for rate, n in zip(rates, counts, strict=True)
        )
        found.append(ours - known)
    assert np.ptp(found) < 1e-6


@pytest.mark.parametrize(
    "settings",
    [
        {"workspace.morphing": "multiplicative", "ensemble.n_events_law": "poisson"},
        {"workspace.morphing": "additive"},
    ],
)
def test_totals_are_not_free_where_they_tell_or_are_kept(settings: dict[str, str]) -> None:
    model = pyhf.Workspace(build_workspace(calibrate(SMALL.with_settings(settings)))).model()
    assert set(model.config.parameters) == {"m_t", "JSF", "JRF"}
    for theta in np.random.default_rng(1).normal(size=(3, 3)) if len(settings) == 1 else ():
        totals = [rates.sum() for rates in np.split(model.expected_actualdata(theta), 2)]
        assert totals == pytest.approx([2000.0, 2000.0])  # sums of templates keep them


def test_parameter_with_the_name_of_a_total_is_refused() -> None:
    data = SMALL.to_dict()
    data["parameter"][2]["name"] = "total_m_W"
    for observable in data["observable"]:
        for key in ("mu_slopes", "sigma_slopes"):
            observable[key] = {"total_m_W": observable[key].pop("JRF"), **observable[key]}
    with pytest.raises(
        StudyError, match="'total_m_W' is what the total of channel 'm_W' is called"
    ):
        Study.from_dict(data)


def test_encoding(spec: dict[str, Any]) -> None:
    assert [channel["name"] for channel in spec["channels"]] == ["m_t", "m_W"]
    for channel in spec["channels"]:
        nominal, mass = channel["samples"]
        assert (nominal["name"], mass["name"]) == ("ttbar", "ttbar_mass")
        assert [(m["name"], m["type"]) for m in nominal["modifiers"]] == [
            ("JSF", "histosys"),
            ("JRF", "histosys"),
        ]
        assert [(m["name"], m["type"]) for m in mass["modifiers"]] == [
            ("m_t", "normfactor"),
            ("JSF", "histosys"),
            ("JRF", "histosys"),
        ]
    assert min(spec["channels"][0]["samples"][1]["data"]) < 0
    assert spec["measurements"][0]["config"]["poi"] == "m_t"
    assert sum(spec["observations"][0]["data"]) == pytest.approx(2000)


def test_templates_are_reproduced_at_the_calibration_points(
    calibration: Calibration, spec: dict[str, Any]
) -> None:
    """At nominal, +-1 and the corners of the mass the rates are the templates themselves."""
    model = pyhf.Workspace(spec).model()
    names = model.config.parameters
    corners: list[dict[str, int]] = [{}, {"m_t": 1}, {"JSF": -1}, {"JRF": 1}, {"m_t": -1, "JSF": 1}]
    for steps in corners:
        rates = model.expected_data([steps.get(name, 0.0) for name in names], False)
        expected = [
            calibration.template(SMALL.observable_names.index(channel), steps) * 2000 / 50_000
            for channel in model.config.channels
        ]
        if "m_t" in steps:  # the odd part of the mass only: its even part is not modelled
            other = {**steps, "m_t": -steps["m_t"]}
            even = [
                calibration.template(SMALL.observable_names.index(channel), other) * 2000 / 50_000
                for channel in model.config.channels
            ]
            rest = {k: v for k, v in steps.items() if k != "m_t"}
            middle = [
                calibration.template(SMALL.observable_names.index(channel), rest) * 2000 / 50_000
                for channel in model.config.channels
            ]
            expected = [m + (t - e) / 2 for m, t, e in zip(middle, expected, even, strict=True)]
        assert np.allclose(rates, np.concatenate(expected), rtol=1e-9)


def test_additive_has_no_cross_terms() -> None:
    plain = calibrate(SMALL.with_settings({"workspace.morphing": "additive"}))
    mass = build_workspace(plain)["channels"][0]["samples"][1]
    assert [m["type"] for m in mass["modifiers"]] == ["normfactor"]


def test_cross_terms_close_better() -> None:
    """Rates at (1, 1, 0) from the cross terms against the exact ones, per mille."""
    study = SMALL.with_settings({"calibration.source": "exact"})
    location, scale = Response.from_study(study)(np.array([[1.0, 1.0, 0.0]]))
    worst = {}
    for morphing in ("additive", "additive_cross"):
        exact = calibrate(study.with_settings({"workspace.morphing": morphing}))
        model = pyhf.Workspace(build_workspace(exact)).model()
        point = [{"m_t": 1.0, "JSF": 1.0, "JRF": 0.0}[name] for name in model.config.parameters]
        rates = np.asarray(model.expected_data(point, False))
        order = [study.observable_names.index(name) for name in model.config.channels]
        probabilities = exact_probabilities(study, exact.edges, location, scale)
        expected = np.concatenate([2000 * probabilities[o][0] for o in order])
        worst[morphing] = np.abs(rates / expected - 1).max()
    assert worst["additive_cross"] < 0.5 * worst["additive"]


@pytest.mark.parametrize("mass", ["wide", "normsys"])
def test_multiplicative_reproduces_the_templates(mass: str) -> None:
    """One sample a bin; the rates at nominal, +-1 and, for a wide mass, +-3 are the templates."""
    study = SMALL.with_settings({"workspace.morphing": "multiplicative", "workspace.mass": mass})
    calibrated = calibrate(study)
    spec = build_workspace(calibrated)
    assert [len(channel["samples"]) for channel in spec["channels"]] == [20, 20]
    model = pyhf.Workspace(spec).model()
    unit = 3.0 if mass == "wide" else 1.0
    points: list[dict[str, float]] = [{}, {"m_t": -unit}, {"m_t": unit}, {"JSF": -1}, {"JRF": 1}]
    for steps in points:
        inside = {name: step / (unit if name == "m_t" else 1.0) for name, step in steps.items()}
        at = np.array(model.config.suggested_init())
        for name, value in inside.items():
            at[model.config.par_slice(name)] = value
        rates = model.expected_data(at)
        expected = [
            calibrated.template(study.observable_names.index(channel), steps) * 2000 / 50_000
            for channel in model.config.channels
        ]
        assert np.allclose(rates[: model.config.nmaindata], np.concatenate(expected), rtol=1e-9)


def test_plain_histosys_mass() -> None:
    study = SMALL.with_settings({"workspace.morphing": "additive", "workspace.mass": "histosys"})
    spec = build_workspace(calibrate(study))
    assert [len(channel["samples"]) for channel in spec["channels"]] == [1, 1]
    assert set(pyhf.Workspace(spec).model().config.auxdata_order) == {"m_t", "JSF", "JRF"}


def test_staterror_of_single_bins() -> None:
    """Each bin's sample carries the error of its own bin."""
    study = SMALL.with_settings(
        {"workspace.morphing": "multiplicative", "workspace.staterror": True}
    )
    calibrated = calibrate(study)
    model = pyhf.Workspace(build_workspace(calibrated)).model()
    expected = 1 / np.sqrt(calibrated.template(study.observable_names.index("m_W")))
    assert np.allclose(model.config.param_set("staterror_m_W").sigmas, expected)


def test_empty_bin_off_nominal_is_refused_where_bins_are_multiplied() -> None:
    study = SMALL.with_settings(
        {"workspace.morphing": "multiplicative", "observable.m_t.edges": [130.5, 132, 172, 240]}
    )
    calibrated = calibrate(study)
    damaged = calibrated.counts[0].copy()
    damaged[calibrated.labels.index("m_t-3"), 2] = 0
    broken = replace(calibrated, counts=(damaged, calibrated.counts[1]))
    with pytest.raises(CalibrationError, match=r"'m_t': bin 2 of template m_t-3 is empty"):
        build_workspace(broken)


def test_constrained_mass_is_a_plain_histosys() -> None:
    study = Study.preset("poster_constrained").with_settings(
        {"calibration.events_per_point": 20_000}
    )
    spec = build_workspace(calibrate(study))
    assert [len(channel["samples"]) for channel in spec["channels"]] == [1, 1]
    model = pyhf.Workspace(spec).model()
    assert model.config.auxdata_order == ["JRF", "JSF", "m_t"]


def test_staterror() -> None:
    study = SMALL.with_settings({"workspace.staterror": True})
    calibrated = calibrate(study)
    modifier = build_workspace(calibrated)["channels"][0]["samples"][0]["modifiers"][-1]
    assert modifier["type"] == "staterror"
    expected = np.sqrt(calibrated.template(0)) * 2000 / 50_000
    assert np.allclose(modifier["data"], expected)


def test_two_free_parameters_carry_their_product() -> None:
    study = SMALL.with_settings({"parameter.JRF.constraint": "free"})
    spec = build_workspace(calibrate(study))
    samples = [sample["name"] for sample in spec["channels"][0]["samples"]]
    assert samples == ["ttbar", "ttbar_mass", "ttbar_JRF", "ttbar_mass_JRF"]
    pyhf.Workspace(spec).model()


def test_bin_without_nominal_events_is_refused() -> None:
    study = SMALL.with_settings({"observable.m_t.edges": [100, 150, 200, 600, 700]})
    with pytest.raises(CalibrationError, match=r"'m_t': 1 of 4 bins of the nominal template"):
        build_workspace(calibrate(study))


def test_empty_template_is_refused(calibration: Calibration) -> None:
    damaged = copy.copy(calibration.counts[1])
    damaged[calibration.labels.index("JRF+1")] = 0
    broken = replace(calibration, counts=(calibration.counts[0], damaged))
    with pytest.raises(CalibrationError, match=r"'m_W': template JRF\+1 is empty"):
        build_workspace(broken)


def test_unwritable_place_is_named(spec: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_workspace(spec, tmp_path / "file" / "workspace.json")


# --- other tools --------------------------------------------------------------------------------


def _pyhf(*arguments: str) -> str:
    """pyhf's own command line, in a process that imports nothing of ours."""
    code = "import sys; from pyhf.cli import cli; sys.argv[0] = 'pyhf'; cli()"
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", WORKSPACES)
def test_pyhf_reads_and_fits_the_committed_workspace(name: str) -> None:
    path = str(ROOT / "workspaces" / f"{name}.json")
    assert "ttbar" in _pyhf("inspect", path)
    fitted = json.loads(_pyhf("fit", "--optimizer", "minuit", path))
    study = Study.preset(WORKSPACES[name][0])
    totals = {"total_m_t", "total_m_W"} if name == "poster_multiplicative" else set()
    assert fitted["mle_parameters"].keys() == {*study.parameter_names, *totals}
    for parameter, values in fitted["mle_parameters"].items():
        assert abs(values[0] - (parameter in totals)) < 1e-3, parameter


def test_xml_round_trip_keeps_the_likelihood(tmp_path: Path) -> None:
    pytest.importorskip("uproot")
    path = ROOT / "workspaces" / "poster.json"
    (tmp_path / "xml").mkdir()
    _pyhf("json2xml", str(path), "--output-dir", str(tmp_path / "xml"))
    back = _pyhf("xml2json", str(tmp_path / "xml" / "FitConfig.xml"), "--basedir", str(tmp_path))
    before, after = pyhf.Workspace(json.loads(path.read_text())), pyhf.Workspace(json.loads(back))
    one, two = before.model(), after.model()
    rng = np.random.default_rng(4)
    for _ in range(5):
        values = dict(zip(one.config.parameters, rng.normal(size=3), strict=True))
        first = one.logpdf([values[n] for n in one.config.parameters], before.data(one))
        second = two.logpdf([values[n] for n in two.config.parameters], after.data(two))
        assert first[0] == pytest.approx(second[0], abs=1e-6)


def test_cabinetry_fits_it(spec: dict[str, Any]) -> None:
    """In a process of its own: cabinetry selects pyhf's optimizer for good."""
    script = (
        "import json, sys, cabinetry; model, data = cabinetry.model_utils.model_and_data("
        "json.load(sys.stdin)); fit = cabinetry.fit.fit(model, data);"
        "print(json.dumps([list(fit.labels), list(fit.bestfit), list(fit.uncertainty)]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        input=json.dumps(spec),
        check=True,
        capture_output=True,
        text=True,
    )
    labels, estimates, errors = json.loads(done.stdout.splitlines()[-1])  # Minuit may talk first
    assert sorted(labels) == ["JRF", "JSF", "m_t"]
    assert np.all(np.abs(estimates) < 0.01 * np.array(errors))
