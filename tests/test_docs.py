"""What README and docs/ say is so: their examples run, their tables and links are right."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
import hist
import nbformat
import pyarrow.parquet as pq
import pyhf
import pytest
import uhi.io.json
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from pullfactory import (
    AuditConfig,
    AuditResult,
    BinnedLikelihood,
    FitStatus,
    PredictedPull,
    SelectionResult,
    Study,
    bootstrap_toy,
    closure,
    read_summary,
    run,
    run_toys,
    scan,
)
from pullfactory.auditing import FlowFit, FlowRow
from pullfactory.cli import cli
from pullfactory.densities import FAMILIES
from pullfactory.inference import ComparedPull
from pullfactory.inference.calibration_noise import CalibrationNoise
from pullfactory.inference.density_rows import DensityShift, TransformRow
from pullfactory.inference.remarks import Remark
from pullfactory.inference.rows import SelectionRow
from pullfactory.inference.transforms import BINS
from pullfactory.results.contents import find_foreign
from pullfactory.settings.audit import (
    AuditObservable,
    AuditParameter,
    AuditToys,
    AuditWorkspace,
    JointChannel,
)
from pullfactory.settings.samples import SampleTable
from pullfactory.settings.sections import (
    CalibrationSettings,
    Ensemble,
    FlowSettings,
    JointSettings,
    Observable,
    Parameter,
    WorkspaceSettings,
)
from pullfactory.settings.study import preset_text
from tests.tables import PAGE, filled

ROOT = Path(__file__).parents[1]
DOCS = sorted(ROOT.glob("docs/**/*.md"))
EXAMPLES = [ROOT / "README.md", *DOCS]
PAGES = [*EXAMPLES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *ROOT.glob("notebooks/*")]
Invoke = Callable[..., subprocess.CompletedProcess[str]]
SMALL = {"ensemble.n_toys": 16, "calibration.events_per_point": 20_000}
FEW_RHO = "0,0.3"
PACKAGE = ROOT / "src" / "pullfactory"


def page_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str:
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells  # type: ignore[no-untyped-call]
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


# --- examples --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("page", EXAMPLES, ids=page_id)
def test_examples_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Invoke
) -> None:
    preset = Study.preset
    monkeypatch.setattr(
        Study,
        "preset",
        classmethod(lambda _cls, name="poster": preset(name).with_settings(SMALL)),
    )
    monkeypatch.chdir(tmp_path)
    Path("workspaces").symlink_to(ROOT / "workspaces")
    names: dict[str, Any] = {"__name__": "example"}
    for language, block in re.findall(
        r"^```(\w+)\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL
    ):
        if language == "console":
            for line in block.splitlines():
                if line.startswith("$ ") and not line.startswith("$ make"):
                    run_line(line.removeprefix("$ "), invoke)
        elif language == "toml":
            (file,) = Path.cwd().glob("*.toml")
            edit_file(file, block)
        else:
            assert language == "python", f"no way to run a block of {language}"
            exec(compile(block, page_id(page), "exec"), names)


def edit_file(file: Path, block: str) -> None:
    """Change the file of a study or an audit as a reader who is told to change these lines."""
    settings: dict[str, Any] = {}
    for key, value in tomllib.loads(block).items():
        tables = (
            {key: value}
            if isinstance(value, dict)
            else {f"{key}.{v.pop('name')}": v for v in value}
        )
        settings |= {
            f"{table}.{name}": x for table, keys in tables.items() for name, x in keys.items()
        }
    of_audit = "samples" in tomllib.loads(file.read_text(encoding="utf-8"))
    document = AuditConfig.from_toml(file) if of_audit else Study.from_toml(file)
    changed = document.with_settings(settings)
    assert changed != document
    file.write_text(changed.to_toml(), encoding="utf-8")


def made_small(verb: str, line: str) -> str:
    """Options that make a study small, of those that have an effect."""
    options = dict[str, object]()
    if "--calibration" not in line and "calibration.source=exact" not in line:
        options["calibration.events_per_point"] = SMALL["calibration.events_per_point"]
    if verb in {"run", "scan"} and "--n-toys" not in line:
        options["ensemble.n_toys"] = SMALL["ensemble.n_toys"]
    if verb not in {"closure", "workspace"} and "rho" not in line:
        options["ensemble.rho"] = FEW_RHO
    return " ".join(f"--set {key}={value}" for key, value in options.items())


def run_line(line: str, invoke: Invoke) -> None:
    """Run a line in the current folder, studies made small: in a shell what needs one."""
    command = re.sub(
        r"\bpullfactory (run|predict|closure|scan|bootstrap|calibrate|workspace)\b",
        lambda found: f"{found[0]} {made_small(found[1], line)}",
        line,
    )
    name, *words = shlex.split(command, comments=True)
    if name == "pullfactory" and not {"|", ">", "&&"} & set(words):
        ended = invoke(*words)
    else:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"


# --- links -----------------------------------------------------------------------------------


def links(page: Path) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """Names of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_contents_name_every_page() -> None:
    contents = ROOT / "docs" / "index.md"
    linked = {(contents.parent / link).resolve() for link in links(contents)}
    assert linked >= {*DOCS, *ROOT.glob("notebooks/*.ipynb")} - {contents}


def test_pictures_are_small() -> None:
    for picture in (ROOT / "docs" / "images").glob("*.png"):
        assert picture.stat().st_size < 150_000, picture


# --- tables ----------------------------------------------------------------------------------


def table(page: str, heading: str) -> list[list[str]]:
    """Cells of the table under a heading, without its first line."""
    text = text_of(ROOT / "docs" / page)
    part = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def keys(rows: list[list[str]]) -> list[str]:
    """What is named in the first column."""
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row[0])]


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("The study", Study),
        ("`[ensemble]`", Ensemble),
        ("`[calibration]`", CalibrationSettings),
        ("`[workspace]`", WorkspaceSettings),
        ("`[joint]`", JointSettings),
        ("The flow", FlowSettings),
        ("`[[parameter]]`", Parameter),
        ("`[[observable]]`", Observable),
    ],
)
def test_keys_of_the_study_are_complete(heading: str, model: type[BaseModel]) -> None:
    compare_keys("study.md", heading, model)


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("The audit", AuditConfig),
        ("`[workspace]`", AuditWorkspace),
        ("`[joint]`", JointChannel),
        ("`[toys]`", AuditToys),
        ("`[[parameter]]`", AuditParameter),
        ("`[[observable]]`", AuditObservable),
        ("Keys of a sample", SampleTable),
    ],
)
def test_keys_of_the_audit_are_complete(heading: str, model: type[BaseModel]) -> None:
    compare_keys("audit.md", heading, model)


def compare_keys(page: str, heading: str, model: type[BaseModel]) -> None:
    rows = table(page, heading)
    fields = {name: f for name, f in model.model_fields.items() if f.description is not None}
    assert keys(rows) == list(fields)
    for (_, default, meaning), field in zip(rows, fields.values(), strict=True):
        assert stated(default) == jsonable(field.get_default(call_default_factory=True)), default
        for choice in choices(field.annotation):
            assert (f'"{choice}"' if isinstance(choice, str) else str(choice)) in meaning, choice


def stated(default: str) -> Any:
    if default == "required":
        return PydanticUndefined
    return None if default == "absent" else tomllib.loads(f"x = {default.strip('`')}")["x"]


def jsonable(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def choices(annotation: Any) -> Iterator[Any]:
    """Every value of a `Literal`, however deep it stands."""
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for inner in get_args(annotation):
            yield from choices(inner)


@pytest.mark.parametrize(("page", "model"), [("study.md", Study), ("audit.md", AuditConfig)])
def test_every_part_has_a_table(page: str, model: type[BaseModel]) -> None:
    parts = {name for name, f in model.model_fields.items() if f.description is None}
    headings = re.findall(r"^## `\[+(\w+)\]+`$", text_of(ROOT / "docs" / page), re.MULTILINE)
    assert set(headings) == parts


def test_the_audit_to_fill_in_is_valid_as_it_is() -> None:
    text = preset_text("audit.txt")
    lines = text.splitlines()
    AuditConfig.from_dict(tomllib.loads(text))
    last = next(i for i, line in enumerate(lines) if line.startswith("# scale"))
    for i, line in enumerate(lines[:last]):  # after it keys exclude each other
        if re.match(r"# [a-z_0-9]+ = ", line):
            changed = [*lines[:i], line.removeprefix("# "), *lines[i + 1 :]]
            AuditConfig.from_dict(tomllib.loads("\n".join(changed)))


def test_densities_are_complete() -> None:
    stated_shapes = {
        row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in table("study.md", "Densities")
    }
    assert stated_shapes == {name: list(f.shape_limits) for name, f in FAMILIES.items()}


def test_presets_are_named() -> None:
    text = text_of(ROOT / "docs" / "study.md")
    assert [name for name in Study.presets() if f"`{name}`" not in text] == []


@pytest.fixture(scope="module")
def folder(tiny_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tiny_study).write(tmp_path_factory.mktemp("docs") / "tiny")


@pytest.fixture(scope="module")
def toys_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = pyhf.simplemodels.uncorrelated_background([9.0], [50.0], [5.0])
    result = run_toys(BinnedLikelihood.from_pyhf(model), 4, seed=0)
    return result.write(tmp_path_factory.mktemp("docs") / "toys")


def test_files_of_a_run_are_complete(folder: Path, tiny_study: Study) -> None:
    names = {
        "study name": [tiny_study.name],
        "observable": tiny_study.observable_names,
        "method": tiny_study.methods,
        "rho": [],  # no joint templates
    }
    assert files_in(folder) == stated_files("Files", names)


@pytest.fixture(scope="module")
def closure_folder(tiny_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return closure(tiny_study).write(tmp_path_factory.mktemp("docs") / "closure")


def test_files_of_a_closure_are_complete(closure_folder: Path) -> None:
    assert files_in(closure_folder) == stated_files("Files of a closure", {})


def test_keys_of_the_closure_are_complete(closure_folder: Path, folder: Path) -> None:
    content = json.loads((closure_folder / "closure.json").read_text())
    rows = table("outputs.md", "`closure.json`")
    assert keys(rows) == list(content)
    assert content["schema"] in rows[0][1]
    for key in ("worst_bins", "grid", "scan"):
        (meaning,) = (cells[1] for cells in rows if cells[0] == f"`{key}`")
        assert re.findall(r"`(\w+)`", meaning) == list(content[key][0])
    verdicts = table("outputs.md", "Verdicts of a closure")
    assert keys(verdicts) == list(content["verdicts"][0])
    of_a_run = [row for row in verdicts if "not in a run" not in row[1]]
    assert keys(of_a_run) == list(read_summary(folder)["closure"][0])


def test_files_of_toys_are_complete(toys_folder: Path) -> None:
    assert files_in(toys_folder) == stated_files("Files of toys of a workspace", {})


def test_scan_is_complete(tiny_study: Study, tmp_path: Path) -> None:
    study = tiny_study.with_settings({"ensemble.rho": [0.0], "methods": ["unbinned"]})
    result = scan(study, "seed", [1])
    assert files_in(result.write(tmp_path / "scan")) == stated_files("Files of a scan", {})
    rows = table("outputs.md", "`scan.json`")
    assert keys(rows) == list(result.summary())
    assert result.summary()["schema"] in rows[0][1]


@pytest.fixture(scope="module")
def audit_folder(tiny_audit: AuditResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with_flow = replace(tiny_audit, flow=_told(tiny_audit))
    return with_flow.write(tmp_path_factory.mktemp("docs") / "audit")


def _told(audit: AuditResult) -> FlowFit:
    """What would be told of a joint fit, whatever the numbers."""
    numbers: dict[str, Any] = {one.name: 0.5 for one in fields(FlowRow) if one.name != "blinded"}
    parameters, observables = audit.config.parameter_names, audit.config.observable_names
    apart: dict[str, Any] = {one.name: 0.1 for one in fields(DensityShift)}
    counts = (1 / BINS,) * BINS
    return FlowFit(
        reason=None,
        maps=("a", "b given a"),
        rows=tuple(FlowRow(**{**numbers, "parameter": name}) for name in parameters),
        shifts=tuple(
            DensityShift(**{**apart, "point": "nominal", "along": None, "parameter": name})
            for name in parameters
        ),
        transforms=tuple(
            TransformRow(
                point="nominal",
                observable=name,
                counts=counts,
                errors=counts,
                distance=0.1,
                p_value=0.5,
            )
            for name in observables
        ),
    )


@pytest.mark.slow
def test_files_of_an_audit_are_complete(audit_folder: Path, tiny_audit: AuditResult) -> None:
    config = tiny_audit.config
    methods = tuple(tiny_audit.toys.sums)
    names = {
        "audit name": [config.name],
        "parameter": config.parameter_names,
        "method": methods,
        "optimal method": [fit.method for fit in tiny_audit.optimal if fit.weights],
    }
    assert files_in(audit_folder) == stated_files("Files of an audit", names)


def test_keys_of_an_audit_are_complete(audit_folder: Path) -> None:
    content = json.loads((audit_folder / "audit.json").read_text())
    rows = table("outputs.md", "`audit.json`")
    assert keys(rows) == list(content)
    assert content["schema"] in rows[0][1]
    assert keys(table("outputs.md", "Errors of an audit")) == list(content["errors"][0])
    assert keys(table("outputs.md", "Samples of an audit")) == list(content["samples"][0])
    assert keys(table("outputs.md", "Correlations of an audit")) == list(content["correlations"][0])
    named = {
        key: re.findall(r"`(\w+)`", meaning) for (name, meaning) in rows for key in keys([[name]])
    }
    (binning,) = {tuple(one) for one in content["binning"].values()}
    assert set(named["binning"]) == set(binning)
    assert set(named["covariance"]) == set(content["covariance"]["binned"])
    for key in ("unbinned", "toys"):
        assert set(named[key]) >= set(content[key])
    (fit, *_) = content["data"]
    fits = table("outputs.md", "Fits of the data of an audit")
    assert keys(fits) == list(fit)
    named = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in fits}
    assert named["estimates"] == list(fit["estimates"][0])
    assert named["channels"] == list(fit["channels"][0])


def test_columns_of_the_tables_of_an_audit_are_complete(audit_folder: Path) -> None:
    for name, told in table("outputs.md", "Tables of an audit"):
        path = audit_folder / name.strip("`")
        header = path.read_text().splitlines()[0].split(",")
        patterns = [re.sub(r"<\w+>", r"\\w+", column) for column in re.findall(r"`([^`]+)`", told)]
        for column in header:
            assert any(re.fullmatch(pattern, column) for pattern in patterns), (name, column)
        for pattern in patterns:
            assert any(re.fullmatch(pattern, column) for column in header), (name, pattern)


def test_templates_of_an_audit_are_histograms(audit_folder: Path) -> None:
    content = json.loads(
        (audit_folder / "templates.json").read_text(), object_hook=uhi.io.json.object_hook
    )
    histograms = {name: hist.Hist(one) for name, one in content.items()}
    for name, one in histograms.items():
        assert [axis.name for axis in one.axes] == ["role", name]
        assert "nominal" in list(one.axes[0])


def stated_files(heading: str, names: dict[str, Any]) -> set[str]:
    expected = set()
    for name in keys(table("outputs.md", heading)):
        (kind,) = re.findall(r"<(.*)>", name) or [""]
        files = [name.replace(f"<{kind}>", value) for value in names.get(kind, [""])]
        endings = (".png",) if name.startswith("figures/") else ("",)
        expected |= {file + ending for file in files for ending in endings}
    return expected


def files_in(folder: Path) -> set[str]:
    assert find_foreign(folder) is None  # else it could not be replaced
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return {re.sub(r"/part-\d+-\d+\.parquet$", "", name) for name in names}


@pytest.mark.parametrize(
    ("result", "heading"),
    [
        ("folder", "`summary.json`"),
        ("toys_folder", "`summary.json` of toys of a workspace"),
    ],
)
def test_keys_of_the_summary_are_complete(
    result: str, heading: str, request: pytest.FixtureRequest
) -> None:
    summary = read_summary(request.getfixturevalue(result))
    rows = table("outputs.md", heading)
    asked_for = [row for row in rows if not re.search("absent (where|without)", row[1])]
    assert keys(asked_for) == list(summary)
    assert summary["schema"] in rows[0][1]
    assert keys(table("outputs.md", "Rows of `pulls`")) == list(summary["pulls"][0])
    assert keys(table("outputs.md", "Rows of `shapes`")) == list(summary["shapes"][0])
    assert keys(table("outputs.md", "Rows of `remarks`")) == [f.name for f in fields(Remark)]


def test_tables_of_keys_are_as_the_types_say() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text) == text, "python -m tests.tables"


def test_keys_of_the_noise_are_complete() -> None:
    names = [field.name for field in fields(CalibrationNoise)]
    assert keys(table("outputs.md", "Rows of `calibration_noise`")) == names


def test_keys_of_the_correlation_are_named(toys_folder: Path) -> None:
    rows = table("outputs.md", "`summary.json` of toys of a workspace")
    (content,) = (content for key, content in rows if key == "`correlation`")
    assert re.findall(r"`(\w+)`", content) == list(read_summary(toys_folder)["correlation"])


def test_rows_of_the_prediction_are_complete() -> None:
    assert keys(table("outputs.md", "Prediction")) == [f.name for f in fields(ComparedPull)]


def test_keys_of_the_selection_are_complete(tiny_study: Study) -> None:
    pull = PredictedPull.of("unbinned", 0.0, "m_t", 1.0, 1.0)
    row = SelectionRow(observables=tiny_study.observable_names, pull=pull)
    summary = SelectionResult(study=tiny_study, rho=0.0, rows=(row,), skipped=()).summary()
    rows = table("outputs.md", "Selection")
    assert keys(rows) == list(summary)
    assert summary["schema"] in rows[0][1]


def test_keys_of_the_bootstrap_are_complete(tiny_study: Study) -> None:
    study = tiny_study.with_settings({"methods": ["unbinned"]})
    summary = bootstrap_toy(study, rho=0.5, replicas=31).summary()
    rows = table("outputs.md", "Bootstrap")
    assert keys(rows) == list(summary)
    assert summary["schema"] in rows[0][1]
    text = text_of(ROOT / "docs" / "outputs.md").split("A row of `errors`")[1].split("\n\n")[0]
    assert re.findall(r"`(\w+)`", text) == list(summary["errors"][0])


@pytest.mark.parametrize("result", ["folder", "toys_folder"])
def test_columns_of_the_toys_are_complete(result: str, request: pytest.FixtureRequest) -> None:
    part, *_ = (request.getfixturevalue(result) / "toys.parquet").iterdir()
    schema, metadata = pq.read_schema(part), pq.read_metadata(part).metadata
    assert keys(table("outputs.md", "`toys.parquet`")) == schema.names
    text = text_of(ROOT / "docs" / "outputs.md")
    told = {key.decode() for key in metadata} - {"ARROW:schema"}
    assert {key for key in told if f"`{key}`" not in text} == set()


@pytest.mark.parametrize(
    ("page", "heading"), [("outputs.md", "Status"), ("toys.md", "How fits end")]
)
def test_statuses_are_complete(page: str, heading: str) -> None:
    stated_names = [name for name in keys(table(page, heading)) if not name.isdigit()]
    assert stated_names == [status.label for status in FitStatus]


@pytest.mark.parametrize("command", ["toys", "audit"])
def test_options_are_complete(command: str) -> None:
    options = [p for p in cli.commands[command].params if isinstance(p, click.Option)]
    rows = table(f"{command}.md", "Options")
    assert keys(rows) == [name for option in options for name in option.opts]
    for (_, default, _), option in zip(rows, options, strict=True):
        (said,) = re.findall(r"\[default: (.*)\]", option.help or "") or [""]
        assert default.strip("`") == (str(option.default) if option.show_default else said)


# --- CONTRIBUTING ----------------------------------------------------------------------------


def test_make_targets_exist() -> None:
    named = re.findall(r"(?:\$ |`)make ([a-z]+)", "".join(map(text_of, PAGES)))
    targets = re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE)
    assert named
    assert set(named) <= set(targets)
