"""The html documentation: it builds without a warning and leaves nothing out."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import pullfactory
from pullfactory.cli import cli

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def toctree() -> list[Path]:
    """What the table of contents lists, without endings."""
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\{toctree\}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line[:1] not in {"", ":"}]
    names = [re.sub(r"^.*<(.*)>$", r"\1", line) for line in lines]
    return [(DOCS / name).resolve() for name in names]


def test_toctree_lists_every_page_and_notebook_once() -> None:
    pages = {*DOCS.glob("**/*.md"), *(ROOT / "notebooks").glob("*.ipynb")} - {DOCS / "index.md"}
    listed = toctree()
    assert len(listed) == len(set(listed))
    assert set(listed) >= {page.with_suffix("") for page in pages}


def test_every_public_name_is_documented_once() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    names = re.findall(r"^\.\. (?!automodule)\w+:: pullfactory\.(\w+)(?![\w.])", text, re.MULTILINE)
    assert sorted(names) == pullfactory.__all__


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The html, notebooks not executed: they are by tests of their own, and by `make docs`."""
    folder = tmp_path_factory.mktemp("site")
    command = [
        *(sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"),
        *("-D", "nb_execution_mode=off", "--doctree-dir", str(folder / "doctrees")),
        *("--conf-dir", str(DOCS), str(ROOT), str(folder / "html")),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return folder / "html"


@pytest.mark.slow
def test_site_opens_at_the_first_page(site: Path) -> None:
    assert "docs/index.html" in (site / "index.html").read_text(encoding="utf-8")
    assert (site / "docs" / "index.html").exists()


@pytest.mark.slow
def test_site_has_every_command_and_option(site: Path) -> None:
    page = (site / "docs" / "cli.html").read_text(encoding="utf-8")
    for name, command in cli.commands.items():
        assert f'id="pullfactory-{name}"' in page
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--"):
                    assert f'id="cmdoption-pullfactory-{name}-{option.lstrip("-")}"' in page, option


@pytest.mark.slow
def test_site_has_every_public_name(site: Path) -> None:
    page = (site / "docs" / "api.html").read_text(encoding="utf-8")
    assert [name for name in pullfactory.__all__ if f'id="pullfactory.{name}"' not in page] == []


@pytest.mark.slow
def test_site_writes_formulas_and_says_what_is_small(site: Path) -> None:
    pages = {
        name: (site / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        for name in ("01_poster", "03_morphing")
    }
    assert pages["01_poster"].count("<math") > 10
    said = {name: "This page was made with" in page for name, page in pages.items()}
    assert said == {"01_poster": False, "03_morphing": True}


@pytest.mark.slow
def test_site_needs_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|img)[^>]* src="https?:', text), page
        assert not re.findall(r'<link[^>]* rel="stylesheet"[^>]* href="https?:', text), page
