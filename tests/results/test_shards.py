"""Shards that processes make, joined in any order: byte for byte the single run."""

import multiprocessing
import random
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pullfactory.cli import main

INPUTS = Path("tests/cases/inputs").absolute()
COMMANDS: dict[str, tuple[object, ...]] = {
    "toys": ("toys", INPUTS / "small.json", "--n-toys", 5000),
    "run": ("run", INPUTS / "tiny.toml", "--n-toys", 900),
    "audit": ("audit", INPUTS / "audit.toml", "--set", "toys.n_toys=900"),
}
BLOCKS = {"toys": 3, "run": 4, "audit": 4}

Invoke = Callable[..., CompletedProcess[str]]


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def make(*arguments: str) -> int:
    """A command in a process of its own."""
    sys.argv = ["pullfactory", *arguments]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.mark.slow  # every process loads and compiles for itself
@pytest.mark.parametrize("verb", COMMANDS)
def test_shards_of_processes_in_any_order(verb: str, tmp_path: Path, invoke: Invoke) -> None:
    command = [str(word) for word in COMMANDS[verb]]
    assert invoke(*command, "-o", tmp_path / "whole").returncode == 0
    shards = [
        [*command, "--blocks", str(k), "--figures", "none", "-o", str(tmp_path / f"shard{k}")]
        for k in range(BLOCKS[verb])
    ]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        assert set(pool.map(make, *zip(*shards, strict=True))) == {0}
    folders = [shard[-1] for shard in shards]
    random.Random(verb).shuffle(folders)
    ended = invoke("merge", *folders, "--figures", "png", "-o", tmp_path / "merged")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert files_of(tmp_path / "merged") == files_of(tmp_path / "whole")
