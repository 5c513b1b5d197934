"""Data flow one way: pyproject.toml states the order of the rooms, CONTRIBUTING.md draws it."""

import re
import tomllib
from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "pyproject.toml"


def test_rooms_import_only_what_stands_below_them() -> None:
    assert lint_imports(str(CONFIG), no_cache=True) == EXIT_STATUS_SUCCESS


def test_rooms_are_drawn_in_their_order() -> None:
    contracts = tomllib.loads(CONFIG.read_text())["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["id"] == "rooms")
    stated = [name for layer in layers for name in layer.split(" | ")]
    rows = re.findall(r"^\| (`.*?) +\|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    drawn = [name.rstrip("/") for row in rows for name in re.findall(r"`([^`]*)`", row)]
    assert drawn[: len(stated)] == stated
