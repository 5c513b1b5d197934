"""Other tools open what is written: pyhf's command line, cabinetry, pandas."""

import copy
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cabinetry
import numpy as np
import pandas as pd
import pyhf
import pytest

from pullfactory import (
    BinnedLikelihood,
    Study,
    audit_workspace,
    fit_toys,
    negative_samples,
    run,
)

WORKSPACES = sorted((Path(__file__).parents[1] / "workspaces").glob("*.json"))
POSTER = next(path for path in WORKSPACES if path.stem == "poster")


def pyhf_command(*arguments: object) -> str:
    command = [str(Path(sys.executable).with_name("pyhf")), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_pyhf_inspects() -> None:
    said = " ".join(pyhf_command("inspect", POSTER).split())
    assert "channels 2 samples 2 parameters 3 modifiers 3" in said
    assert "m_t unconstrained normfactor" in said


def test_pyhf_fits() -> None:
    fitted = json.loads(pyhf_command("fit", POSTER, "--optimizer", "minuit"))
    assert set(fitted["mle_parameters"]) == {"m_t", "JSF", "JRF"}
    for (value,) in fitted["mle_parameters"].values():
        assert value == pytest.approx(0.0, abs=1e-3)


def test_pyhf_tests_a_mass() -> None:
    tested = json.loads(pyhf_command("cls", POSTER, "--test-poi", 0.5))
    assert 0.0 < tested["CLs_obs"] < 1.0
    assert tested["CLs_exp"] == sorted(tested["CLs_exp"])


@pytest.mark.parametrize("name", ["poster", "poster_multiplicative"])
def test_xml_and_back(tmp_path: Path, name: str) -> None:
    xml = tmp_path / "xml"
    xml.mkdir()
    again = tmp_path / "again.json"
    path = POSTER.with_stem(name)
    pyhf_command("json2xml", path, "--output-dir", xml)
    pyhf_command(
        *("xml2json", xml / "FitConfig.xml", "--basedir", tmp_path, "--hide-progress"),
        *("--output-file", again),
    )
    before, after = (pyhf.Workspace(json.loads(p.read_text())).model() for p in (path, again))
    assert after.config.par_names == before.config.par_names
    start = np.array(before.config.suggested_init())
    for theta in (start, start + np.resize([0.5, -1.0, 0.3], len(start))):
        np.testing.assert_allclose(
            after.expected_data(theta), before.expected_data(theta), rtol=1e-6
        )


def cost_of_a_mass(spec: dict[str, Any], mass: float) -> float:
    """NLL at this mass minus that at 0, in pyhf, all else nominal."""
    workspace = pyhf.Workspace(spec)
    model = workspace.model()
    at = np.array(model.config.suggested_init())
    moved = at.copy()
    moved[model.config.poi_index] = mass
    data = workspace.data(model)
    return float(model.logpdf(at, data)[0] - model.logpdf(moved, data)[0])


def clipped(spec: dict[str, Any]) -> dict[str, Any]:
    """What RooFit's HistFactory makes of a workspace: no bin of a sample is below 0."""
    spec = copy.deepcopy(spec)
    for channel in spec["channels"]:
        for sample in channel["samples"]:
            sample["data"] = [max(value, 0.0) for value in sample["data"]]
    return spec


def test_roofit_takes_negative_bins_as_0() -> None:
    """RooFit 6.40 has 1.2222 for the additive workspace, and pyhf's number for the other one.

    The mass of the multiplicative one is in units of 3 GeV.
    """
    additive, multiplicative = (
        json.loads(POSTER.with_stem(name).read_text())
        for name in ("poster", "poster_multiplicative")
    )
    assert cost_of_a_mass(additive, 0.5) == pytest.approx(2.2798, abs=5e-5)
    assert cost_of_a_mass(clipped(additive), 0.5) == pytest.approx(1.2222, abs=5e-5)
    assert negative_samples(additive) == ("ttbar_mass",)
    assert clipped(multiplicative) == multiplicative
    assert negative_samples(multiplicative) == ()
    # The same study: what its weak constraint of 3 GeV adds, and templates at other masses.
    weak = 0.5 * (0.5 / 3.0) ** 2
    assert cost_of_a_mass(multiplicative, 0.5 / 3.0) - weak == pytest.approx(2.2798, rel=0.05)


@pytest.mark.parametrize("path", WORKSPACES, ids=lambda path: path.stem)
def test_cabinetry_fits_as_we_do(path: Path) -> None:
    model, data = cabinetry.model_utils.model_and_data(cabinetry.workspace.load(path))
    theirs = cabinetry.fit.fit(model, data)
    likelihood = BinnedLikelihood.from_pyhf(pyhf.Workspace(json.loads(path.read_text())))
    ours = fit_toys(likelihood, np.asarray(likelihood.observed)[None])
    assert theirs.labels == list(ours.parameters)
    np.testing.assert_allclose(theirs.bestfit, ours.estimate[0], atol=1e-3)
    np.testing.assert_allclose(theirs.uncertainty, ours.error[0], rtol=1e-2)


def test_cabinetry_draws(tmp_path: Path) -> None:
    model, data = cabinetry.model_utils.model_and_data(cabinetry.workspace.load(POSTER))
    fit = cabinetry.fit.fit(model, data)
    ranking = cabinetry.fit.ranking(model, data, fit_results=fit)
    assert sorted(ranking.labels) == ["JRF", "JSF"]
    cabinetry.visualize.pulls(fit, figure_folder=tmp_path, close_figure=True)
    cabinetry.visualize.correlation_matrix(fit, figure_folder=tmp_path, close_figure=True)
    cabinetry.visualize.ranking(ranking, figure_folder=tmp_path, close_figure=True)
    assert sorted(p.stem for p in tmp_path.iterdir()) == ["correlation_matrix", "pulls", "ranking"]


def test_pandas_finds_the_widths_of_the_summary(tiny_study: Study, tmp_path: Path) -> None:
    result = run(tiny_study)
    result.toys.copy_to(tmp_path / "toys.parquet")
    toys = pd.read_parquet(tmp_path / "toys.parquet")
    pull = (toys["estimate"] - toys["truth"]) / toys["error"]
    width = pull.groupby([toys["method"], toys["rho"], toys["parameter"]]).std()
    rows = result.summary()["pulls"]
    assert len(rows) == len(width)
    for row in rows:
        found = width[row["method"], row["rho"], row["parameter"]]
        assert found == pytest.approx(row["width"])


SIGNAL = np.array([40.0, 90.0, 130.0, 100.0])
BACKGROUND = np.array([160.0, 110.0, 60.0, 30.0])
TILT = np.array([8.0, 3.0, -4.0, -7.0])


def shared_workspace() -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """Two channels that share 70 % of the events, one sample of which has a linear systematic."""
    rng = np.random.default_rng(7)
    first = rng.choice(4, 800, p=(SIGNAL + BACKGROUND) / 720.0)
    other = rng.choice(4, 800, p=(SIGNAL + BACKGROUND) / 720.0)
    second = np.where(rng.random(800) < 0.6, first, other) + 4
    bins = np.stack([first, np.where(rng.random(800) < 0.7, second, -1)], axis=1)
    observed = np.bincount(bins[bins >= 0], minlength=8)
    channels = []
    for name, part in (("first", 1.0), ("second", 0.7)):
        tilt = {
            "hi_data": list(part * (BACKGROUND + TILT)),
            "lo_data": list(part * (BACKGROUND - TILT)),
        }
        free = {"name": "mu", "type": "normfactor", "data": None}
        varied = {"name": "tilt", "type": "histosys", "data": tilt}
        samples = [
            {"name": "signal", "data": list(part * SIGNAL), "modifiers": [free]},
            {"name": "background", "data": list(part * BACKGROUND), "modifiers": [varied]},
        ]
        channels.append({"name": name, "samples": samples})
    spec = {
        "channels": channels,
        "observations": [
            {"name": "first", "data": observed[:4].tolist()},
            {"name": "second", "data": observed[4:].tolist()},
        ],
        "measurements": [{"name": "all", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
    return spec, bins


def test_rabbit_fits_with_the_covariance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program on the page, if rabbit-fit is there, beside least squares in closed form."""
    pytest.importorskip("rabbit", reason="pip install rabbit-fit")
    command = shutil.which("rabbit_fit")
    assert command
    monkeypatch.chdir(tmp_path)
    spec, bins = shared_workspace()
    Path("workspace.json").write_text(json.dumps(spec))
    result = audit_workspace(spec, bins, n_toys=0)
    result.write("results/audit")
    page = (Path(__file__).parents[1] / "docs" / "interoperation.md").read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    program, words = (block for language, block in blocks if not language)
    options = words.splitlines()[0].removeprefix("$ rabbit_fit ").split()
    reading = (
        "import json, rabbit.io_tools as io; "
        "found = io.get_fitresult('rabbit/fitresults.hdf5')['parms'].get(); "
        "print(json.dumps([list(found.values()), list(found.variances() ** 0.5)]))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    subprocess.run([command, *options], check=True, capture_output=True)
    read = subprocess.run([sys.executable, "-c", reading], check=True, capture_output=True)
    estimates, errors = json.loads(read.stdout.splitlines()[-1])

    assert result.covariance is not None
    inverse = np.linalg.inv(result.covariance.counts)
    slopes = np.stack([np.append(SIGNAL, 0.7 * SIGNAL), np.append(TILT, 0.7 * TILT)], axis=1)
    away = result.covariance.observed - np.append(BACKGROUND, 0.7 * BACKGROUND)
    covariance = np.linalg.inv(slopes.T @ inverse @ slopes + np.diag([0.0, 1.0]))
    assert estimates == pytest.approx(covariance @ slopes.T @ inverse @ away, rel=1e-8)
    assert errors == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-8)
