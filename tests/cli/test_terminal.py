"""Names that a terminal would obey are shown, and not obeyed."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from rich.console import Console

from pullfactory import BinnedLikelihood, Study, read_workspace
from pullfactory.errors import OutputError, StudyError, WorkspaceError
from pullfactory.progress import tell
from pullfactory.report.tabular import Column, Table

Invoke = Callable[..., CompletedProcess[str]]

NAME = "mu\x1b[2J\x1b]0;pwned\x07"
SHOWN = r"mu\x1b[2J\x1b]0;pwned\x07"


def spec(name: str) -> dict[str, object]:
    return {
        "channels": [
            {
                "name": f"SR{name}",
                "samples": [
                    {
                        "name": f"sig{name}",
                        "data": [10.0, 20.0],
                        "modifiers": [{"name": name, "type": "normfactor", "data": None}],
                    },
                    {"name": "bkg", "data": [50.0, 60.0], "modifiers": []},
                ],
            }
        ],
        "observations": [{"name": f"SR{name}", "data": [60.0, 80.0]}],
        "measurements": [{"name": f"m{name}", "config": {"poi": name, "parameters": []}}],
        "version": "1.0.0",
    }


def obeyed(text: str) -> list[str]:
    """Letters that a terminal acts on."""
    return [letter for letter in text if not (letter.isprintable() or letter == "\n")]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.json").write_text(json.dumps(spec(NAME)))
    return tmp_path


def test_tables_figures_and_page(invoke: Invoke, here: Path) -> None:
    """Figures too: matplotlib warns of a glyph that it lacks, and a warning fails the tests."""
    outcome = invoke("toys", "odd.json", "--n-toys", 16, "-v", "--figures", "png,svg")
    assert outcome.returncode == 0
    assert SHOWN in outcome.stdout
    assert not obeyed(outcome.stdout + outcome.stderr)
    folder = here / "results" / "odd_toys"
    for file in ("summary.json", "report.html", "figures/pulls.svg"):
        assert not set(obeyed((folder / file).read_text())) - {"\t"}
    assert SHOWN in json.loads((folder / "summary.json").read_text())["truth"]
    again = invoke("toys", "odd.json", "--n-toys", 16, "-o", "held", "--fix", f"{SHOWN}=1")
    assert "every parameter is fixed" in again.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("toys", f"{NAME}.json"),
        ("toys", "odd.json", "--truth", f"{NAME}=99"),
        ("toys", "odd.json", "--fix", f"x{NAME}"),
        ("toys", "odd.json", "--free", SHOWN),
        ("toys", "odd.json", "--measurement", NAME),
        ("toys", "odd.json", "--modifier-settings", f"{NAME}=code1"),
        ("toys", "odd.json", "--patch", f"{NAME}#{NAME}"),
        ("run", "--set", f"{NAME}=1"),
        ("run", "--preset", NAME),
        ("report", NAME),
        (NAME,),
    ],
    ids=lambda arguments: re.sub(r"[^ -~]", "?", " ".join(arguments)),
)
def test_errors(invoke: Invoke, arguments: tuple[str, ...]) -> None:
    outcome = invoke(*arguments)
    assert outcome.returncode == 2
    assert outcome.stderr.startswith("Error: ")
    assert outcome.stderr.count("\n") == 1
    assert not obeyed(outcome.stderr + outcome.stdout)


def test_every_table_escapes_whatever_a_column_shows(capsys: pytest.CaptureFixture[str]) -> None:
    column = Column(
        key="x", heading=f"two\nlines {NAME}", show=lambda row: f"{row['x']}\n2", words=True
    )
    table = Table(columns=(column,), rows=({"x": NAME},), title=f"[b]{NAME}")
    Console(width=100, color_system=None, file=sys.stdout).print(table)
    shown = capsys.readouterr().out
    assert (shown.count(SHOWN), obeyed(shown)) == (3, [])
    assert "[b]mu" in shown
    assert SHOWN in table._repr_html_()


def test_everything_on_standard_error_is_escaped(
    invoke: Invoke, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(f"toys are kept in '{NAME}'")
    assert capsys.readouterr().err == f"toys are kept in '{SHOWN}'\n"
    folder = f"{NAME}[b]"
    outcome = invoke("toys", "odd.json", "--n-toys", 4, "--figures", "none", "-o", folder)
    assert outcome.returncode == 0
    standing = invoke("status", here / folder)
    assert f"{SHOWN}[b]: finished" in standing.stdout
    assert not obeyed(outcome.stdout + outcome.stderr + standing.stdout)


def test_errors_in_python() -> None:
    """Whoever prints them."""
    for kind in (WorkspaceError, StudyError, OutputError):
        assert str(kind(f"no {NAME}")) == f"no {SHOWN}"
    bad = spec(NAME)
    bad["channels"][0]["samples"][0]["data"] = [-100.0, 1.0]  # type: ignore[index]
    with pytest.raises(WorkspaceError) as complaint:
        BinnedLikelihood.from_pyhf(read_workspace(bad))
    assert not obeyed(str(complaint.value))


def test_names_that_are_shown_alike() -> None:
    both = spec(NAME)
    twin = {"name": SHOWN, "type": "normfactor", "data": None}
    both["channels"][0]["samples"][1]["modifiers"].append(twin)  # type: ignore[index]
    with pytest.raises(WorkspaceError, match="two names of the model are both shown as"):
        BinnedLikelihood.from_pyhf(read_workspace(both))


@pytest.mark.parametrize("key", ["unit", "label"])
def test_texts_of_a_study(key: str) -> None:
    with pytest.raises(StudyError, match="has letters that do not print; leave them out"):
        Study.preset("poster").with_settings({f"parameter.m_t.{key}": "GeV\x1b[2J"})
