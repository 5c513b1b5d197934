"""Print the test files near what changed, for `make check`.

Near are the files that changed, those named after a changed file, those that name it, and those
that name its package or lie in its folder; not those that reach it through others, which would be
nearly all. The times of the last `make test` say how many fit into a minute.
"""

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

TIMES = Path("build/tests.xml")
MINUTE = 60.0  # seconds
UNTIMED = 10.0  # seconds; what a file is thought to take that has no time
CHANGED, NAMESAKE, NAMED, NEIGHBOUR, FAR = range(5)


def git(*command: str) -> list[str]:
    """The lines that git prints."""
    return subprocess.check_output(["git", *command], text=True).splitlines()


def changes() -> list[Path]:
    """Files that differ from where the branch left main; if none, those of the last commit."""
    diff = ("diff", "--name-only", "--no-renames")
    names = git(*diff, *git("merge-base", "HEAD", "main"))
    names += git("ls-files", "--others", "--exclude-standard")
    return [Path(name) for name in names or git(*diff, "HEAD~1")]


def distance(test: Path, text: str, change: Path) -> int:
    """How far a test file with this text is from a changed file."""
    *folders, stem = change.with_suffix("").parts[change.parts[0] == "src" :]
    folder, package = Path("tests", *folders[1:]), ".".join(folders)

    def named(name: str) -> bool:
        return re.search(rf"\b{re.escape(name)}\b", text) is not None

    if test == change:
        return CHANGED
    if test.name == f"test_{stem.strip('_')}.py":
        return NAMESAKE if test.parent == folder else NAMED
    if named(change.name) or (package and named(f"{package}.{stem}")):
        return NAMED
    if package not in {"", "pullfactory", "tests"} and named(package):
        return NEIGHBOUR
    return NEIGHBOUR if folder in test.parents and (folders[1:] or stem == "conftest") else FAR


def times() -> dict[Path, float]:
    """Seconds that each test file took."""
    seconds: defaultdict[Path, float] = defaultdict(float)
    for case in ET.parse(TIMES).iter("testcase") if TIMES.exists() else ():
        test = Path(*case.attrib["classname"].split(".")).with_suffix(".py")
        seconds[test] += float(case.attrib["time"])
    return seconds


def choose(near: Mapping[Path, tuple[int, float]]) -> tuple[list[Path], list[Path]]:
    """Files to run, nearest first, and near ones that a minute is too short for.

    Args:
        near: Distance of each file, and the seconds that it takes.
    """
    chosen, left, total = [], [], 0.0
    for test, (away, seconds) in sorted(near.items(), key=lambda item: (*item[1], item[0])):
        if away <= NAMESAKE or (away < FAR and total + seconds <= MINUTE):
            chosen.append(test)
            total += seconds
        elif away < FAR:
            left.append(test)
    return chosen, left


def main() -> None:
    """Print the files to run, and on standard error those that are left."""
    changed, known, near = changes(), times(), {}
    for test in sorted(Path("tests").rglob("test_*.py")):
        text = test.read_text(encoding="utf-8")
        away = min((distance(test, text, change) for change in changed), default=FAR)
        near[test] = (away, known.get(test, UNTIMED))
    chosen, left = choose(near)
    sys.stdout.write(" ".join(map(str, chosen)))
    if left:
        sys.stderr.write(f"Near, but left to make test: {' '.join(map(str, left))}\n")


if __name__ == "__main__":
    main()
