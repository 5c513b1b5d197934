"""Options and keys without effect: one line, exit code 2, and nothing written."""

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile
from subprocess import CompletedProcess

import pyhf
import pytest

import pullfactory as pf
from pullfactory.cli._unused import of_workspace
from pullfactory.errors import StudyError
from pullfactory.settings.idle import idle_keys, refuse_idle, refuse_idle_file

Invoke = Callable[..., CompletedProcess[str]]
INPUTS = Path("tests/cases/inputs").absolute()
TINY = pf.Study.from_toml(INPUTS / "tiny.toml")

IDLE = [
    ("predict --set ensemble.n_toys=5", "throws no toys"),
    ("predict --set calibration.replicas=1", "makes one calibration"),
    ("predict --set intervals=m_t", "throws no toys"),
    ("predict --any-rho --rho 0.5", "asks for all of them"),
    ("predict --set ensemble.t_dof=3", "set ensemble.dependence = 't_copula'"),
    ("predict --set ensemble={wrong_width=3}", "set ensemble.dependence = 'class_mixture'"),
    ("predict --set joint.n_bins=4", "it is of binned_joint"),
    ("predict --set joint.correlation=given --methods binned", "it is of unbinned_joint"),
    ("predict --set optimal.weights=own", "it is of unbinned_optimal or binned_optimal"),
    ("predict --calibration c.json --set calibration.grid=needed", "that of --calibration"),
    ("run --set workspace.mass_step=2", "encoded as"),
    ("run --set workspace.mass_constraint=false", "constrains no free parameter"),
    ("run --set calibration.events_per_point=1e4", "has no samples"),
    ("run --set poi=JSF --set poi=m_t", "is given twice; keep one"),
    ("run --n-toys 5 --set ensemble.n_toys=6", "is given twice; keep one"),
    ("run --rho 0.5 --set ensemble={n_toys=6}", "replaces all of them; give it first"),
    ("run --figures none --set figures=pdf", "both --figures and --set figures"),
    ("run --fresh --tolerant", "leave one of them out"),
    ("closure --rho 0.5", "No such option"),
    ("closure --set methods=binned", "makes no use of it"),
    ("closure --set ensemble.rho=0.5", "makes no use of it"),
    ("closure --held-out 100", "no method of the study fits a joint density; add flow"),
    ("closure --set joint.morphing=additive", "channels one by one"),
    ("workspace --methods binned", "No such option"),
    ("workspace --rho 0.5", "add --joint"),
    ("workspace --set joint.n_bins=4", "add --joint"),
    ("workspace --joint --set joint.correlation=given", "makes no use of it"),
    ("workspace --set ensemble.truth=fixed", "makes no use of it"),
    ("calibrate --n-toys 5", "No such option"),
    ("calibrate --set figures=pdf", "a calibration has none"),
    ("bootstrap --n-toys 5", "No such option"),
    ("bootstrap --set figures=pdf", "a bootstrap has none"),
    ("select --set joint.n_bins=4", "the methods are unbinned;"),
    ("scan --over ensemble.n_events=50,100 --n-events 70", "it is what is scanned"),
    ("scan --over ensemble.t_dof=3,4", "set ensemble.dependence = 't_copula'"),
    ("scan --over ensemble.truth=fixed --set intervals=m_t", "a scan shows none"),
]


@pytest.mark.parametrize(("line", "reason"), IDLE, ids=[line for line, _ in IDLE])
def test_of_a_study(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, reason: str
) -> None:
    copyfile(INPUTS / "tiny.toml", tmp_path / "tiny.toml")
    monkeypatch.chdir(tmp_path)
    command, *options = line.split()
    _refused(invoke(command, "tiny.toml", *options), reason)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--n-toys 0 --blocks 0-1", "--blocks has no effect without toys"),
        ("--n-toys 0 --tolerant", "--tolerant has no effect without toys"),
        ("--set intervals=m_t", "there is no samples.data"),
        ("--set parameter.m_t.auxiliary=held", "the parameter is free"),
        ("--set tree=events", "no sample has a ROOT file"),
        ("--set samples.nominal.tree=events", "none of its files is a ROOT file"),
        ("--set samples.nominal.same_events=true", "is of a sample that varies this one"),
        ("--set samples.JSF.up.same_events=false", "it has no events of its own"),
    ],
)
def test_of_an_audit(invoke: Invoke, options: str, reason: str) -> None:
    _refused(invoke("audit", INPUTS / "audit.toml", *options.split()), reason)


def test_of_others(invoke: Invoke) -> None:
    _refused(invoke("merge", "a", "--workers", "2"), "No such option")
    _refused(invoke("init", "-", "--force"), "is standard output; leave it out")


def test_codes_of_modifiers_that_are_not_there(invoke: Invoke, tmp_path: Path) -> None:
    model = pyhf.simplemodels.uncorrelated_background([9.0], [50.0], [5.0])
    file = tmp_path / "simple.json"
    file.write_text(json.dumps(pyhf.Workspace.build(model, [55.0])))
    ended = invoke("toys", file, "--modifier-settings", "normsys=code1")
    _refused(ended, "modifier setting normsys=code1 has no effect: no modifier is a normsys")


def test_in_a_file(invoke: Invoke, tmp_path: Path) -> None:
    """A value of one's own that another key leaves without effect."""
    text = (INPUTS / "tiny.toml").read_text()
    file = tmp_path / "mine.toml"
    file.write_text(text.replace("n_toys = 20", "n_toys = 20\nt_dof = 3.0"))
    _refused(invoke("predict", file), "ensemble.t_dof = 3.0 has no effect")
    study = pf.Study.from_toml(file)
    with pytest.raises(StudyError, match="t_dof"):
        refuse_idle_file(study, "mine", [study])
    changed = study.with_settings({"ensemble.dependence": "t_copula"})
    refuse_idle_file(study, "mine", [study, changed])


@pytest.mark.parametrize("name", pf.Study.presets())
def test_what_is_written_is_never_idle(name: str) -> None:
    """Every key with its default is in what init writes."""
    study = pf.Study.from_toml_text(pf.Study.preset(name).to_toml())
    refuse_idle_file(study, name, [study])


@pytest.mark.parametrize(
    "settings",
    [
        {"ensemble.dependence": "t_copula", "ensemble.t_dof": 3.0},
        {"ensemble.dependence": "class_mixture", "ensemble.wrong_fraction": 0.2},
        {"workspace.morphing": "multiplicative", "workspace.mass_step": 2.0},
        {"workspace.mass": "histosys", "workspace.morphing": "additive",
         "workspace.mass_constraint": False},
        {"methods": ["binned_joint"], "joint.n_bins": 2, "joint.morphing": "additive"},
        {"methods": ["unbinned_joint"], "joint.correlation": "given"},
        {"methods": ["binned_optimal"], "optimal.weights": "own"},
        {"workspace.staterror": True, "calibration.events_per_point": 500},
        {"observable.m_W.n_bins": 3, "workspace.n_bins": 4},
    ],
)  # fmt: skip
def test_keys_with_an_effect(settings: dict[str, object]) -> None:
    refuse_idle(settings, [TINY.with_settings(settings)], {})


def test_bins_of_observables_of_their_own() -> None:
    own = TINY.with_settings({"observable.m_t.n_bins": 3, "observable.m_W.n_bins": 3})
    assert "workspace.n_bins" in idle_keys(own)
    assert "workspace.n_bins" not in idle_keys(TINY)


def test_one_of_several_studies_is_enough() -> None:
    several = [TINY, TINY.with_settings({"ensemble.dependence": "t_copula"})]
    refuse_idle({"ensemble.t_dof": 3.0}, several, {})
    with pytest.raises(StudyError, match=r"t_dof"):
        refuse_idle({"ensemble.t_dof": 3.0}, several[:1], {})


def test_the_joint_workspace_has_a_rho() -> None:
    assert "ensemble.rho" in of_workspace(joint=False)
    assert "ensemble.rho" not in of_workspace(joint=True)


def _refused(ended: CompletedProcess[str], reason: str) -> None:
    assert (ended.returncode, ended.stdout) == (2, "")
    assert reason in ended.stderr
    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.count("\n") == 1
