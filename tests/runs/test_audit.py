"""`pullfactory audit`: what it prints and writes, and the fit of the data."""

import csv
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

import hist
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyhf
import pytest
import uhi.io.json
from scipy.stats import norm

import pullfactory
from pullfactory import AuditConfig, AuditResult, audit
from pullfactory.errors import OutputError
from pullfactory.results.part import Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

Invoke = Callable[..., CompletedProcess[str]]

N = 800.0
EVENTS = 40_000
SIDES = (("up", "+"), ("down", "-"))
CONFIG = """
name = "mine"
seed = 5
poi = "m"
replicas = 200

[toys]
n_toys = 60

[[parameter]]
name = "m"
unit = "GeV"
constraint = "free"
step = 2.0

[[parameter]]
name = "jes"

[[observable]]
name = "x"
unit = "GeV"
density = "normal"

[[observable]]
name = "y"
density = "normal"

[samples.nominal]
files = ["nominal.csv"]
events = 800.0

[samples.m.up]
observables = {x = "x + 2", y = "y + 0.6"}
[samples.m.down]
observables = {x = "x - 2", y = "y - 0.6"}

[samples.jes.up]
observables = {y = "50 + (y - 50) * 1.05 + 0.3"}
[samples.jes.down]
observables = {y = "50 + (y - 50) * 0.95 - 0.3"}

[samples.data]
files = ["data.csv"]
"""


def write_events(path: Path, events: int, seed: int, shift: float = 0.0) -> None:
    rng = np.random.default_rng(seed)
    u, v = rng.standard_normal((2, events))
    y = 50 + 5 * (0.5 * u + 0.75**0.5 * v) + 0.3 * shift
    pd.DataFrame({"x": 100 + 10 * u + shift, "y": y}).to_csv(path, index=False)


def strictly(text: str) -> Any:
    """JSON without NaN."""
    return json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} in JSON"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration and its events."""
    folder = tmp_path_factory.mktemp("audit")
    (folder / "mine.toml").write_text(CONFIG)
    write_events(folder / "nominal.csv", EVENTS, 1)
    write_events(folder / "data.csv", 812, 2, shift=0.7)
    return folder


@pytest.fixture(scope="module")
def outcome(files: Path, invoke: Invoke) -> CompletedProcess[str]:
    """The audit from the command line, once."""
    return invoke("audit", files / "mine.toml", "-o", files / "out")


@pytest.fixture(scope="module")
def summary(files: Path, outcome: CompletedProcess[str]) -> Any:
    """What it wrote to `audit.json`."""
    assert outcome.returncode == 0, outcome.stderr
    return strictly((files / "out" / "audit.json").read_text())


# --- the command line -----------------------------------------------------------------------------


def test_printed(outcome: CompletedProcess[str], summary: Any) -> None:
    assert outcome.returncode == 0, outcome.stderr
    lines = outcome.stdout.splitlines()
    question = "May x, y be fitted as if they were independent? No: the claimed"
    (answer,) = (line for line in lines if line.startswith(question))
    response = lines[: lines.index(answer)]
    for role in ("expected", "data", "nominal", "m.up", "m.down", "jes.up", "jes.down"):
        assert any(line.split()[:1] == [role] for line in response)
    (own,) = (
        row
        for row in summary["errors"]
        if row["method"] == "binned" and row["parameter"] == summary["config"]["poi"]
    )
    assert own["answer"] == "no"
    assert f"claimed error of {own['parameter']} is " in answer
    assert f"too {'small' if own['factor'] > 1 else 'large'} as it stands" in answer
    assert "the correlation alone makes it" in answer
    for text in ("Correlation of x and y: Pearson 0.", "fit of the data", "Note: Toys are drawn"):
        assert text in outcome.stdout
    assert "Traceback" not in outcome.stderr


def test_folder(files: Path, summary: Any) -> None:
    written = {str(p.relative_to(files / "out")) for p in (files / "out").rglob("*") if p.is_file()}
    figures = (
        "response",
        "goodness",
        "errors",
        "impacts",
        "optimal_binned_optimal",
        "optimal_unbinned_optimal",
        "calibration",
        "sets",
        "correlations",
        "bin_pairs",
        "templates_m",
        "templates_jes",
    )
    assert written == {
        *("audit.json", "audit.toml", "manifest.json", "templates.json"),
        *(f"toys.parquet/{Span(0, 60).name}", "report.html"),
        *(
            f"tables/{name}.csv"
            for name in ("errors", "correlations", "bin_pairs", "samples", "sets")
        ),
        *("tables/data.csv", "tables/response.csv", "tables/goodness.csv"),
        *("tables/paper.csv", "tables/impacts.csv"),
        *("tables/intervals.csv", "tables/likelihood_ratio.csv", "tables/optimal.csv"),
        *("tables/calibration.csv", "tables/calibration_lines.csv"),
        *(f"workspaces/{name}.json" for name in ("mine", "mine_joint")),
        *(
            f"figures/{name}.{ending}"
            for name in (
                *figures,
                "covariance",
                "postfit",
                "likelihood_ratio",
                "pull_ecdf_binned",
                "pull_ecdf_unbinned",
                "pull_ecdf_binned_optimal",
                "pull_ecdf_unbinned_optimal",
            )
            for ending in ("png",)
        ),
    }
    assert AuditConfig.from_toml(files / "out" / "audit.toml") == AuditConfig.from_toml(
        files / "mine.toml"
    )
    tomllib.loads((files / "out" / "audit.toml").read_text())
    assert not [p for p in files.iterdir() if p.name.startswith(".")]
    assert summary["schema"] == "pullfactory-audit/2"


def test_summary(summary: Any) -> None:
    assert summary["config"]["name"] == "mine"
    assert summary["provenance"]["seed"] == 5
    assert summary["independent"] is False
    assert summary["n_events"] == pytest.approx(N)
    keys = {(row["method"], row["parameter"]) for row in summary["errors"]}
    assert keys == {(m, p) for m in ("binned", "unbinned") for p in ("m", "jes")}
    for row in summary["errors"]:
        assert row["inflate_by"] == pytest.approx(row["actual_error"] / row["claimed_error"])
        k = ["m", "jes"].index(row["parameter"])
        if row["method"] == "binned":
            assert row["joint_error"] > 0
            assert 0 < row["template_noise"] < 0.3 * row["claimed_error"]
        matrix = summary["covariance"][row["method"]]
        assert matrix["parameters"] == ["m", "jes"]
        # Those of the fit of the data, which differ from what is expected by its fluctuation.
        assert matrix["claimed"][k][k] ** 0.5 == pytest.approx(row["claimed_error"], rel=0.2)
    roles = ["nominal", "m.up", "m.down", "jes.up", "jes.down", "data"]
    assert [row["role"] for row in summary["samples"]] == roles
    assert [row["rows"] for row in summary["samples"]] == [EVENTS] * 5 + [812]
    assert summary["unbinned"]["used"] is True
    assert summary["toys"] == {
        "n_toys": 60,
        "pool": EVENTS,
        "held_apart": 0.0,
        "reason": None,
    }
    assert summary["status"]["binned"]["converged"] == 60
    for rows in ("pulls", "shapes"):
        assert {row["rho"] for row in summary[rows]} == {None}
    assert len(summary["correlations"][0]["excess"]) == 20
    errors = {tuple(row["observables"]): row["actual_error"] for row in summary["sets"]}
    assert errors["x", "y"] > errors["x",]
    assert summary["do_not_pay"] == ["y"]


def test_tables(files: Path, summary: Any) -> None:
    for name, rows in (("errors", summary["errors"]), ("correlations", summary["correlations"])):
        with (files / "out" / "tables" / f"{name}.csv").open(newline="") as file:
            read = list(csv.DictReader(file))
        assert len(read) == len(rows)
        for row, wanted in zip(read, rows, strict=True):
            for key, text in row.items():
                value = wanted[key]
                assert (float(text) if isinstance(value, float) else text) == (
                    value if isinstance(value, float) else "" if value is None else str(value)
                )
    pairs = pd.read_csv(files / "out" / "tables" / "bin_pairs.csv")
    assert len(pairs) == 400
    assert pairs["excess"].to_numpy() == pytest.approx(
        np.array(summary["correlations"][0]["excess"]).ravel()
    )
    samples = pd.read_csv(files / "out" / "tables" / "samples.csv")
    assert list(samples["lacking_x"]) == [0] * 6
    data = pd.read_csv(files / "out" / "tables" / "data.csv")
    assert list(data["method"]) == ["binned"] * 2 + ["unbinned"] * 2


def test_toys(files: Path, summary: Any) -> None:
    table = pq.read_table(files / "out" / "toys.parquet")
    assert table.num_rows == 60 * 2 * 4
    frame = table.to_pandas()
    for row in summary["pulls"]:
        some = frame[(frame.method == row["method"]) & (frame.parameter == row["parameter"])]
        pulls = (some.estimate - some.truth) / some.error
        assert row["width"] == pytest.approx(pulls.std(ddof=1))
        assert row["n_toys"] == 60


def test_shapes_are_those_of_the_toys(files: Path, summary: Any) -> None:
    """The ECDF of claimed and corrected pulls, from the table of toys; no slices."""
    toys = pq.read_table(files / "out" / "toys.parquet").to_pandas()
    t = np.arange(1, 100) / 100
    assert len(summary["shapes"]) == 2 * 2 * 4
    for row in summary["shapes"]:
        own = toys[(toys["method"] == row["method"]) & (toys["parameter"] == row["parameter"])]
        error = own["error" if row["errors"] == "claimed" else "error_corrected"]
        u = norm.cdf((own["estimate"] - own["truth"]) / error)
        ecdf = (u[:, None] < t).mean(axis=0)
        assert (row["n"], row["sliced_by"]) == (60, None)
        assert row["ecdf"] == pytest.approx(ecdf)
        assert row["distance"] == pytest.approx(np.abs(ecdf - t).max())


def test_shift_of_toys_is_told_with_its_cause() -> None:
    """Few nominal events, and toys of others: the templates are off by half an error."""
    rng = np.random.default_rng(2)
    x = rng.normal(100.0, 10.0, 2000)
    config = {
        "name": "shifted",
        "poi": "m",
        "replicas": 10,
        "workspace": {"n_bins": 6},
        "toys": {"n_toys": 400, "held_apart": 0.5, "unbinned": "none"},
        "parameter": [{"name": "m", "constraint": "free"}],
        "observable": [{"name": "x"}],
        "samples": {
            "nominal": {"in_memory": True, "events": 500.0},
            "m": {side: {"observables": {"x": f"x {sign} 1"}} for side, sign in SIDES},
        },
    }
    result = audit(config, {"nominal": {"x": x}}, workers=1)
    (row,), (error,) = result.pulls, result.rows
    assert row.pulls.mean is not None
    assert error.template_noise is not None
    (remark,) = (one for one in result.remarks if one.kind == "shift")
    part = error.template_noise / error.claimed_error
    assert 0.3 < abs(row.pulls.mean) < 3 * part
    assert remark.text.endswith(
        f", because the noise of the nominal templates is {part:.2f} of its error"
    )
    assert result.summary()["remarks"][0]["text"] == remark.text


def test_templates(files: Path, summary: Any) -> None:
    """UHI histograms that hist reads; the nominal ones are those of the workspace."""
    text = (files / "out" / "templates.json").read_text()
    read = json.loads(text, object_hook=uhi.io.json.object_hook)
    spec = strictly((files / "out" / "workspaces" / "mine.json").read_text())
    for channel in spec["channels"]:
        histogram = hist.Hist(read[channel["name"]])
        assert next(iter(histogram.axes[0])) == "nominal"
        values, variances = histogram.values()[0], histogram.variances()
        assert variances is not None
        assert values == pytest.approx(np.array(channel["samples"][0]["data"]))
        # Events of weight 1: the variance of the counts is their number.
        assert variances[0] == pytest.approx(values * N / EVENTS)
        edges = summary["binning"][channel["name"]]["edges"]
        assert histogram.axes[1].edges == pytest.approx(edges)


def test_workspaces(files: Path, summary: Any) -> None:
    """Valid for pyhf; all events are in each channel, and in the joint one."""
    for name, channels in (("mine", ["x", "y"]), ("mine_joint", ["joint"])):
        spec = strictly((files / "out" / "workspaces" / f"{name}.json").read_text())
        pyhf.schema.validate(spec, "workspace.json")
        workspace = pyhf.Workspace(spec)
        assert list(workspace.channels) == channels
        model = workspace.model()
        rates = np.asarray(model.expected_actualdata(model.config.suggested_init()))
        assert rates.sum() == pytest.approx(N * len(channels))
        assert model.config.poi_name == "m"
    observed = pyhf.Workspace(
        strictly((files / "out" / "workspaces" / "mine.json").read_text())
    ).observations
    assert {name: sum(data) for name, data in observed.items()} == {"x": 812, "y": 812}
    rows = {r["parameter"]: r for r in summary["errors"] if r["method"] == "binned"}
    # Fisher information of m alone with both observables, jes known, correlation known:
    a, b, rho = 0.1, 0.06, 0.5
    least = (N * (a**2 + b**2 - 2 * rho * a * b) / (1 - rho**2)) ** -0.5
    assert rows["m"]["joint_error"] > 0.97 * least
    alone = [s["actual_error"] for s in summary["sets"] if s["observables"] == ["x"]]
    assert rows["m"]["joint_error"] < 1.1 * alone[0]


# --- the data -------------------------------------------------------------------------------------


@pytest.fixture
def numpy_backend() -> Any:
    before = pyhf.get_backend()
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3, strategy=2))
    yield
    pyhf.set_backend(*before)


@pytest.mark.usefixtures("numpy_backend")
def test_data_beside_pyhf(files: Path, summary: Any) -> None:
    """The written workspace fitted by pyhf with Minuit; its parameters are in steps."""
    workspace = pyhf.Workspace(strictly((files / "out" / "workspaces" / "mine.json").read_text()))
    model = workspace.model()
    fitted = np.asarray(pyhf.infer.mle.fit(workspace.data(model), model, return_uncertainties=True))
    (binned, unbinned) = summary["data"]
    assert binned["status"] == "converged"
    for row in binned["estimates"]:
        step = 2.0 if row["parameter"] == "m" else 1.0
        best, error = step * fitted[model.config.par_slice(row["parameter"]).start]
        assert abs(row["estimate"] - best) < 0.01 * error
        assert row["claimed_error"] == pytest.approx(error, rel=0.02)
    # Both methods look at the same events; binning loses a little. Truth: a shift of 0.7, in the
    # sense of 2 per step of 2 GeV.
    for fit in (binned, unbinned):
        (row,) = (r for r in fit["estimates"] if r["parameter"] == "m")
        assert abs(row["estimate"] - 0.7) < 3 * row["sandwich_error"]
        assert row["sandwich_error"] > row["claimed_error"]


def test_sandwich_beside_bootstrap(files: Path, summary: Any) -> None:
    """200 replicas give the bootstrap to 5 %, and it says so."""
    fixed = audit(
        AuditConfig.from_toml(files / "mine.toml").with_settings(
            {"n_events_law": "fixed", "toys.n_toys": 0}
        ),
        base=files,
    )
    for data in (summary["data"], fixed.summary()["data"]):
        assert [fit["method"] for fit in data] == ["binned", "unbinned"]
        for fit in data:
            assert fit["bootstrap_failed"] == 0
            assert fit["bootstrap_groups"] is None
            for row in fit["estimates"]:
                assert row["bootstrap_error"] == pytest.approx(row["sandwich_error"], rel=4 * 0.05)
                part = row["bootstrap_error_error"] / row["bootstrap_error"]
                assert part == pytest.approx(1 / np.sqrt(2 * 199))


def test_channels_of_the_data(summary: Any) -> None:
    for channel in summary["data"][0]["channels"]:
        assert sum(channel["observed"]) == 812
        assert sum(channel["before"]) == pytest.approx(N)
        after, error = np.array(channel["after"]), np.array(channel["after_error"])
        pulls = (np.array(channel["observed"]) - after) / after**0.5
        # Poisson counts: chi-square of 20 bins; less than 50 but once in 5 000 times.
        assert 4 < np.sum(pulls**2) < 50
        assert np.all((error > 0) & (error < 0.3 * after))
    assert summary["data"][1]["channels"] == []


# --- options --------------------------------------------------------------------------------------


def test_options(files: Path, invoke: Invoke, tmp_path: Path, monkeypatch: Any) -> None:
    """Without toys, with other settings, as JSON, and a folder of ours is replaced."""
    monkeypatch.chdir(tmp_path)
    quick = ("--n-toys", "0", "--set", "toys.unbinned=none")
    arguments = ("audit", files / "mine.toml", *quick, "--seed", "9")
    monkeypatch.setattr("pullfactory.results.result.write_figures", lambda *_, **__: ())
    done = invoke(*arguments, "--set", "workspace.n_bins=10", "--set", "replicas=20", "--json")
    assert done.returncode == 0, done.stderr
    printed = strictly(done.stdout)
    folder = tmp_path / "results" / "mine"
    assert printed == strictly((folder / "audit.json").read_text())
    assert printed["config"]["seed"] == 9
    assert len(printed["binning"]["x"]["edges"]) == 11
    assert printed["toys"]["reason"] == "toys.n_toys = 0"
    assert printed["pulls"] == []
    assert not (folder / "toys.parquet").exists()
    (folder / "stale.txt").write_text("old")
    again = (*arguments, "--set", "replicas=20", "--set", "samples.nominal.events=400.0")
    assert "stale.txt" in invoke(*again).stderr
    (folder / "stale.txt").unlink()
    assert (outcome := invoke(*again)).returncode == 0, outcome.stderr
    assert strictly((folder / "audit.json").read_text())["n_events"] == pytest.approx(400)


def test_folder_of_others_is_refused(files: Path, invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    done = invoke("audit", files / "mine.toml", "-o", tmp_path)
    assert done.returncode == 2
    assert "holds something else than a result of pullfactory: 'thesis.tex'" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.fixture(scope="module")
def quickly(files: Path) -> AuditResult:
    """An audit without toys."""
    settings = {"toys.n_toys": 0, "toys.unbinned": "none", "replicas": 10}
    return audit(AuditConfig.from_toml(files / "mine.toml").with_settings(settings), base=files)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("no table"), OSError("full")])
def test_folder_appears_whole_or_not_at_all(
    quickly: AuditResult, tmp_path: Path, monkeypatch: Any, error: BaseException
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("pullfactory.results.result.write_numbers", fail)
    old = tmp_path / "out"
    old.mkdir()
    earlier = {"schema": "pullfactory-audit/1", "config": {"name": "mine", "parameter": []}}
    (old / "audit.json").write_text(json.dumps({**earlier, "errors": [], "pulls": []}))
    expected = OutputError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        quickly.write(old)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert [p.name for p in old.iterdir()] == ["audit.json"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--n-toys", "-1"], "toys.n_toys = -1"),
        (["--n-toys", "many"], "toys.n_toys"),
        (["--set", "toys.n_toyz=3"], "toys.n_toyz"),
        (["--set", "observable.q.n_bins=3"], "observable.q"),
        (["--workers", "0"], "workers"),
    ],
)
def test_bad_options(
    files: Path, invoke: Invoke, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    done = invoke("audit", files / "mine.toml", "-o", tmp_path / "out", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


# --- the template of a configuration --------------------------------------------------------------


def test_filled_in_template(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`init --audit` writes a file that runs once its files are there."""
    monkeypatch.chdir(tmp_path)
    assert invoke("init", "--audit", "a.toml").returncode == 0
    rng = np.random.default_rng(1)
    for name, mass in (("nominal", 172.0), ("mass_up", 173.0), ("mass_down", 171.0)):
        w = 80 + 8 * rng.standard_normal((2, 5_000))
        top = mass + 10 * rng.standard_normal(5_000) + 0.3 * (w.mean(axis=0) - 80)
        pd.DataFrame({"m_t": top, "m_W1": w[0], "m_W2": w[1]}).to_csv(f"{name}.csv", index=False)
    text = Path("a.toml").read_text().replace("nominal_*.root", "nom*.csv").replace(".root", ".csv")
    Path("a.toml").write_text(text)
    monkeypatch.setattr("pullfactory.results.result.write_figures", lambda *_, **__: ())
    done = invoke("audit", "a.toml", "--n-toys", "0")
    assert done.returncode == 0, done.stderr
    assert "\nMay m_t, m_W be fitted as if they were independent?" in done.stdout
    # All that is commented out is a key that there is, with the default that it is said to have.
    shown: dict[str, Any] = {}
    config = AuditConfig.from_toml("a.toml")
    for line in text.splitlines():
        if line.startswith(("# seed =", "# replicas =", "# n_events_law =")):
            shown |= tomllib.loads(line.removeprefix("# "))
    assert shown == {key: getattr(config, key) for key in ("seed", "replicas", "n_events_law")}


# --- Python ---------------------------------------------------------------------------------------


def test_forms_of_the_configuration(files: Path) -> None:
    """A file, a mapping and an object are the same; files are relative to the TOML's folder."""
    assert pullfactory.audit is audit
    quick = {
        "toys": {"n_toys": 0, "unbinned": "none"},
        "replicas": 20,
        "workspace": {"n_bins": 6},
        "joint": {"n_bins": 0},
    }
    content = {**tomllib.loads(CONFIG), **quick}
    (files / "quick.toml").write_text(AuditConfig.from_dict(content).to_toml())
    summaries = [
        audit(files / "quick.toml").summary(),
        audit(str(files / "quick.toml")).summary(),
        audit(content, base=files).summary(),
        audit(AuditConfig.from_dict(content), base=str(files)).summary(),
    ]
    for one in summaries[1:]:
        assert one == summaries[0]
    assert summaries[0]["unbinned"] == {
        "used": False,
        "reason": 'toys.unbinned = "none"',
        "misfit": None,
    }


def test_arrays_of_data() -> None:
    """Data from memory, and weights that data do not have."""
    rng = np.random.default_rng(3)
    tables: dict[str, dict[str, NDArray[Any]]] = {
        role: {"x": rng.normal(100, 10, n), "y": rng.normal(50, 5, n)}
        for role, n in (("nominal", 20_000), ("data", 700))
    }
    tables["nominal"]["w"] = np.full(20_000, 0.04)
    content = tomllib.loads(CONFIG) | {"toys": {"n_toys": 0}, "replicas": 20, "weight": "w"}
    content["samples"]["nominal"] = {"in_memory": True, "scale": 1.0}
    content["samples"]["data"] = {"in_memory": True}
    result = audit(content, tables)
    assert result.n_events == pytest.approx(800)
    assert sum(result.data[0].channels[0].observed) == 700
