"""Data flow one way: the order of the rooms, which pyproject.toml states."""

from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

CONFIG = Path(__file__).parents[1] / "pyproject.toml"


def test_rooms_import_only_what_stands_below_them() -> None:
    assert lint_imports(str(CONFIG), no_cache=True) == EXIT_STATUS_SUCCESS
