"""A method from outside: an object that is given, and one that an installed package has."""

import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Protocol

import pytest

import pullfactory as pf
from pullfactory import Method, MethodKind, Study, build_method
from pullfactory.calibration import Calibration
from pullfactory.errors import LikelihoodError, OutputError, StudyError
from pullfactory.settings import methods as register


class Invoke(Protocol):
    def __call__(self, *arguments: object) -> CompletedProcess[str]: ...


def only_one(calibration: Calibration, _rho: float) -> Method:
    """As `unbinned`, under another name."""
    method = build_method("unbinned", calibration)
    return Method(
        name="mine",
        likelihood=method.likelihood,
        observe=method.observe,
        scatter=method.scatter,
        expect=method.expect,
        aux_scatter=method.aux_scatter,
    )


def named(name: str, calibration: Calibration, rho: float) -> Method:
    return replace(only_one(calibration, rho), name=name)


MINE = MethodKind(name="mine", build=only_one, independent=True, colour="#123456")
STUDY = Study.preset("poster").with_settings(
    {
        "name": "outside",
        "calibration.source": "exact",
        "ensemble.n_toys": 40,
        "ensemble.n_events": 200,
        "ensemble.rho": [0.0, 0.5],
    }
)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a package had the method among its entry points."""
    use(monkeypatch, EntryPoint("mine", f"{__name__}:MINE", register.GROUP))


def use(monkeypatch: pytest.MonkeyPatch, *entries: EntryPoint) -> None:
    monkeypatch.setattr(register, "entry_points", lambda **_group: EntryPoints(entries))


def widths(result: Any, method: str) -> list[tuple[float, str, float]]:
    return [
        (row.rho, row.pulls.parameter, row.pulls.width)
        for row in result.pulls
        if row.method == method
    ]


def test_a_given_method_is_in_everything(tmp_path: Path) -> None:
    result = pf.run(STUDY, methods=["unbinned", MINE])
    assert result.study.methods == ("unbinned", "mine")
    assert widths(result, "mine") == widths(result, "unbinned") != []
    assert "pulls_mine" in result.plots
    (lines, *_) = result.plot("pull_width").axes
    assert "#123456" in {line.get_color() for line in lines.get_lines()}
    folder = result.write(tmp_path / "result")
    assert (folder / "figures" / "pulls_mine.png").exists()
    page = (folder / "report.html").read_text()
    assert "with the mine fit" in page
    assert "#123456" in page
    assert {row["method"] for row in pf.read_summary(folder)["pulls"]} == {"unbinned", "mine"}


def test_every_marker_is_drawn(tmp_path: Path) -> None:
    """On the page as in figures."""
    markers = {"cross": "x", "octagon": "8", "tick": "1", "letter": r"$\alpha$"}
    kinds = [
        MethodKind(
            name=name,
            build=partial(named, name),
            independent=True,
            marker=marker,
        )
        for name, marker in markers.items()
    ]
    result = pf.run(STUDY, methods=kinds)
    result.plot("pull_width").savefig(tmp_path / "pull_width.png")
    folder = result.write(tmp_path / "result", figures=())
    page = (folder / "report.html").read_text()
    shapes = {re.sub("[0-9. -]", "", one) for one in re.findall('class="shape" d="(M[^"]*)"', page)}
    assert {"MLML", "MLLLLLLLZ", "MLMLML"} < shapes
    assert len(shapes) == len(markers)


def test_a_result_with_a_given_method_is_read_with_it(tmp_path: Path) -> None:
    result = pf.run(STUDY, methods=["binned", MINE])
    folder = result.write(tmp_path / "out", figures=())
    with pytest.raises(OutputError, match=r"method 'mine' is unknown; .* read\(folder, methods="):
        pf.read(folder)
    again = pf.read(folder, methods=[MINE])
    assert again.summary() == result.summary()
    assert again.plot("pulls_mine").axes
    again.write(tmp_path / "again")


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (replace(MINE, name="other"), "method 'other' builds one called 'mine'"),
        (MethodKind(name="other", build=lambda *_: None), "method 'other' builds None"),  # type: ignore[arg-type]
    ],
)
def test_what_builds_something_else_is_refused(kind: MethodKind, complaint: str) -> None:
    with pytest.raises(LikelihoodError, match=complaint):
        pf.run(STUDY, methods=[kind])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": "my own"}, "'my own' is no name"),
        ({"colour": "nocolour"}, "colour = 'nocolour' is none; write it as #RRGGBB"),
        ({"marker": "nomarker"}, "marker = 'nomarker' is none; take a letter or sign of"),
    ],
)
def test_words_of_a_method_are_checked(change: dict[str, str], complaint: str) -> None:
    with pytest.raises(LikelihoodError, match=complaint):
        replace(MINE, **change)  # type: ignore[arg-type]


def test_one_name_is_no_list() -> None:
    with pytest.raises(StudyError, match=r"is no list; give one, such as \['binned'\]"):
        pf.run(STUDY, methods="binned")


@pytest.mark.slow
def test_a_given_method_travels() -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        there = pf.run(STUDY, methods=[MINE], executor=pool)
    assert widths(there, "mine") == widths(pf.run(STUDY, methods=[MINE]), "mine")


def test_other_verbs_take_it() -> None:
    one = STUDY.with_settings({"ensemble.rho": [0.5]})
    assert {row.method for row in pf.predict(one, methods=[MINE]).rows} == {"mine"}
    assert pf.select(one, methods=[MINE]).methods == ("mine",)
    assert pf.bootstrap_toy(one, methods=[MINE], replicas=10).table
    assert {
        row.method for row in pf.scan(one, "ensemble.n_events", [100], methods=[MINE]).rows
    } == {"mine"}


@pytest.mark.usefixtures("installed")
def test_an_installed_method_has_a_name(tmp_path: Path, invoke: Invoke) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY.with_settings({"methods": ["mine"]}).to_toml())
    run = invoke("run", file, "--figures", "none", "--output", tmp_path / "result")
    assert run.returncode == 0, run.stderr
    assert "mine" in run.stdout
    again = invoke("report", tmp_path / "result")
    assert again.returncode == 0, again.stderr
    predicted = invoke("predict", file, "--methods", "mine,binned", "-o", tmp_path / "predicted")
    assert predicted.returncode == 0, predicted.stderr


def test_a_name_that_nobody_has_is_refused(tmp_path: Path, invoke: Invoke) -> None:
    run = invoke("run", "--methods", "mine", "--output", tmp_path / "result")
    assert run.returncode == 2
    assert "method 'mine' is unknown; use one of unbinned, binned," in run.stderr
    assert "Traceback" not in run.stderr
    with pytest.raises(StudyError, match="or install the package that gives it"):
        STUDY.with_settings({"methods": ["mine"]})


def test_a_name_is_given_once() -> None:
    with pytest.raises(LikelihoodError, match="'binned' exists already; give it another name"):
        pf.run(STUDY, methods=[MethodKind(name="binned", build=only_one)])
    other = MethodKind(name="mine", build=only_one)
    with pytest.raises(LikelihoodError, match="'mine' exists already"):
        pf.run(STUDY, methods=[MINE, other])
    with pytest.raises(StudyError, match="method 'mine' is given twice"):
        pf.run(STUDY, methods=[MINE, MINE])


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("nowhere:MINE", r"'mine' of 'nowhere:MINE' cannot be loaded: No module named 'nowhere'"),
        ("math:pi", r"is no MethodKind of this name: 3\.14"),
        (f"{__name__}:STUDY", "is no MethodKind of this name"),
    ],
)
def test_what_is_no_method_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str, complaint: str
) -> None:
    use(monkeypatch, EntryPoint("mine", value, register.GROUP))
    with pytest.raises(StudyError, match=complaint):
        STUDY.with_settings({"methods": ["mine"]})


def test_two_packages_with_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = (EntryPoint("mine", value, register.GROUP) for value in ("a:X", "b:X"))
    use(monkeypatch, *entries)
    with pytest.raises(StudyError, match="'mine' is given by 'a:X' and 'b:X'; remove one"):
        STUDY.with_settings({"methods": ["mine"]})


def test_what_does_not_tell_its_noise_says_so() -> None:
    simulated = STUDY.with_settings(
        {"calibration.source": "simulated", "calibration.events_per_point": 3000}
    )
    noise = pf.run(simulated, methods=[MINE]).noise
    assert {row.reason for row in noise} == {"the method does not tell it"}
    assert {row.shift for row in noise} == {None}


def test_names_and_needs_are_those_of_the_methods() -> None:
    for name, learns in register.BUILT_IN.items():
        kind = pf.method_kind(name)
        assert (kind.name, kind.learns) == (name, learns)
