"""Damaged, absurd and misplaced input of the command line: one line, exit code 2."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

import awkward as ak
import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

import pullfactory as pf
from pullfactory.cli import cli
from pullfactory.errors import EventsError, StudyError
from pullfactory.events import open_source
from pullfactory.events._damage import reading
from pullfactory.files import read_given
from pullfactory.settings.audit import AuditConfig
from pullfactory.settings.toml import parse_toml, parse_value

Invoke = Callable[..., CompletedProcess[str]]
INPUTS = Path("tests/cases/inputs")
STUDY, AUDIT = INPUTS / "tiny.toml", INPUTS / "audit.toml"
DIGITS = "9" * 5000


def refused(invoke: Invoke, *arguments: object) -> str:
    ended = invoke(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.count("\n") == 1
    assert len(ended.stderr) < 1200
    return ended.stderr


PATHS = [
    ["predict", ""],
    ["predict", "--calibration", ""],
    ["predict", "-o", ""],
    ["toys", "a\0b"],
    ["toys", STUDY, "--patch", "a\0b"],
    ["toys", STUDY, "-o", "a\0b"],
    ["audit", ""],
    ["init", "a\0b"],
    ["calibrate", "-o", ""],
    ["workspace", "-o", ""],
    ["report", ""],
    ["status", ""],
    ["merge", ""],
]


@pytest.mark.parametrize("number", [10**12, 10**400], ids=["trillion", "googol"])
def test_more_toys_than_a_folder_holds(invoke: Invoke, number: int, tmp_path: Path) -> None:
    asked = ("toys", INPUTS / "small.json", "-o", tmp_path / "out", "--n-toys", number)
    assert "blocks, of which at most 1000000 are made at once" in refused(invoke, *asked)
    assert not any(tmp_path.iterdir())


def test_folders_in_folders(invoke: Invoke) -> None:
    assert "has more than 200 folders" in refused(invoke, "predict", STUDY, "-o", "a/" * 2000)


@pytest.mark.parametrize("arguments", PATHS, ids=str)
def test_no_path(invoke: Invoke, arguments: list[object]) -> None:
    assert "is no path; name a file or a folder" in refused(invoke, *arguments)


@pytest.mark.parametrize(
    "arguments", [["toys"], ["predict"], ["audit"], ["predict", "--calibration"]], ids=" ".join
)
def test_a_file_without_an_end(
    invoke: Invoke, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pullfactory.files._LARGEST_GIVEN", 1_000_000)
    assert "it is larger than 1 MB" in refused(invoke, *arguments, "/dev/zero")


def test_a_pipe_that_nobody_writes_to(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pullfactory.files._TRIES", 2)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for command in ("toys", "predict", "audit"):
        assert "it is a pipe that nobody writes to" in refused(invoke, command, pipe)


def test_a_pipe_is_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        content = pool.submit(read_given, pipe)
        with pipe.open("wb") as opened:
            opened.flush()
            assert not content.done()
            opened.write(b"name")
        assert content.result() == b"name"


def test_a_loop_of_links(invoke: Invoke, tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for command in ("toys", "predict", "audit", "report", "status", "merge"):
        refused(invoke, command, loop)


MISPLACED = {
    "study to audit": (["audit", STUDY], "has [ensemble], as a study has; try 'pullfactory run"),
    "audit to run": (["run", AUDIT], "has [samples], as an audit has; try 'pullfactory audit"),
    "workspace to run": (["run", INPUTS / "small.json"], "is JSON, not TOML; 'pullfactory toys'"),
}


@pytest.mark.parametrize("name", MISPLACED)
def test_a_file_of_another_command(invoke: Invoke, name: str) -> None:
    arguments, said = MISPLACED[name]
    assert said in refused(invoke, *arguments)


def test_xml_is_no_workspace(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "top.xml").write_text("<?xml version='1.0'?>\n<Combination/>")
    assert "it is XML; make a workspace of it with 'pyhf xml2json'" in refused(
        invoke, "toys", tmp_path / "top.xml"
    )


@pytest.mark.parametrize("digits", [400, 5000])
def test_whole_numbers_that_no_float_holds(invoke: Invoke, tmp_path: Path, digits: int) -> None:
    text = json.dumps(json.loads((INPUTS / "small.json").read_text()))
    (tmp_path / "w.json").write_text(text.replace('"data": [', f'"data": [{"9" * digits}, ', 1))
    assert "digits, too many; round it" in refused(invoke, "toys", tmp_path / "w.json")


ABSURD = {
    "deep list": ("a = " + "[" * 100_000, "brackets are nested too deep"),
    "deep table": ("a = " + "{a=" * 100_000, "brackets are nested too deep"),
    "deep name": ("[" + "a." * 100_000 + "b]", "tables are nested too deep"),
    "spaced name": ("[" + "a . " * 100_000 + "b]", "tables are nested too deep"),
    "digits": (f"seed = {DIGITS}", "a number has too many digits"),
    "hexadecimal digits": (f"seed = 0x{DIGITS}", "a number has too many digits"),
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_toml(name: str) -> None:
    text, said = ABSURD[name]
    with pytest.raises(StudyError, match=f"^here cannot be read: {said}; mend it$"):
        parse_toml(text, "here")


def test_names_and_numbers_with_points_are_no_deep_tables() -> None:
    rows = ", ".join(f"[{', '.join(['0.25'] * 200)}]" for _ in range(3))
    assert len(parse_toml(f"m = [{rows}]", "here")["m"]) == 3


@pytest.mark.parametrize("text", [DIGITS, "[" * 100_000, f"0,{DIGITS}"], ids=["long", "deep", "of"])
def test_absurd_values(text: str) -> None:
    with pytest.raises(StudyError, match=r"is no value: .*; give another one$"):
        parse_value(text)
    assert parse_value("(" * 100_000) == "(" * 100_000  # a text, looked at at once


@pytest.mark.parametrize("seed", ["run --seed", "predict --seed", "run --rho", "toys x --seed"])
def test_a_number_of_5000_digits(invoke: Invoke, seed: str) -> None:
    refused(invoke, *seed.split(), DIGITS)


def test_more_bins_than_any_sample_has_events(invoke: Invoke) -> None:
    for document in (["predict", STUDY], ["audit", AUDIT]):
        for key in ("workspace.n_bins", "observable.m_t.n_bins"):
            said = refused(invoke, *document, "--set", f"{key}=100_000_000")
            assert "n_bins = 100000000: must be at most 1e+06" in said


@pytest.mark.parametrize("key", ["events", "scale"])
def test_more_events_than_can_be_counted(invoke: Invoke, key: str, tmp_path: Path) -> None:
    file = tmp_path / "audit.toml"
    file.write_text(AUDIT.read_text().replace("events = 500.0", f"{key} = 1e300"))
    assert f"{key} = 1e+300: must be at most 1e+15" in refused(invoke, "audit", file)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("parameter.m_t.truth_sigma=1e300", "must be at most 1e+12"),
        ("observable.m_t.sigma=1e-300", "is lost beside mu = 171.8"),
        ("observable.m_t.mu=-1e300", "must be at most 1e+12"),
        ("workspace={morphing='multiplicative', mass_step=1e-300}", "must be at least 1e-06"),
    ],
)
def test_numbers_beyond_those_of_a_measurement(invoke: Invoke, setting: str, told: str) -> None:
    assert told in refused(invoke, "predict", STUDY, "--set", setting)


def test_no_toy_has_a_possible_truth(invoke: Invoke, tmp_path: Path) -> None:
    narrow = "parameter.m_t.bounds=[-1e-9, 1e-9]"
    said = refused(invoke, "predict", STUDY, "--set", narrow, "-o", tmp_path / "out")
    assert "within the bounds of the parameters with positive scales; use wider bounds" in said


@pytest.mark.parametrize(
    "label", [r"$" + r"\frac{1}{" * 200 + "x" + "}" * 200 + "$", "${" * 120 + "}" * 120 + "$"]
)
def test_absurd_labels(label: str) -> None:
    with pytest.raises(StudyError, match=r"parameter\.m_t\.label"):
        pf.Study.preset("poster").with_settings({"parameter.m_t.label": label})


def test_a_backend_that_does_not_exist(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    assert invoke("--version").returncode == 0
    assert os.environ["MPLBACKEND"] == "agg"


@pytest.mark.parametrize(
    "line", ["Result.plot(None, 'pulls')", "write_figures('a', dict, ['png'])"]
)
def test_a_backend_that_does_not_exist_in_python(line: str) -> None:
    """In a process of its own: matplotlib looks at the variable when it is loaded."""
    code = (
        "from pullfactory.errors import OutputError\n"
        "from pullfactory.report.drawing import write_figures\n"
        "from pullfactory.results.result import Result\n"
        f"try: {line}\n"
        "except OutputError as error: print(error)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MPLBACKEND": "nonsense"},
        capture_output=True,
        check=True,
        text=True,
    )
    told = "MPLBACKEND = 'nonsense' is no backend of matplotlib; unset it, or set it to 'agg'"
    assert ended.stdout == f"{told}\n"


# --- events -----------------------------------------------------------------------------------


def test_an_archive_that_unfolds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pullfactory.events._npz._LARGE", 500_000)
    np.savez_compressed(tmp_path / "zeros.npz", x=np.zeros(100_000))
    with pytest.raises(EventsError, match=r"'x.npy' unfolds from 0.000\d+ to 1 MB; write"):
        read(tmp_path / "zeros.npz")
    np.savez_compressed(tmp_path / "some.npz", x=np.arange(100_000) % 1000)
    read(tmp_path / "some.npz")


def read(path: Path, *columns: str) -> None:
    for _ in open_source(path.name, place="s", base=path.parent).chunks(columns or ("x",)):
        pass


CSV = {
    "semicolons": ("x;y\n1,5;2\n", "semicolons separate its columns; write commas"),
    "tabs": ("x\ty\n1\t2\n", "tabs separate its columns"),
    "a comment first": ("# of mine\nx,y\n1,2\n", "begins with a comment; leave it out"),
    "a comment later": ("x,y\n1,2\n# end\n", "a row has not one value for each name in line 1"),
    "columns": (",".join(f"c{i}" for i in range(10**6)), "has 1000000 columns, more than 10000"),
}


@pytest.mark.parametrize("name", CSV)
def test_csv_that_others_write(tmp_path: Path, name: str) -> None:
    text, said = CSV[name]
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(EventsError, match=said):
        read(tmp_path / "x.csv")


def test_csv_of_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"x,m\xe9\n1,2\n")
    with pytest.raises(EventsError, match="line 1 is no UTF-8"):
        read(tmp_path / "x.csv")


def test_a_header_of_numpy_names_columns(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("# x,y\n1,2\n")
    read(tmp_path / "x.csv", "# x", "y")


def test_what_nobody_has_and_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EventsError, match=r"file '~nobody_x/x.root' is missing in '/"):
        open_source("~nobody_x/x.root", place="s", base=tmp_path)
    with pytest.raises(EventsError, match=r"'x.root' is missing in the folder where you are"):
        open_source("x.root", place="s")


def test_a_flipped_byte_in_the_header_of_an_npz(tmp_path: Path) -> None:
    packed = io.BytesIO()
    np.savez(packed, x=np.zeros(9))
    whole = packed.getvalue()
    start = whole.index(b"\x93NUMPY")
    for at in range(start, start + 80):
        (tmp_path / "x.npz").write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with pytest.raises(EventsError, match="cannot be read"):
            read(tmp_path / "x.npz")


def test_a_header_of_an_npz_that_is_no_python(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + (5000).to_bytes(2, "little") + b"(" * 5000)
    with pytest.raises(EventsError, match="it is damaged or of another kind"):
        read(tmp_path / "x.npz")


def test_whatever_a_library_raises() -> None:
    class OddError(Exception):
        pass

    with pytest.raises(EventsError, match=r"here: cannot be read \(OddError\)"), reading("here"):
        raise OddError


def test_a_struct_is_not_proposed(tmp_path: Path) -> None:
    table = pa.table({"x": [1.0], "s": [{"a": 1.0}], "jet": [[1.0, 2.0]]})
    pq.write_table(table, tmp_path / "x.parquet")
    for column in ("s", "s.a"):
        with pytest.raises(EventsError, match=r"'s' is a struct \(of 'a'\); write the field"):
            read(tmp_path / "x.parquet", column)
    with pytest.raises(EventsError, match="'jet' has not one value per event"):
        read(tmp_path / "x.parquet", "jet")
    with pytest.raises(EventsError, match=r"column 'jets' is missing; use for example 'x'$"):
        read(tmp_path / "x.parquet", "jets")


def test_a_jagged_branch_is_not_proposed(tmp_path: Path) -> None:
    columns = {"x": np.zeros(2), "jet": ak.Array([[1.0], [2.0, 3.0]])}
    with uproot.recreate(tmp_path / "x.root") as file:
        file.mktree("t", columns)
    with pytest.raises(EventsError, match="'jet' has not one value per event"):
        read(tmp_path / "x.root", "jet")
    with pytest.raises(EventsError, match="column 'jets' is missing; use for example ") as raised:
        read(tmp_path / "x.root", "jets")
    assert "'jet'" not in str(raised.value)


def test_an_audit_knows_its_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(AUDIT.read_text())
    config = AuditConfig.from_toml(tmp_path / "mine.toml")
    assert config.folder == tmp_path
    assert config.with_settings({"seed": 1}).folder == tmp_path
    assert config == AuditConfig.from_toml(AUDIT)
    assert AuditConfig.from_dict(config.to_dict()).folder is None
    with pytest.raises(EventsError, match=f"'nominal.parquet' is missing in '{tmp_path}'"):
        pf.audit(config.with_settings({"toys.n_toys": 0}))


# --- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["predict", "closure", "select", "workspace"])
def test_options_without_effect_are_refused(invoke: Invoke, command: str) -> None:
    assert "No such option" in refused(invoke, command, "--n-toys", 5)


PROPOSED = [
    ("run", "preset", "poster_c", ["poster_constrained"]),
    (
        "run",
        "methods",
        "binned,unb",
        ["binned,unbinned", "binned,unbinned_optimal", "binned,unbinned_joint"],
    ),
    ("run", "methods", "a", ["all"]),
    ("run", "settings", "parameter.m_t.truth_s", ["parameter.m_t.truth_sigma="]),
    ("run", "settings", "ensemble.n_t", ["ensemble.n_toys="]),
    ("audit", "settings", "toys.res", ["toys.reservoir="]),
    ("init", "preset", "lj", ["ljets"]),
]


@pytest.mark.parametrize(("command", "name", "begun", "values"), PROPOSED, ids=str)
def test_values_are_completed(command: str, name: str, begun: str, values: list[str]) -> None:
    found = cli.commands[command]
    (option,) = (one for one in found.params if one.name == name)
    context = click.Context(found)
    assert [item.value for item in option.shell_complete(context, begun)] == values
