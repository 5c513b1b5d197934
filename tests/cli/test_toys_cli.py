"""`pullfactory toys`: the same as the Python interface; bad input ends with one line."""

import copy
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyhf
import pytest

from pullfactory import BinnedLikelihood, ToysResult, read_summary, read_workspace, run_toys
from pullfactory.errors import WorkspaceError
from pullfactory.results.part import Span

Invoke = Callable[..., CompletedProcess[str]]

TOYS = 16
SPEC: dict[str, Any] = {
    "channels": [
        {
            "name": "SR",
            "samples": [
                {
                    "name": "signal",
                    "data": [20.0, 40.0, 10.0],
                    "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
                },
                {
                    "name": "background",
                    "data": [200.0, 100.0, 80.0],
                    "modifiers": [
                        {"name": "k", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
                        {"name": "stat", "type": "shapesys", "data": [8.0, 5.0, 4.0]},
                    ],
                },
            ],
        }
    ],
    "observations": [{"name": "SR", "data": [223, 146, 87]}],
    "measurements": [
        {"name": "first", "config": {"poi": "mu", "parameters": []}},
        {"name": "second", "config": {"poi": "", "parameters": [{"name": "k", "fixed": True}]}},
    ],
    "version": "1.0.0",
}
DOUBLE = [{"op": "replace", "path": "/channels/0/samples/0/data", "value": [40.0, 80.0, 20.0]}]
SHIFT = [{"op": "replace", "path": "/channels/0/samples/0/data", "value": [10.0, 40.0, 30.0]}]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a workspace."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.json").write_text(json.dumps(SPEC))
    return tmp_path


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pullfactory.results.result.write_figures", lambda *_, **__: ())


@pytest.fixture(scope="module")
def likelihood() -> BinnedLikelihood:
    return BinnedLikelihood.from_pyhf(pyhf.Workspace(SPEC))


def strictly(text: str) -> Any:
    """JSON without NaN."""
    return json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} in JSON"))


def patch_set(**changes: Any) -> dict[str, Any]:
    """Two patches of the workspace."""
    patches = {"double": DOUBLE, "shift": SHIFT}
    return {
        "metadata": {
            "references": {"hepdata": "ins1234567"},
            "description": "signals",
            "digests": {"sha256": pyhf.utils.digest(SPEC)},
            "labels": ["strength"],
        },
        "patches": [
            {"metadata": {"name": name, "values": [value]}, "patch": patch}
            for value, (name, patch) in enumerate(patches.items())
        ],
        "version": "1.0.0",
        **changes,
    }


# --- what comes out --------------------------------------------------------------------------


@pytest.mark.usefixtures("no_figures")
def test_errors_of_the_parameter_of_interest(
    invoke: Invoke, here: Path, likelihood: BinnedLikelihood
) -> None:
    outcome = invoke("toys", "small.json", "--n-toys", TOYS, "--errors", "poi")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    folder = here / "results" / "small_toys"
    (row,) = read_summary(folder)["pulls"]
    whole = run_toys(likelihood, TOYS, 0)
    assert row == next(pull.to_dict() for pull in whole.pulls if pull.pulls.parameter == "mu")
    table = pq.read_table(folder / "toys.parquet")
    assert table.num_rows == TOYS * 5
    assert table["estimate"].null_count == 0
    known = table.filter(pc.is_valid(table["error"]))
    assert known["parameter"].to_pylist() == ["mu"] * TOYS
    assert [pull.pulls.parameter for pull in ToysResult.read(folder).pulls] == ["mu"]
    again = invoke("toys", "small.json", "--n-toys", 2 * TOYS)
    assert again.returncode == 0
    assert len(read_summary(folder)["pulls"]) == 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fix", "mu"], "'mu' is fixed"),
        (["--measurement", "second"], "no parameter of interest"),
    ],
)
def test_no_parameter_of_interest(invoke: Invoke, options: list[str], words: str) -> None:
    outcome = invoke("toys", "small.json", "--errors", "poi", *options)
    assert outcome.returncode == 2
    assert words in outcome.stderr


def test_folder_tables_and_figures(invoke: Invoke, here: Path) -> None:
    outcome = invoke("toys", "small.json", "--n-toys", TOYS)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    *lines, summary, figures, report = outcome.stdout.rstrip().splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.strip()}
    assert {"mu", "k", "stat[0]", "stat[1]", "stat[2]"} <= set(rows)
    assert rows["converged"] == [str(TOYS), "100"]
    assert summary.split() == ["Summary", "results/small_toys/summary.json"]
    assert figures.split() == ["Figures", "results/small_toys/figures"]
    assert report.split() == ["Report", "results/small_toys/report.html"]
    folder = here / "results" / "small_toys"
    names = ("pulls", "pull_ecdf", "minimum_nll", "correlation")
    drawn = {f"figures/{name}.png" for name in names}
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    part = f"toys.parquet/{Span(0, TOYS).name}"
    assert files == {"manifest.json", "report.html", "summary.json", part, *drawn}
    assert strictly((folder / "summary.json").read_text()) == read_summary(folder)
    assert pq.read_table(folder / "toys.parquet").num_rows == TOYS * 5


CHOICES: dict[str, tuple[list[str], Callable[[BinnedLikelihood], ToysResult]]] = {
    "seed": (["--seed", "5"], lambda found: run_toys(found, TOYS, 5)),
    "truth init": (["--truth", "init"], lambda found: run_toys(found, TOYS, 0)),
    "truth fit": (["--truth", "fit"], lambda found: run_toys(found, TOYS, 0, truth="fit")),
    "truth by name": (
        ["--truth", "mu=0.5, stat=1.1"],
        lambda found: run_toys(found, TOYS, 0, truth={"mu": 0.5, "stat": 1.1}),
    ),
    "ensemble": (
        ["--ensemble", "prior"],
        lambda found: run_toys(found, TOYS, 0, ensemble="prior"),
    ),
    "fix": (
        ["--fix", "k", "--fix", "stat[1]"],
        lambda found: run_toys(found.fix({"k": None, "stat[1]": None}), TOYS, 0),
    ),
    "fix at a value": (
        ["--fix", "k=-1"],
        lambda found: run_toys(found.fix({"k": -1.0}), TOYS, 0),
    ),
    "free": (["--free", "k"], lambda found: run_toys(found.free(["k"]), TOYS, 0)),
    "workers": (["--workers", "2"], lambda found: run_toys(found, TOYS, 0, workers=1)),
}


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(("options", "in_python"), CHOICES.values(), ids=CHOICES.keys())
def test_options_do_what_python_does(
    invoke: Invoke,
    here: Path,
    likelihood: BinnedLikelihood,
    options: list[str],
    in_python: Callable[[BinnedLikelihood], ToysResult],
) -> None:
    outcome = invoke("toys", "small.json", "--n-toys", TOYS, "--json", "-o", "out", *options)
    assert outcome.returncode == 0
    result = in_python(likelihood)
    summary = strictly(outcome.stdout)
    assert summary == read_summary(here / "out") == result.summary()
    assert pq.read_table(here / "out" / "toys.parquet").equals(result.toys.read())
    assert not (here / "results").exists()


def test_what_the_options_change(likelihood: BinnedLikelihood) -> None:
    """That the choices above differ, and how."""
    plain = run_toys(likelihood, TOYS, 0)
    assert plain.truth["mu"] == 1.0
    fitted = CHOICES["truth fit"][1](likelihood)
    assert fitted.truth["mu"] not in (0.0, 1.0)
    assert CHOICES["truth by name"][1](likelihood).truth["stat[2]"] == 1.1
    assert CHOICES["fix"][1](likelihood).parameters == ("mu", "stat[0]", "stat[2]")
    assert CHOICES["fix at a value"][1](likelihood).truth["k"] == -1.0
    drawn = CHOICES["ensemble"][1](likelihood).toys.read().filter(pc.field("parameter") == "k")
    assert len(drawn["truth"].unique()) == TOYS
    assert claimed_error(plain, "k") < claimed_error(CHOICES["free"][1](likelihood), "k")


def claimed_error(result: ToysResult, parameter: str) -> float:
    (found,) = (row.pulls for row in result.pulls if row.pulls.parameter == parameter)
    assert found.claimed_error is not None
    return found.claimed_error


@pytest.mark.usefixtures("no_figures")
def test_measurement_and_codes(invoke: Invoke, here: Path) -> None:
    outcome = invoke(
        *("toys", "small.json", "--n-toys", TOYS, "--json", "-o", "out"),
        *("--measurement", "second", "--modifier-settings", "normsys=code1,histosys=code0"),
    )
    found = BinnedLikelihood.from_pyhf(
        read_workspace(here / "small.json"),
        measurement="second",
        modifier_settings={"normsys": "code1", "histosys": "code0"},
    )
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert found.poi is None
    assert strictly(outcome.stdout) == run_toys(found, TOYS, 0).summary()
    assert "k" not in strictly(outcome.stdout)["correlation"]["parameters"]


@pytest.mark.usefixtures("no_figures")
def test_standard_input(invoke: Invoke, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"\xef\xbb\xbf" + json.dumps(SPEC).encode()  # some editors begin a file like this
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    piped = invoke("toys", "-", "--n-toys", TOYS, "--json")
    assert [path.name for path in (here / "results").iterdir()] == ["toys"]
    assert strictly(piped.stdout) == read_summary(here / "results" / "toys")
    direct = invoke("toys", "small.json", "--n-toys", TOYS, "--json")
    assert piped.stdout == direct.stdout


@pytest.mark.usefixtures("no_figures")
def test_patches(invoke: Invoke, here: Path, likelihood: BinnedLikelihood) -> None:
    (here / "double.json").write_text(json.dumps(DOUBLE))
    (here / "set.json").write_text(json.dumps(patch_set()))
    command = ("toys", "small.json", "--n-toys", TOYS, "--json", "-o", "out")
    alone = invoke(*command, "--patch", "double.json")
    of_a_set = invoke(*command, "--patch", "set.json#double")
    assert (alone.returncode, alone.stderr) == (0, "")
    assert alone.stdout == of_a_set.stdout
    patched = read_workspace(SPEC, patches=["set.json#double"])
    assert strictly(alone.stdout) == run_toys(BinnedLikelihood.from_pyhf(patched), 16, 0).summary()
    assert strictly(alone.stdout) != run_toys(likelihood, TOYS, 0).summary()


def test_patches_apply_in_order(here: Path) -> None:
    (here / "double.json").write_text(json.dumps(DOUBLE))
    (here / "shift.json").write_text(json.dumps(SHIFT))
    both = read_workspace(pyhf.Workspace(SPEC), patches=["double.json", here / "shift.json"])
    assert both["channels"][0]["samples"][0]["data"] == [10.0, 40.0, 30.0]
    assert SPEC["channels"][0]["samples"][0]["data"] == [20.0, 40.0, 10.0]


def test_workspace_and_model_are_the_same(likelihood: BinnedLikelihood) -> None:
    bare = BinnedLikelihood.from_pyhf(pyhf.Workspace(SPEC).model(measurement_name="first"))
    assert run_toys(bare, TOYS, 3).summary() == run_toys(likelihood, TOYS, 3).summary()


# --- failures --------------------------------------------------------------------------------


# Bounds nearer than the error of a parameter that the data do not measure: no error is one.
FAILING = ("toys", "narrow.json", "--n-toys", str(TOYS), "--ensemble", "prior")


@pytest.fixture
def narrow(here: Path) -> None:
    spec = copy.deepcopy(SPEC)
    spec["channels"][0]["samples"][1]["modifiers"][0]["data"] = {"hi": 1.001, "lo": 0.999}
    spec["measurements"][0]["config"]["parameters"] = [{"name": "k", "bounds": [[-0.4, 0.4]]}]
    (here / "narrow.json").write_text(json.dumps(spec))


@pytest.mark.usefixtures("narrow")
def test_too_many_failed(invoke: Invoke, here: Path) -> None:
    outcome = invoke(*FAILING)
    assert outcome.returncode == 1
    assert outcome.stderr == (
        f"binned: of {TOYS} fits {TOYS} not_positive_definite\n"
        "Error: 100.0% of the fits failed, more than --max-failed 0.05; everything is written\n"
    )
    assert re.search(rf"not positive definite +{TOYS} +100", outcome.stdout)
    folder = here / "results" / "narrow_toys"
    summary = strictly((folder / "summary.json").read_text())
    assert summary["status"]["binned"]["not_positive_definite"] == TOYS
    assert summary["correlation"]["fitted"] is None
    assert all(row["width"] is None and row["n_failed"] == TOYS for row in summary["pulls"])
    assert pq.read_table(folder / "toys.parquet")["error"].null_count == TOYS * 5
    assert len(list((folder / "figures").iterdir())) == 5  # failures among them
    assert len((folder / "failures.csv").read_text().splitlines()) == 1 + TOYS
    assert "mu: too few fits give an error" in (folder / "report.html").read_text()


@pytest.mark.usefixtures("no_figures", "narrow")
def test_failures_that_are_allowed(invoke: Invoke, here: Path) -> None:
    allowed = invoke(*FAILING, "--json", "-o", "out", "--max-failed", "1")
    refused = invoke(*FAILING, "--json", "-o", "out", "--max-failed", "0.999")
    assert (allowed.returncode, refused.returncode) == (0, 1)
    assert allowed.stderr == f"binned: of {TOYS} fits {TOYS} not_positive_definite\n"
    assert strictly(allowed.stdout) == strictly(refused.stdout) == read_summary(here / "out")


# --- bad input -------------------------------------------------------------------------------


def assert_refused(outcome: CompletedProcess[str], complaint: str) -> None:
    assert outcome.stderr == f"Error: {complaint}\n"
    assert (outcome.returncode, outcome.stdout) == (2, "")


NOT_AN_OBJECT = (
    "not an object with channels, observations, measurements and version; give a pyhf workspace"
)
SCHEMA = "mend it as pyhf's schema asks"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[]", f" is [], {NOT_AN_OBJECT}"),
        ("3", f" is 3, {NOT_AN_OBJECT}"),
        ("null", f" is None, {NOT_AN_OBJECT}"),
        ("", " is no JSON (Expecting value: line 1 column 1 (char 0)); give a JSON file"),
        ('{"version": NaN}', ": NaN is no finite number, as JSON has; give one"),
        ('{"version": 1e999}', ": 1e999 is no finite number, as JSON has; give one"),
        ("{}", f" is not valid: 'channels' is a required property; {SCHEMA}"),
    ],
)
def test_what_is_no_workspace(invoke: Invoke, here: Path, content: str, complaint: str) -> None:
    (here / "small.json").write_text(content)
    assert_refused(invoke("toys", "small.json"), f"workspace 'small.json'{complaint}")
    assert [path.name for path in here.iterdir()] == ["small.json"]


def test_what_no_parser_reads(invoke: Invoke, here: Path) -> None:
    for content in (b"\xff\xfe\xfd", b"[" * 100_000):
        (here / "small.json").write_bytes(content)
        outcome = invoke("toys", "small.json")
        assert outcome.stderr.startswith("Error: workspace 'small.json' is no JSON (")
        assert (outcome.stderr.count("\n"), outcome.returncode) == (1, 2)


def test_long_values_are_shortened(here: Path) -> None:
    (here / "small.json").write_text(json.dumps(list(range(10_000))))
    with pytest.raises(WorkspaceError) as complaint:
        read_workspace("small.json")
    assert len(str(complaint.value)) < 300


MU = "measurements", 0, "config", "parameters"
CHANNEL = "channels", 0, "samples"
SPOILT: dict[str, tuple[tuple[str | int, ...], Any, str]] = {
    "version": (
        ("version",),
        "9.9.9",
        (
            f"workspace 'small.json' has version '9.9.9', which pyhf {pyhf.__version__} does not "
            "read; it reads '1.0.0'"
        ),
    ),
    "no measurement": (
        ("measurements",),
        [],
        f"workspace 'small.json' is not valid: measurements: [] should be non-empty; {SCHEMA}",
    ),
    "type": (
        ("observations", 0, "data", 1),
        "many",
        (
            "workspace 'small.json' is not valid: observations[0].data[1]: 'many' is not of type "
            f"'number'; {SCHEMA}"
        ),
    ),
    "parameter of interest": (
        ("measurements", 0, "config", "poi"),
        "nu",
        (
            "pyhf refuses the model of measurement 'first': The parameter of interest 'nu' cannot "
            "be fit as it is not declared in the model specification."
        ),
    ),
    "lumi": (
        (*CHANNEL, 1, "modifiers", 0),
        {"name": "lumi", "type": "lumi", "data": None},
        (
            "pyhf cannot build the model of measurement 'first' (TypeError: 'NoneType' object is "
            "not iterable); does it give each lumi parameter its inits, bounds, auxdata and sigmas?"
        ),
    ),
    "bins of a sample": (
        (*CHANNEL, 1, "data"),
        [1.0],
        (
            "workspace 'small.json': channel 'SR', sample 'background', its data are for 1, but "
            "sample 'signal' of the channel has 3 bins; give one number for each bin"
        ),
    ),
    "bins of a modifier": (
        (*CHANNEL, 1, "modifiers", 0),
        {"name": "stat", "type": "shapesys", "data": [8.0, 5.0]},
        (
            "workspace 'small.json': channel 'SR', sample 'background', modifier 'stat' "
            "(shapesys): its uncertainties are for 2, but sample 'signal' of the channel has 3 "
            "bins; give one number for each bin"
        ),
    ),
    "bins of one side": (
        (*CHANNEL, 1, "modifiers", 0),
        {"name": "k", "type": "histosys", "data": {"hi_data": [1.0] * 3, "lo_data": [1.0] * 4}},
        (
            "workspace 'small.json': channel 'SR', sample 'background', modifier 'k' (histosys): "
            "lo_data are for 4, but sample 'signal' of the channel has 3 bins; give one number for "
            "each bin"
        ),
    ),
    "observations of another channel": (
        ("observations", 0, "name"),
        "CR",
        "channel 'SR' has 3 bins, but observations for none; give one number for each bin",
    ),
    "too few observations": (
        ("observations", 0, "data"),
        [1.0],
        "channel 'SR' has 3 bins, but observations for 1; give one number for each bin",
    ),
    "beginning outside the bounds": (
        MU,
        [{"name": "mu", "inits": [5.0], "bounds": [[0.0, 1.0]]}],
        (
            "parameter 'mu' begins at 5, outside its bounds [0, 1]; change its inits or bounds in "
            "measurement 'first'"
        ),
    ),
    "bounds upside down": (
        MU,
        [{"name": "mu", "bounds": [[3.0, 0.0]], "fixed": True}],
        (
            "parameter 'mu' begins at 1, outside its bounds [3, 0]; change its inits or bounds in "
            "measurement 'first'"
        ),
    ),
    "negative rate": (
        (*CHANNEL, 1, "data", 2),
        -80.0,
        (
            "channel 'SR', bin 2: expected rate -70 where fits begin (sample 'background' has -80 "
            "there); rates from 0 to 1e+15 can be fitted: mend the sample, or the initial values "
            "of its parameters"
        ),
    ),
}


@pytest.mark.parametrize(("path", "value", "complaint"), SPOILT.values(), ids=SPOILT.keys())
def test_spoilt_workspace(
    invoke: Invoke, here: Path, path: tuple[Any, ...], value: Any, complaint: str
) -> None:
    spec = copy.deepcopy(SPEC)
    place = spec
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    (here / "small.json").write_text(json.dumps(spec))
    assert_refused(invoke("toys", "small.json"), complaint)
    assert [path.name for path in here.iterdir()] == ["small.json"]


def test_fixed_parameter_may_stand_outside_its_bounds() -> None:
    spec = copy.deepcopy(SPEC)
    outside = {"name": "mu", "inits": [5.0], "bounds": [[0.0, 1.0]], "fixed": True}
    spec["measurements"][0]["config"]["parameters"] = [outside]
    assert BinnedLikelihood.from_pyhf(read_workspace(spec)).held.sum() == 1


@pytest.mark.parametrize(("key", "values"), [("bounds", [[0.0, 2.0]] * 2), ("inits", [1.0] * 2)])
def test_settings_for_more_values_than_a_parameter_has(key: str, values: list[object]) -> None:
    spec = copy.deepcopy(SPEC)
    given = {"inits": [1.0], "bounds": [[0.0, 2.0]], "auxdata": [1.0], "sigmas": [0.1], key: values}
    spec["channels"][0]["samples"][0]["modifiers"].append(
        {"name": "lumi", "type": "lumi", "data": None}  # pyhf looks at those of all others
    )
    spec["measurements"][0]["config"]["parameters"] = [{"name": "lumi", **given}]
    complaint = f"gives 2 {key} to parameter 'lumi', which has 1 values; give one for each"
    with pytest.raises(WorkspaceError, match=complaint):
        BinnedLikelihood.from_pyhf(read_workspace(spec))


NO_PATCH = "give a list of operations, each with op, path and mostly value"


@pytest.mark.parametrize(
    ("content", "name", "complaint"),
    [
        (3, "", f"patch 'p.json' is no JSON patch (3); {NO_PATCH}"),
        ("a", "", f"patch 'p.json' is no JSON patch ('a'); {NO_PATCH}"),
        (
            [{"op": "turn", "path": "/version"}],
            "",
            f"patch 'p.json' is no JSON patch (Unknown operation 'turn'); {NO_PATCH}",
        ),
        (
            [{"op": "remove", "path": "/nothing"}],
            "",
            (
                "patch 'p.json' does not apply to the workspace (can't remove a non-existent "
                "object 'nothing'); is it made for this one?"
            ),
        ),
        (
            [{"op": "add", "path": "/version/x", "value": 1}],
            "",
            (
                "patch 'p.json' does not apply to the workspace (Cannot apply token 'x' to "
                "non-container type <class 'str'>); is it made for this one?"
            ),
        ),
        (
            [{"op": "replace", "path": "", "value": [1]}],
            "",
            f"workspace 'small.json' with patch 'p.json' is [1], {NOT_AN_OBJECT}",
        ),
        (
            [{"op": "remove", "path": "/observations"}],
            "",
            (
                "workspace 'small.json' with patch 'p.json' is not valid: 'observations' is a "
                f"required property; {SCHEMA}"
            ),
        ),
        (DOUBLE, "#double", "patch 'p.json' is no patch set; leave out '#double'"),
        (
            patch_set(),
            "",
            "'p.json' is a patch set; choose one of its 2 as p.json#NAME, from double, shift",
        ),
        (
            patch_set(),
            "#triple",
            (
                "'p.json' has no patch 'triple'; choose one of its 2 as p.json#NAME, "
                "from double, shift"
            ),
        ),
        (
            patch_set(patches=3),
            "#double",
            f"patch set 'p.json' is not valid: patches: 3 is not of type 'array'; {SCHEMA}",
        ),
        (
            patch_set(patches=[{"patch": DOUBLE}]),
            "#double",
            (
                "patch set 'p.json' is not valid: patches[0]: 'metadata' is a required property; "
                f"{SCHEMA}"
            ),
        ),
        (
            patch_set(metadata=3),
            "#double",
            f"patch set 'p.json' is not valid: metadata: 3 is not of type 'object'; {SCHEMA}",
        ),
        (
            patch_set(version="9.9.9"),
            "#double",
            (
                f"patch set 'p.json' has version '9.9.9', which pyhf {pyhf.__version__} does "
                "not read; it reads '1.0.0'"
            ),
        ),
        (
            patch_set(metadata=patch_set()["metadata"] | {"labels": []}),
            "#double",
            f"patch set 'p.json' is not valid: metadata.labels: [] should be non-empty; {SCHEMA}",
        ),
        (
            patch_set(metadata=patch_set()["metadata"] | {"labels": ["x", "y"]}),
            "#double",
            (
                "patch set 'p.json' is refused by pyhf: Incompatible number of values (1 for "
                f"{json.dumps(DOUBLE)} in patchset. Expected 2."
            ),
        ),
        (
            patch_set(metadata=patch_set()["metadata"] | {"digests": {"md5": "0" * 32}}),
            "#double",
            (
                "patch set 'p.json' is made for another workspace: the digests differ; patch that "
                "one, or take the patch out with 'pyhf patchset extract'"
            ),
        ),
    ],
)
def test_bad_patch(invoke: Invoke, here: Path, content: Any, name: str, complaint: str) -> None:
    (here / "p.json").write_text(json.dumps(content))
    assert_refused(invoke("toys", "small.json", "--patch", f"p.json{name}"), complaint)
    assert {path.name for path in here.iterdir()} == {"p.json", "small.json"}


READABLE = "give a JSON file, or - for standard input"
KNOWN = "known: mu, k, stat[0], stat[1], stat[2]"
OPTIONS = {
    "no such file": (
        ["nowhere.json"],
        f"workspace 'nowhere.json' cannot be read (No such file or directory); {READABLE}",
    ),
    "folder for a file": (["."], f"workspace '.' cannot be read (Is a directory); {READABLE}"),
    "no such patch": (
        ["small.json", "--patch", "nowhere.json"],
        f"patch 'nowhere.json' cannot be read (No such file or directory); {READABLE}",
    ),
    "measurement": (
        ["small.json", "--measurement", "third"],
        "measurement 'third' is not in the workspace; known: first, second",
    ),
    "unknown code": (
        ["small.json", "--modifier-settings", "normsys=code9"],
        (
            "modifier setting normsys=code9 is unknown; normsys: code1, code4; "
            "histosys: code0, code2, code4p"
        ),
    ),
    "unknown true parameter": (
        ["small.json", "--truth", "nu=1"],
        f"'nu' is no parameter of the model; {KNOWN}",
    ),
    "truth outside its bounds": (
        ["small.json", "--truth", "mu=1,stat=20"],
        "parameter 'stat[0]' = 20 is outside its bounds [1e-10, 10]",
    ),
    "unknown fixed parameter": (
        ["small.json", "--fix", "nu"],
        f"'nu' is no parameter of the model; {KNOWN}",
    ),
    "fixed outside its bounds": (
        ["small.json", "--fix", "mu=-1"],
        "parameter 'mu' = -1 is outside its bounds [0, 10]",
    ),
    "unknown free parameter": (
        ["small.json", "--free", "nu"],
        f"'nu' is no parameter of the model; {KNOWN}",
    ),
    "free without constraint": (
        ["small.json", "--free", "mu"],
        "parameter 'mu' has no constraint that could be dropped",
    ),
    "everything fixed": (
        ["small.json", "--fix", "mu", "--fix", "k", "--fix", "stat"],
        "every parameter is fixed; there is nothing to fit",
    ),
    "output over a file": (
        ["small.json", "-o", "small.json"],
        "output folder 'small.json' is a file; choose another --output",
    ),
    "output among other things": (
        ["small.json", "-o", "foreign"],
        (
            "output folder 'foreign' holds something else than a result of pullfactory: "
            "'thesis.tex'; choose another --output"
        ),
    ),
}


@pytest.mark.parametrize(("arguments", "complaint"), OPTIONS.values(), ids=OPTIONS.keys())
def test_bad_option(invoke: Invoke, here: Path, arguments: list[str], complaint: str) -> None:
    (here / "foreign").mkdir()
    (here / "foreign" / "thesis.tex").touch()
    before = sorted(here.rglob("*"))
    assert_refused(invoke("toys", *arguments), complaint)
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--n-toys", "0", "0 is not in the range x>=1"),
        ("--n-toys", "-5", "-5 is not in the range x>=1"),
        ("--n-toys", "many", "'many' is not a valid integer range"),
        ("--seed", "-1", "-1 is not in the range x>=0"),
        ("--workers", "0", "0 is not in the range x>=1"),
        ("--max-failed", "2", "2.0 is not in the range 0<=x<=1"),
        ("--max-failed", "nan", "nan is no fraction; give a number from 0 to 1"),
        ("--ensemble", "posterior", "'posterior' is not one of 'fixed', 'prior'"),
        ("--truth", "", "'' is not NAME=VALUE; write for example init, fit or mu=0.5,k=1"),
        ("--truth", "best", "'best' is not NAME=VALUE; write for example init, fit or mu=0.5,k=1"),
        ("--truth", "mu=1,mu=2", "'mu' is there twice; give one value"),
        ("--truth", "mu=one", "mu=one is no finite number; give one"),
        ("--truth", "mu=nan", "mu=nan is no finite number; give one"),
        ("--truth", "k=1,mu=-inf", "mu=-inf is no finite number; give one"),
        ("--fix", "mu=", "'mu=' is not NAME=VALUE; write for example mu or mu=0.5"),
        ("--fix", "mu=nan", "mu=nan is no finite number; give one"),
        (
            "--modifier-settings",
            "code1",
            "'code1' is not NAME=VALUE; write for example normsys=code1,histosys=code0",
        ),
    ],
)
def test_bad_value(invoke: Invoke, here: Path, option: str, value: str, complaint: str) -> None:
    outcome = invoke("toys", "small.json", option, value)
    assert_refused(outcome, f"Invalid value for '{option}': {complaint} (see -h)")
    assert [path.name for path in here.iterdir()] == ["small.json"]


def test_fixed_and_free(invoke: Invoke) -> None:
    outcome = invoke("toys", "small.json", "--fix", "k=0", "--free", "k")
    assert_refused(outcome, "both --fix and --free name 'k'; choose one (see -h)")
