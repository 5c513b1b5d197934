"""A case: a folder with input and command lines, and what must come out."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["CASES", "Case", "Command", "case_names", "read_case"]

CASES = Path(__file__).parent
_TESTS = CASES.parent
_FILE = "case.toml"
_NO_INPUT = {_FILE, "expected", "make_inputs.py", "__pycache__"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command line.

    Attributes:
        line: Its words, without the name of the program.
        exit: Its exit code.
        place: Files that are copied before it runs, by where to.
        input: File that is its standard input; None for none.
        save: File that its standard output goes to, as well; None for none.
        process: Whether it runs in a process of its own, and draws its figures.
    """

    line: tuple[str, ...]
    exit: int = 0
    place: Mapping[str, str] = field(default_factory=dict)
    input: str | None = None
    save: str | None = None
    process: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Commands, one after the other, in a folder with some files.

    Attributes:
        name: Of its folder.
        why: What it is there for, in one line.
        commands: What is run.
        inputs: Files and folders that the commands find where they run.
        slow: Whether it takes several seconds.
    """

    name: str
    why: str
    commands: tuple[Command, ...]
    inputs: tuple[Path, ...]
    slow: bool = False

    @property
    def expected(self) -> Path:
        """Where it stands what must come out."""
        return CASES / self.name / "expected"


def case_names() -> list[str]:
    """Names of all cases."""
    return sorted(file.parent.name for file in CASES.glob(f"*/{_FILE}"))


def read_case(name: str) -> Case:
    """Read a case.

    Its inputs are the files of its folder, and those that `case.toml` names from the folder of the
    tests.

    Args:
        name: Of its folder.

    Raises:
        FileNotFoundError: If there is no such case, or an input is missing.
    """
    folder = CASES / name
    content: dict[str, Any] = tomllib.loads((folder / _FILE).read_text(encoding="utf-8"))
    shared = [_TESTS / path for path in content.pop("inputs", [])]
    commands = [
        Command(**{**command, "line": tuple(command["line"])}) for command in content.pop("command")
    ]
    for path in shared:
        path.stat()
    own = [path for path in sorted(folder.iterdir()) if path.name not in _NO_INPUT]
    return Case(name=name, commands=tuple(commands), inputs=(*own, *shared), **content)
