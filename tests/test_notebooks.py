"""Every notebook runs from top to bottom; the repository holds it without what it shows."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SIZES = {"N_TOYS": 16, "EVENTS_PER_POINT": 20_000, "N_SIMULATED": 20_000, "EPOCHS": 2}
"""Values for the cell with the tag "parameters", small enough for a test."""


def read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    return notebook


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shrink(notebook: Any) -> None:
    (cell,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", ()))
    names = re.findall(r"^(\w+) =", cell.source, flags=re.MULTILINE)
    assert names, "the cell sets no sizes"
    cell.source = "\n".join(f"{name} = {SIZES[name]}" for name in names)


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))  # not what the user has set up
    notebook = read(path)
    shrink(notebook)
    work = tmp_path / "work"
    work.mkdir()
    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(work)}}
    ).execute()
    for cell in code_cells(notebook):
        complaints = [o.text for o in cell.outputs if o.get("name") == "stderr"]
        assert not complaints, cell.source
        figures = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        assert len(figures) == cell.source.count("display(figure)"), cell.source
    assert not list(work.iterdir()), "a lesson leaves no files behind"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_stored_without_outputs(path: Path) -> None:
    notebook = read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert set(notebook.metadata.get("language_info", {})) <= {"name"}, "no version of Python"
    for cell in code_cells(notebook):
        assert cell.outputs == [], f"clear the outputs: {cell.source}"
        assert cell.execution_count is None, f"clear the outputs: {cell.source}"
        assert set(cell.metadata) <= {"tags"}, cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_holds_no_absolute_path(path: Path) -> None:
    absolute = re.compile(r"(?<![\w.:/<])(?:~|[A-Za-z]:\\|/\w+/)")
    for cell in read(path).cells:
        assert not absolute.findall(cell.source), cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_sentence_stands_before_each_step(path: Path) -> None:
    cells = [cell for cell in read(path).cells if "import" not in cell.source]
    for before, cell in pairwise(cells):
        if cell.cell_type == "code" and "display(figure)" in cell.source:
            assert before.cell_type == "markdown", cell.source
