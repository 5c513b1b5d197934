"""Results read from their folders: what they wrote, they write again byte by byte."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyhf
import pytest

import pullfactory as pf
from pullfactory import BinnedLikelihood, Study, ToysResult
from pullfactory.errors import OutputError
from pullfactory.results.result import Result
from pullfactory.simulation.toys import block_size
from tests.sharing.workspaces import copies

SIMULATED = {"calibration.source": "simulated", "calibration.events_per_point": 20_000}
KINDS = (
    *("summary", "audit", "prediction", "scan", "selection", "bootstrap", "closure"),
    "workspace_audit",
)
ALL = ["unbinned", "binned", "unbinned_joint", "binned_joint"]


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def run_study(study: Study) -> Result:
    """With a truth that is drawn, several blocks, noise and joint fits."""
    drawn = {"ensemble.n_toys": 300, "methods": ALL, "joint.n_bins": 3}
    assert block_size(study) < 300
    return pf.run(study.with_settings({**SIMULATED, **drawn}))


def run_prior_toys(_study: Study) -> Result:
    model = pyhf.simplemodels.uncorrelated_background([9.0, 12.0], [50.0, 60.0], [5.0, 7.0])
    return pf.run_toys(BinnedLikelihood.from_pyhf(model), 1500, seed=0, ensemble="prior")


def run_failing_toys(_study: Study) -> ToysResult:
    """The bounds of the parameter of interest are narrow, and fits end there."""
    model = pyhf.simplemodels.uncorrelated_background([9.0, 12.0], [50.0, 60.0], [5.0, 7.0])
    likelihood = BinnedLikelihood.from_pyhf(model)
    limits = likelihood.limits.copy()
    limits[likelihood.positions("mu")[0]] = 0.6, 1.4
    return pf.run_toys(replace(likelihood, limits=limits), 300, seed=0, ensemble="prior")


def audit_copies(_study: Study) -> Result:
    """Two channels of the same events."""
    bins = np.repeat(np.arange(2), [40, 60])[:, None] + 2 * np.arange(2)
    return pf.audit_workspace(copies(2, np.array([40.0, 60.0])), data=bins, n_toys=16)


RESULTS: dict[str, Callable[[Study], Result]] = {
    "study": run_study,
    "toys": run_prior_toys,
    "failing": run_failing_toys,
    "prediction": pf.predict,
    "scan": lambda study: pf.scan(study, "ensemble.n_events", [100, 200]),
    "selection": lambda study: pf.select(study, rho=0.5),
    "closure": lambda study: pf.closure(study, points=4),
    "bootstrap": lambda study: pf.bootstrap_toy(study, rho=0.5, replicas=20),
    "workspace_audit": audit_copies,
}


SLOW = ("study", "closure")
ALL_KINDS = [
    pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
    for name in (*RESULTS, "audit")
]


@pytest.fixture(scope="module", params=ALL_KINDS)
def result(request: pytest.FixtureRequest, tiny_study: Study, tiny_audit: Result) -> Result:
    return tiny_audit if request.param == "audit" else RESULTS[request.param](tiny_study)


@pytest.fixture(scope="module")
def folder(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return result.write(tmp_path_factory.mktemp("reading") / "first", figures=("png",))


def test_what_is_read_writes_the_same_bytes(result: Result, folder: Path, tmp_path: Path) -> None:
    found = pf.read(folder)
    assert type(found) is type(result)
    again = found.write(tmp_path / "again", figures=("png",))
    assert files_of(again) == files_of(folder)


def test_what_is_read_is_told_as_before(result: Result, folder: Path) -> None:
    found = type(result).read(folder)
    assert found.summary() == json.loads(json.dumps(result.summary()))
    assert repr(found) == repr(result)
    assert found.table.to_dicts() == json.loads(json.dumps(result.table.to_dicts()))
    assert found.plots == result.plots


def earlier(folder: Path, copy: Path) -> Path:
    """A copy of a folder as version 1 wrote it."""
    shutil.copytree(folder, copy)
    (file,) = (path for path in copy.glob("*.json") if path.stem in KINDS)
    file.write_text(file.read_text().replace('/2",', '/1",', 1))
    return copy


def test_files_of_version_1_are_read(result: Result, folder: Path, tmp_path: Path) -> None:
    found = pf.read(earlier(folder, tmp_path / "first"))
    assert found.summary() == json.loads(json.dumps(result.summary()))


def test_another_version_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = earlier(folder, tmp_path / "first")
    (file,) = (path for path in copy.glob("*.json") if path.stem in KINDS)
    file.write_text(file.read_text().replace('/1",', '/3",', 1))
    with pytest.raises(OutputError, match=r"by a newer pullfactory \(schema 'pullfactory-\w+/3'\)"):
        pf.read(copy)


def test_figures_are_drawn_again(
    folder: Path, tmp_path: Path, invoke: Callable[..., CompletedProcess[str]]
) -> None:
    copy = tmp_path / "first"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "figures", ignore_errors=True)
    ended = invoke("report", copy, "--figures", "png")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert files_of(copy) == files_of(folder)


@pytest.mark.parametrize("kind", [pf.StudyResult, pf.ToysResult, pf.AuditResult])
def test_another_kind_is_refused(kind: type[Result], tiny_study: Study, tmp_path: Path) -> None:
    folder = pf.predict(tiny_study).write(tmp_path / "prediction", figures=())
    with pytest.raises(OutputError, match=f"is no {kind.kind} of a run"):
        kind.read(folder)


def test_toys_are_no_study(tmp_path: Path) -> None:
    model = pyhf.simplemodels.uncorrelated_background([9.0], [50.0], [5.0])
    toys = pf.run_toys(BinnedLikelihood.from_pyhf(model), 4, seed=0)
    folder = toys.write(tmp_path / "toys", figures=())
    with pytest.raises(OutputError, match=r"holds no StudyResult; pullfactory.read reads what it"):
        pf.StudyResult.read(folder)
    (part,) = (folder / "toys.parquet").iterdir()
    part.write_bytes(b"PAR1")
    with pytest.raises(OutputError, match=r"toys.parquet' is not complete \(ArrowInvalid"):
        pf.read(folder)
    part.unlink()
    with pytest.raises(OutputError, match=r"toys.parquet' is not complete \(it holds no toys"):
        pf.read(folder)
    (folder / "toys.parquet").rmdir()
    with pytest.raises(OutputError, match=r"has no readable toys.parquet"):
        pf.read(folder)
    (folder / "toys.parquet").write_bytes(b"PAR1")  # one file, as in earlier versions
    with pytest.raises(OutputError, match=r"toys.parquet' is not complete \(ArrowInvalid"):
        pf.read(folder)


def test_a_study_of_an_earlier_version_lacks_what_figures_need(
    tiny_study: Study, tmp_path: Path
) -> None:
    folder = pf.run(tiny_study).write(tmp_path / "study", figures=())
    file = folder / "summary.json"
    summary = json.loads(file.read_text())
    summary["schema"] = "pullfactory-summary/1"
    del summary["predictions"]
    file.write_text(json.dumps(summary))
    (folder / "calibration.json").unlink()
    with pytest.raises(OutputError, match="written by an earlier version, and lacks the calib"):
        pf.read(folder)
    pf.write_report(folder)


def test_a_closure_of_an_earlier_version_lacks_its_rates(tiny_study: Study, tmp_path: Path) -> None:
    folder = pf.closure(tiny_study, points=0).write(tmp_path / "closure", figures=())
    file = folder / "closure.json"
    numbers = json.loads(file.read_text())
    numbers["schema"] = "pullfactory-closure/1"
    del numbers["channels"]
    file.write_text(json.dumps(numbers))
    with pytest.raises(OutputError, match="written by an earlier version, and lacks the rates"):
        pf.read(folder)


@pytest.fixture(scope="module")
def thrown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    likelihood = pf.BinnedLikelihood.from_pyhf(pf.read_workspace("workspaces/poster.json"))
    return pf.run_toys(likelihood, 40, 1).write(tmp_path_factory.mktemp("toys") / "out", figures=())


CHANGES: dict[str, Callable[[pa.Table], pa.Table]] = {
    "fewer": lambda table: table.slice(0, 60),
    "twice": lambda table: pa.concat_tables([table, table]),
    "in another order": lambda table: table.take(list(reversed(range(len(table))))),
    "shifted": lambda table: table.set_column(
        table.schema.get_field_index("estimate"), "estimate", pc.add(table["estimate"], 5.0)
    ),
}


def as_one_file(folder: Path, copy: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    """A copy of a folder with a table as earlier versions wrote it, or a changed one."""
    shutil.copytree(folder, copy)
    table = pq.read_table(copy / "toys.parquet").replace_schema_metadata(
        {"pullfactory.block": "64"}
    )
    shutil.rmtree(copy / "toys.parquet")
    pq.write_table(change(table), copy / "toys.parquet")
    return copy


def test_toys_in_one_file_are_read(thrown: Path, tmp_path: Path) -> None:
    copy = as_one_file(thrown, tmp_path / "copy", lambda table: table)
    before, after = pf.read(thrown), pf.read(copy)
    assert after.summary() == before.summary()
    assert isinstance(before, ToysResult)
    assert isinstance(after, ToysResult)
    assert after.toys.read().equals(before.toys.read())
    assert after.minima.tolist() == before.minima.tolist()
    again = after.write(tmp_path / "again", figures=())
    assert (again / "toys.parquet").read_bytes() == (copy / "toys.parquet").read_bytes()


@pytest.mark.parametrize("change", CHANGES)
def test_toys_that_were_changed_are_refused(thrown: Path, tmp_path: Path, change: str) -> None:
    copy = as_one_file(thrown, tmp_path / "copy", CHANGES[change])
    with pytest.raises(OutputError, match=r"summary\.json' is not complete \(.*run it again$"):
        pf.read(copy)


def test_numbers_that_were_changed_are_refused(thrown: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(thrown, copy)
    file = copy / "summary.json"
    numbers = json.loads(file.read_text())
    numbers["pulls"][0]["width"] = 9.87
    file.write_text(json.dumps(numbers))
    with pytest.raises(
        OutputError, match=r"pulls\[0\]\.width does not follow from the other files"
    ):
        pf.read(copy)
    numbers["pulls"][0]["width"] = "wide"
    file.write_text(json.dumps(numbers))
    with pytest.raises(OutputError, match=r"pulls\[0\]\.width: 'wide' is not"):
        pf.read(copy)


def test_failed_fits_lie_in_the_folder(tiny_study: Study, tmp_path: Path) -> None:
    result = run_failing_toys(tiny_study)
    folder = result.write(tmp_path / "out", figures=("png",))
    lost = sum(n for name, n in result.status.items() if name not in ("converged", "recovered"))
    assert lost > 20
    lines = (folder / "failures.csv").read_text().splitlines()
    assert len(lines) == 1 + lost
    table = pq.read_table(folder / "toys.parquet").to_pandas().set_index(["toy", "parameter"])
    header = lines[0].split(",")
    for line in lines[1:]:
        row = dict(zip(header, line.split(","), strict=True))
        own = table.loc[int(row["toy"])]
        assert set(own["status"]) == {row["status"]}
        assert {k: float(row[f"truth_{k}"]) for k in own.index} == own["truth"].to_dict()
    assert (folder / "figures" / "failures.png").exists()
    assert f"{lost} of 300 with binned" in (folder / "report.html").read_text()
    again = result.write(folder, figures=())  # the files are known to be ours
    assert (again / "failures.csv").exists()
    assert result.answer.startswith("In 300 toys, ")
