"""Results show themselves: short texts, tables, figures by name, data frames."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from PIL import Image, ImageChops

import pullfactory as pf
from pullfactory import Study, bootstrap_toy
from pullfactory.errors import OutputError
from pullfactory.results.result import Result

MODEL: dict[str, Any] = {
    "channels": [
        {
            "name": "SR<b>",
            "samples": [
                {
                    "name": "signal",
                    "data": [50.0, 60.0],
                    "modifiers": [{"name": "<mu>", "type": "normfactor", "data": None}],
                }
            ],
        }
    ],
    "observations": [{"name": "SR<b>", "data": [50.0, 60.0]}],
    "measurements": [{"name": "m", "config": {"poi": "<mu>", "parameters": []}}],
    "version": "1.0.0",
}


def of_model() -> Result:
    likelihood = pf.BinnedLikelihood.from_pyhf(pf.read_workspace(MODEL))
    return pf.run_toys(likelihood, 50, 0)


@pytest.fixture(scope="module")
def results(tiny_study: pf.Study, tiny_audit: pf.AuditResult) -> dict[str, Result]:
    one = tiny_study.with_settings({"ensemble.rho": [0.5], "methods": ["unbinned"]})
    return {
        "run": pf.run(tiny_study),
        "toys": of_model(),
        "audit": tiny_audit,
        "predict": pf.predict(tiny_study),
        "closure": pf.closure(tiny_study, points=2),
        "scan": pf.scan(one, "ensemble.n_events", (100, 200)),
        "select": pf.select(tiny_study, rho=0.5),
        "bootstrap": pf.bootstrap_toy(one, toy=0, replicas=20),
    }


def test_texts_are_short(results: dict[str, Result]) -> None:
    for name, result in results.items():
        said = repr(result)
        assert len(said) < 1700, name  # a screen: ten rows of a table as wide as one
        assert len(said.splitlines()) <= 20, name
        assert said.startswith(f"{type(result).__name__}: ")
        assert result.table.columns[0].heading in said, name


def test_frames_have_every_number(results: dict[str, Result]) -> None:
    frames = {name: result.to_pandas() for name, result in results.items()}
    assert all(isinstance(frame, pd.DataFrame) and len(frame) for frame in frames.values())
    assert {"coverage_95_low", "n_at_bound", "bias"} < set(frames["run"])
    run = results["run"]
    assert isinstance(run, pf.StudyResult)
    widths = (
        run.pulls.to_pandas()
        .query("method == 'binned'")
        .pivot(index="rho", columns="parameter", values="width")
    )
    assert widths.shape == (2, 3)
    first = next(row for row in run.pulls if (row.method, row.rho) == ("binned", 0.5))
    assert widths.loc[0.5, first.pulls.parameter] == first.pulls.width


def test_tables_in_a_notebook_hold_no_markup_of_others(results: dict[str, Result]) -> None:
    shown = results["toys"]._repr_html_()
    assert "&lt;mu&gt;" in shown
    assert "<mu>" not in shown
    assert shown.count("<tr>") == 2


def test_figures_by_name(results: dict[str, Result]) -> None:
    before = dict(mpl.rcParams)
    for name, result in results.items():
        assert bool(result.plots) == (name != "bootstrap")
        for plot in result.plots[:1]:
            assert result.plot(plot).axes, name
    assert dict(mpl.rcParams) == before
    assert "pull_width" in results["run"].plots
    with pytest.raises(OutputError, match="figure 'width' is none of joint_distribution, "):
        results["run"].plot("width")


def test_figures_are_those_of_the_folder(results: dict[str, Result], tmp_path: Path) -> None:
    """However often one is saved."""
    folder = results["run"].write(tmp_path / "out")
    for name in ("pull_width", "joint_distribution"):
        figure = results["run"].plot(name)
        assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
        for again in range(2):
            figure.savefig(tmp_path / f"{again}.png")
            with (
                Image.open(tmp_path / f"{again}.png") as mine,
                Image.open(folder / "figures" / f"{name}.png") as theirs,
            ):
                assert mine.size == theirs.size
                difference = ImageChops.difference(mine.convert("RGB"), theirs.convert("RGB"))
                assert difference.getbbox() is None, (name, again)


def test_csv_has_what_the_frame_has(results: dict[str, Result], tmp_path: Any) -> None:
    path = results["run"].table.write_csv(tmp_path / "pulls.csv")
    read = pd.read_csv(path)
    pd.testing.assert_frame_equal(read, results["run"].to_pandas(), check_dtype=False)


def test_a_result_without_figures_says_so(tiny_study: Study) -> None:
    result = bootstrap_toy(tiny_study.with_settings({"methods": ["unbinned"]}), rho=0.5, replicas=2)
    with pytest.raises(OutputError, match="a BootstrapSummary has no figures; it has a table"):
        result.plot("pulls")
