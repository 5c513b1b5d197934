"""Bad input ends with one line (value, place, remedy) and exit code 2; nothing is written."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from pullfactory import Study
from pullfactory.errors import CalibrationError, PullfactoryError

Invoke = Callable[..., CompletedProcess[str]]

GOOD = r"""
name = "tiny"
seed = 20240912
poi = "m_t"
methods = ["unbinned", "binned"]

[ensemble]
n_toys = 16
n_events = 200
truth = "prior"
rho = [0.0, 0.5]

[calibration]
source = "exact"

[workspace]
n_bins = 20
staterror = false

[[parameter]]
name = "m_t"
constraint = "free"
truth_sigma = 0.33
bounds = [-10, 10]

[[parameter]]
name = "JSF"
label = '$\Delta$JSF'

[[parameter]]
name = "JRF"

[[observable]]
name = "m_t"
mu = 171.8
sigma = 10.4
mu_slopes = {m_t = 0.0058, JSF = 0.0046, JRF = 0.0005}
sigma_slopes = {m_t = 0.008, JSF = 0.0095, JRF = 0.02}

[[observable]]
name = "m_W"
density = "normal"
mu = 83.3
sigma = 6.8
mu_slopes = {m_t = 0.0003, JSF = 0.0053, JRF = 0.0016}
sigma_slopes = {JSF = 0.0074, JRF = 0.02}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def calibration(invoke: Invoke, tiny_study: Study, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A calibration file's content."""
    file = tmp_path_factory.mktemp("calibration") / "tiny.toml"
    file.write_text(tiny_study.to_toml())
    return invoke("calibrate", file, "-o", "-").stdout


def assert_refused(outcome: CompletedProcess[str], complaint: str) -> None:
    assert outcome.stderr == f"Error: {complaint}\n"
    assert outcome.stdout == ""
    assert outcome.returncode == 2


# --- the study file --------------------------------------------------------------------------

NOT_DEFINITE = (
    "the correlation matrix of 2 observables is not positive definite; "
    "choose a rho nearer 0 or another ensemble.correlation"
)
NOT_A_CORRELATION = (
    "ensemble.correlation must be symmetric, with ones on its diagonal and numbers from -1 to 1 "
    "elsewhere"
)
SIMPLE_NAME = "use letters, digits and underscores, a letter first"
FAMILIES = "normal, voigt, bifurcated_normal, crystal_ball"

SPOILT = {
    # keys
    "unknown key": (
        "n_toys = 16",
        "ntoys = 16",
        "ensemble.ntoys: unknown key; did you mean n_toys?",
    ),
    "unknown key at the top": (
        "seed = ",
        "answer = 42\nseed = ",
        (
            "answer: unknown key; use one of name, seed, poi, figures, methods, optimal, "
            "flow, intervals, ensemble, calibration, workspace, joint, constraints, parameter, "
            "observable"
        ),
    ),
    "missing key": ("mu = 171.8", "", "observable.m_t.mu: missing; add it"),
    "missing name": ('name = "m_W"', "", "observable.#2.name: missing; add it"),
    "missing poi": ('poi = "m_t"', "", "poi: missing; add it"),
    # types
    "text for a whole number": (
        "n_toys = 16",
        'n_toys = "16"',
        'ensemble.n_toys = "16": must be a whole number',
    ),
    "bool for a whole number": (
        "n_toys = 16",
        "n_toys = true",
        "ensemble.n_toys = true: must be a whole number",
    ),
    "fraction for a whole number": (
        "n_toys = 16",
        "n_toys = 1.5",
        "ensemble.n_toys = 1.5: must be a whole number",
    ),
    "text for a number": (
        "mu = 171.8",
        'mu = "171.8"',
        'observable.m_t.mu = "171.8": must be a number',
    ),
    "bool for a number": ("mu = 171.8", "mu = true", "observable.m_t.mu = true: must be a number"),
    "number for a text": (
        'poi = "m_t"',
        "poi = 1",
        "poi = 1: must be a text in quotes",
    ),
    "number for a bool": (
        "staterror = false",
        "staterror = 0",
        "workspace.staterror = 0: must be true or false",
    ),
    "date for a number": (
        "seed = 20240912",
        "seed = 2024-09-12",
        'seed = "2024-09-12": must be a whole number',
    ),
    "text for a list": (
        'methods = ["unbinned", "binned"]',
        'methods = "binned"',
        'methods = "binned": must be a list in square brackets',
    ),
    "text in a list": (
        "rho = [0.0, 0.5]",
        'rho = [0.0, "0.5"]',
        'ensemble.rho.#2 = "0.5": must be a number',
    ),
    "list for a table": (
        "mu_slopes = {m_t = 0.0058, JSF = 0.0046, JRF = 0.0005}",
        "mu_slopes = [0.0058, 0.0046, 0.0005]",
        "observable.m_t.mu_slopes = [0.0058, 0.0046, 0.0005]: must be a table of keys and values",
    ),
    # values
    "nan": ("mu = 171.8", "mu = nan", "observable.m_t.mu = nan: must be a finite number"),
    "infinity": (
        "truth_sigma = 0.33",
        "truth_sigma = inf",
        "parameter.m_t.truth_sigma = inf: must be a finite number",
    ),
    "nan in a list": (
        "rho = [0.0, 0.5]",
        "rho = [nan]",
        "ensemble.rho.#1 = nan: must be a finite number",
    ),
    "nan in a table": (
        "JSF = 0.0046",
        "JSF = nan",
        "observable.m_t.mu_slopes.JSF = nan: must be a finite number",
    ),
    "negative width": (
        "sigma = 10.4",
        "sigma = -10.4",
        "observable.m_t.sigma = -10.4: must be greater than 0",
    ),
    "width zero": ("sigma = 10.4", "sigma = 0", "observable.m_t.sigma = 0: must be greater than 0"),
    "negative truth_sigma": (
        "truth_sigma = 0.33",
        "truth_sigma = -0.33",
        "parameter.m_t.truth_sigma = -0.33: must be at least 0",
    ),
    "exact replicas": (
        'source = "exact"',
        'source = "exact"\nreplicas = 2',
        (
            "calibration: replicas = 2 of an exact calibration are all the same; use 1, or "
            'source = "simulated"'
        ),
    ),
    "more replicas than toys": (
        'source = "exact"',
        "replicas = 17",
        "calibration.replicas = 17 exceeds ensemble.n_toys = 16; use fewer replicas or more toys",
    ),
    "no toys": ("n_toys = 16", "n_toys = 0", "ensemble.n_toys = 0: must be at least 1"),
    "endless toys": (
        "n_toys = 16",
        "n_toys = 10000000000000",
        "ensemble.n_toys = 10000000000000: must be at most 1e+12",
    ),
    "negative seed": ("seed = 20240912", "seed = -1", "seed = -1: must be at least 0"),
    "one bin": ("n_bins = 20", "n_bins = 1", "workspace.n_bins = 1: must be at least 2"),
    "location zero": (
        "mu = 171.8",
        "mu = 0",
        "observable.m_t: mu = 0 cannot change relatively; shift the observable",
    ),
    "empty list": (
        "rho = [0.0, 0.5]",
        "rho = []",
        "ensemble.rho = []: must have 1 or more entries, not 0",
    ),
    "reversed bounds": (
        "bounds = [-10, 10]",
        "bounds = [10, -10]",
        "parameter.m_t: bounds = [10.0, -10.0] must increase and enclose 0 and truth_mean = 0",
    ),
    "unknown choice": (
        'truth = "prior"',
        'truth = "Prior"',
        "ensemble.truth = \"Prior\": must be 'prior' or 'fixed'",
    ),
    "unknown method": (
        '"binned"]',
        '"template"]',
        (
            "methods.#2: method 'template' is unknown; use one of unbinned, binned, "
            "unbinned_optimal, binned_optimal, unbinned_joint, binned_joint, flow, or install the "
            "package that gives it"
        ),
    ),
    # names
    "name with a blank": (
        'name = "tiny"',
        'name = "my study"',
        f'name = "my study": {SIMPLE_NAME}',
    ),
    "name with a path": ('name = "tiny"', 'name = "../tiny"', f'name = "../tiny": {SIMPLE_NAME}'),
    "name with a line break": (
        'name = "m_W"',
        r'name = "m\nW"',
        rf'observable."m\nW".name = "m\nW": {SIMPLE_NAME}',
    ),
    "repeated parameter": (
        'name = "JRF"',
        'name = "JSF"',
        "parameter 'JSF' is given twice; keep one",
    ),
    "repeated observable": (
        'name = "m_W"',
        'name = "m_t"',
        "observable 'm_t' is given twice; keep one",
    ),
    "repeated method": (
        '"unbinned", "binned"]',
        '"binned", "binned"]',
        "method 'binned' is given twice; keep one",
    ),
    "repeated rho": ("[0.0, 0.5]", "[0.5, 0.5]", "rho 0.5 is given twice; keep one"),
    "unknown poi": (
        'poi = "m_t"',
        'poi = "mt"',
        "poi = 'mt' is no parameter; use one of m_t, JSF, JRF",
    ),
    "unknown slope": (
        "JSF = 0.0046",
        "JFS = 0.0046",
        "observable.m_t.mu_slopes.JFS = 0.0046: 'JFS' is no parameter; use one of m_t, JSF, JRF",
    ),
    "slope too steep": (
        "JSF = 0.0095",
        "JSF = -1.5",
        (
            "observable.m_t.sigma_slopes.JSF = -1.5: reaches 0 within one calibration step; "
            "keep it below 1"
        ),
    ),
    # densities and bins
    "unknown family": (
        'density = "normal"',
        'density = "gauss"',
        f"observable.m_W: density 'gauss' is unknown; use one of {FAMILIES}",
    ),
    "voigt with linear dependence": (
        'density = "normal"',
        'density = "voigt"\nshape = {gamma = 0.3}',
        (
            "observable.m_W.density = 'voigt' has no finite variance, which ensemble.dependence = "
            '"linear" needs; use ensemble.dependence = "gaussian_copula"'
        ),
    ),
    "two edges": (
        "mu = 171.8",
        "edges = [150, 190]\nmu = 171.8",
        "observable.m_t.edges = [150, 190]: must have 3 or more entries, not 2",
    ),
    "edges that do not increase": (
        "mu = 171.8",
        "edges = [150, 190, 170]\nmu = 171.8",
        "observable.m_t: edges = [150.0, 190.0, 170.0] must increase; sort them",
    ),
    "edges and bins": (
        "mu = 171.8",
        "edges = [150, 170, 190]\nn_bins = 2\nmu = 171.8",
        "observable.m_t: give n_bins or edges, not both",
    ),
    # correlation
    "rho above 1": (
        "[0.0, 0.5]",
        "[0.0, 1.5]",
        "ensemble.rho = 1.5 is no correlation; keep |rho| below 1",
    ),
    "rho of 1": ("[0.0, 0.5]", "[-1]", f"rho = -1: {NOT_DEFINITE}"),
    "matrix of another size": (
        "rho = [",
        "correlation = [[1]]\nrho = [",
        "ensemble.correlation must be 2 x 2, one row for each observable",
    ),
    "matrix not symmetric": (
        "rho = [",
        "correlation = [[1, 0.5], [0.4, 1]]\nrho = [",
        NOT_A_CORRELATION,
    ),
    "matrix beyond 1": ("rho = [", "correlation = [[1, 2], [2, 1]]\nrho = [", NOT_A_CORRELATION),
    # the rest
    "no TOML": (
        "seed = 20240912",
        "seed: 20240912",
        (
            "is no TOML: Expected '=' after a key in a key/value pair (at line 3, column 5); "
            "mend that line"
        ),
    ),
}


@pytest.mark.parametrize(("good", "bad", "complaint"), SPOILT.values(), ids=SPOILT.keys())
def test_spoilt_study_file(invoke: Invoke, here: Path, good: str, bad: str, complaint: str) -> None:
    assert good in GOOD
    (here / "my.toml").write_text(GOOD.replace(good, bad, 1))
    colon = " " if complaint.startswith("is ") else ": "
    assert_refused(invoke("run", "my.toml"), f"study file 'my.toml'{colon}{complaint}")
    assert [path.name for path in here.iterdir()] == ["my.toml"]


def test_label_that_cannot_be_drawn(invoke: Invoke, here: Path) -> None:
    (here / "my.toml").write_text(GOOD.replace(r"$\Delta$", r"$\Dalte$"))
    outcome = invoke("run", "my.toml")
    assert_refused(outcome, outcome.stderr.removeprefix("Error: ").splitlines()[0])
    assert r"parameter.JSF.label: '$\\Dalte$JSF' is no LaTeX that can be drawn" in outcome.stderr


def test_free_parameter_that_moves_nothing(tiny_study: Study) -> None:
    bare = {
        f"observable.{o}.{key}.m_t": 0
        for o in ("m_t", "m_W")
        for key in ("mu_slopes", "sigma_slopes")
    }
    with pytest.raises(PullfactoryError, match="m_t is free, but no observable depends on it"):
        tiny_study.with_settings(bare)
    tiny_study.with_settings({**bare, "parameter.m_t.constraint": "normal"})


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("observable", {"name": "m_t"}, "must be a list of tables, each headed [[observable]]"),
        ("observable", [], "must have 1 or more entries, not 0"),
        ("observable", [3], "must be a table of keys and values"),
        ("ensemble", "large", "must be a table of keys and values"),
    ],
)
def test_what_is_no_table(tiny_study: Study, key: str, value: object, complaint: str) -> None:
    with pytest.raises(PullfactoryError, match=re.escape(complaint)):
        tiny_study.with_settings({key: value})


@pytest.mark.parametrize("content", [None, [], "poster", {}])
def test_what_is_no_study(content: Any) -> None:
    with pytest.raises(PullfactoryError, match=r"must be a table|name: missing"):
        Study.from_dict(content)


def test_file_in_another_encoding(invoke: Invoke, here: Path) -> None:
    (here / "my.toml").write_bytes(b'name = "gr\xf6\xdfe"')
    assert_refused(
        invoke("run", "my.toml"),
        "study file 'my.toml' is no text in UTF-8: 'utf-8' codec can't decode byte 0xf6 in "
        "position 10: invalid start byte; save it as that",
    )


# --- the command line ------------------------------------------------------------------------

OPTIONS = {
    "no such file": (
        ["run", "nowhere.toml"],
        (
            "study file 'nowhere.toml' cannot be read (No such file or directory); "
            "'pullfactory init FILE' writes one"
        ),
    ),
    "folder for a file": (
        ["run", "."],
        "study file '.' cannot be read (Is a directory); 'pullfactory init FILE' writes one",
    ),
    "unknown preset": (
        ["run", "--preset", "leaflet"],
        "preset 'leaflet' does not exist; choose ljets, poster, poster_constrained",
    ),
    "unknown preset for init": (
        ["init", "--preset", "leaflet", "my.toml"],
        "preset 'leaflet' does not exist; choose ljets, poster, poster_constrained",
    ),
    "file and preset": (
        ["run", "my.toml", "--preset", "poster"],
        "both study file 'my.toml' and preset 'poster'; give one",
    ),
    "rho": (["run", "--rho", "0,x"], "study 'poster': ensemble.rho.#2 = \"x\": must be a number"),
    "no rho": (["run", "--rho", ""], "study 'poster': ensemble.rho.#1 = \"\": must be a number"),
    "rho above 1": (
        ["run", "--rho", "-0.6,1.5"],
        "study 'poster': ensemble.rho = 1.5 is no correlation; keep |rho| below 1",
    ),
    "methods": (
        ["run", "--methods", "binned,bined"],
        (
            "study 'poster': methods.#2: method 'bined' is unknown; use one of unbinned, binned, "
            "unbinned_optimal, binned_optimal, unbinned_joint, binned_joint, flow, or install the "
            "package that gives it"
        ),
    ),
    "seed": (["run", "--seed", "x"], "study 'poster': seed = \"x\": must be a whole number"),
    "n_toys": (["run", "--n-toys", "0"], "study 'poster': ensemble.n_toys = 0: must be at least 1"),
    "n_events": (
        ["calibrate", "--n-events", "1.5"],
        "study 'poster': ensemble.n_events = 1.5: must be a whole number",
    ),
    "set without a value": (
        ["run", "--set", "seed"],
        "setting 'seed' is not KEY=VALUE; write for example ensemble.n_events=5000",
    ),
    "set an unknown key": (
        ["workspace", "--set", "ensemble.n_toy=5"],
        "study 'poster': ensemble.n_toy: unknown key; did you mean n_toys?",
    ),
    "set nowhere": (
        ["run", "--set", "parameter.m_top.unit=MeV"],
        (
            "setting 'parameter.m_top.unit' names nothing in the study; keys look like "
            "ensemble.n_events or parameter.m_t.truth_sigma"
        ),
    ),
    "set a wrong type": (
        ["run", "--set", "observable.m_t.sigma=wide"],
        "study 'poster': observable.m_t.sigma = \"wide\": must be a number",
    ),
    "set a text that is no Unicode": (
        ["run", "--set", "parameter.m_t.unit=\udcff"],
        (
            "study 'poster': parameter.m_t.unit: 'utf-8' codec can't encode character '\\udcff' in "
            "position 0: surrogates not allowed"
        ),
    ),
    "no points for a closure": (
        ["closure", "--points", "-1"],
        "Invalid value for '--points': -1 is not in the range x>=0 (see -h)",
    ),
    "no events for a closure": (
        ["closure", "--events", "0"],
        "Invalid value for '--events': 0 is not in the range x>=1 (see -h)",
    ),
    "closure over a file": (
        ["closure", "-o", "file"],
        "output folder 'file' is a file; choose another --output",
    ),
    "output over a file": (
        ["run", "-o", "file"],
        "output folder 'file' is a file; choose another --output",
    ),
    "output below a file": (
        ["run", "-o", "file/deeper"],
        "output folder 'file/deeper' cannot be written ('file' is a file); choose another --output",
    ),
    "output among other things": (
        ["run", "-o", "foreign"],
        (
            "output folder 'foreign' holds something else than a result of pullfactory: "
            "'thesis.tex'; choose another --output"
        ),
    ),
    "workspace over a folder": (
        ["workspace", "-o", "foreign"],
        "file 'foreign' cannot be written (it is a folder); choose another place",
    ),
    "calibration below a file": (
        ["calibrate", "-o", "file/deeper"],
        "file 'file/deeper' cannot be written ('file' is a file); choose another place",
    ),
    "study below a file": (
        ["init", "file/deeper"],
        "file 'file/deeper' cannot be written ('file' is a file); choose another place",
    ),
}


@pytest.mark.parametrize(("arguments", "complaint"), OPTIONS.values(), ids=OPTIONS.keys())
def test_bad_option(invoke: Invoke, here: Path, arguments: list[str], complaint: str) -> None:
    (here / "file").touch()
    (here / "foreign").mkdir()
    (here / "foreign" / "thesis.tex").touch()
    before = sorted(here.rglob("*"))
    assert_refused(invoke(*arguments), complaint)
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["walk"], "walk"),
        (["run", "--fast"], "--fast"),
        (["run", "one.toml", "two.toml"], "two.toml"),
        (["init"], "FILE"),
        (["run", "--workers", "0"], "--workers"),
        (["run", "--output"], "--output"),
    ],
)
def test_what_no_command_knows(invoke: Invoke, arguments: list[str], culprit: str) -> None:
    outcome = invoke(*arguments)
    assert_refused(outcome, outcome.stderr.removeprefix("Error: ").splitlines()[0])
    assert culprit in outcome.stderr
    assert outcome.stderr.endswith(" (see -h)\n")


# --- calibrations and templates --------------------------------------------------------------


def test_bin_without_nominal_events(invoke: Invoke, here: Path) -> None:
    (here / "my.toml").write_text(GOOD.replace("mu = 83.3", "edges = [900, 950, 990]\nmu = 83.3"))
    complaint = (
        "channel 'm_W': 1 of 2 bins of the nominal template are empty; "
        "use fewer bins, other edges or more calibration events"
    )
    assert_refused(invoke("run", "my.toml"), complaint)
    assert_refused(invoke("workspace", "my.toml"), complaint)
    assert [path.name for path in here.iterdir()] == ["my.toml"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read (No such file or directory); 'pullfactory calibrate' writes one"),
        ("", "is no JSON (Expecting value: line 1 column 1 (char 0)); write it again with"),
        ("[]", "its schema is not 'pullfactory-calibration/2'; 'pullfactory calibrate' writes one"),
        ('{"schema": "other/1"}', "its schema is not 'pullfactory-calibration/2'"),
    ],
)
def test_what_is_no_calibration(
    invoke: Invoke, here: Path, content: str | None, complaint: str
) -> None:
    if content is not None:
        (here / "calibration.json").write_text(content)
    outcome = invoke("run", "--calibration", "calibration.json")
    assert complaint in outcome.stderr
    assert_refused(outcome, outcome.stderr.removeprefix("Error: ").splitlines()[0])
    assert not (here / "results").exists()


@pytest.mark.parametrize("key", ["study", "points", "moments", "response", "templates", "sha256"])
def test_calibration_with_a_part_missing(
    invoke: Invoke, here: Path, calibration: str, key: str
) -> None:
    content = json.loads(calibration)
    del content[key]
    (here / "calibration.json").write_text(json.dumps(content))
    outcome = invoke("run", "--calibration", "calibration.json")
    assert "its content does not match its sha256" in outcome.stderr
    assert "write it again with 'pullfactory calibrate'" in outcome.stderr
    assert_refused(outcome, outcome.stderr.removeprefix("Error: ").splitlines()[0])
    assert not (here / "results").exists()


def test_calibration_cut_short(invoke: Invoke, here: Path, calibration: str) -> None:
    (here / "calibration.json").write_text(calibration[: len(calibration) // 2])
    outcome = invoke("run", "--calibration", "calibration.json")
    assert outcome.stderr.startswith("Error: calibration file 'calibration.json' is no JSON (")
    assert outcome.returncode == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("parameter.JSF.constraint", "free"),
        ("parameter.JSF.points", [-2.0, 2.0]),
        ("observable.m_W.mu", 80.0),
        ("workspace.n_bins", 10),
    ],
)
def test_calibration_of_another_study(
    invoke: Invoke, here: Path, tiny_study: Study, calibration: str, key: str, value: object
) -> None:
    (here / "calibration.json").write_text(calibration)
    (here / "my.toml").write_text(tiny_study.with_settings({key: value}).to_toml())
    outcome = invoke("run", "my.toml", "--calibration", "calibration.json")
    assert outcome.stderr.endswith("; calibrate that study\n")
    assert_refused(outcome, outcome.stderr.removeprefix("Error: ").splitlines()[0])
    assert not (here / "results").exists()


# --- the machine -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "complaint"),
    [
        (
            OSError(28, "No space left on device"),
            (
                "the system refused: [Errno 28] No space left on device; "
                "make room or choose another place"
            ),
        ),
        (MemoryError(), "too little memory; use fewer events, bins or --workers"),
        (CalibrationError("no events; draw some"), "no events; draw some"),
    ],
)
def test_failure_in_the_middle(
    invoke: Invoke,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    complaint: str,
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise failure

    monkeypatch.setattr("pullfactory.runs.study.run", fail)
    assert_refused(invoke("run"), complaint)
    assert not list(here.iterdir())
