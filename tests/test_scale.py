"""The job arrays of docs/scale.md: their lines run, one process after the other."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Invoke = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"^```\n(.*?)^```$", (ROOT / "docs" / "scale.md").read_text(), re.MULTILINE | re.DOTALL
)


def block(start: str) -> str:
    """The only block that begins so."""
    (found,) = [text for text in BLOCKS if text.startswith(start)]
    return str(found)


SLURM = block("#!/bin/bash\n#SBATCH")
CONDOR = block("executable =")
MERGE = block("pullfactory merge")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the workspace and the script, and commands of this Python."""
    monkeypatch.chdir(tmp_path)
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(paths))
    (tmp_path / "workspace.json").write_bytes((ROOT / "workspaces" / "poster.json").read_bytes())
    (tmp_path / "shard.sh").write_text(SLURM)
    return tmp_path


def execute(command: list[str], **environment: str) -> None:
    subprocess.run(command, env={**os.environ, **environment}, check=True, timeout=600)


def contents(folder: Path) -> dict[str, bytes]:
    files = [*(folder / "toys.parquet").iterdir(), folder / "summary.json"]
    return {path.name: path.read_bytes() for path in files}


def options(text: str, sign: str) -> dict[str, str]:
    """Lines of KEY = VALUE."""
    pairs = [line.split(sign, 1) for line in text.splitlines() if sign in line]
    return {key.strip(): value.strip() for key, value in pairs}


@pytest.mark.slow
def test_jobs_of_slurm_and_condor_merge_into_the_single_run(place: Path, invoke: Invoke) -> None:
    array = re.search(r"^#SBATCH --array=0-(\d+)$", SLURM, re.MULTILINE)
    assert array
    jobs = int(array[1]) + 1
    condor = options(CONDOR, " = ")
    assert condor["executable"] == "shard.sh"
    assert CONDOR.endswith(f"queue {jobs}\n")
    assert condor["arguments"] == "$(Process)"
    for job in reversed(range(jobs)):  # in any order, half of them as the one, half as the other
        if job % 2:
            execute(["bash", "shard.sh"], SLURM_ARRAY_TASK_ID=str(job))
        else:
            execute(
                ["bash", condor["executable"], condor["arguments"].replace("$(Process)", f"{job}")]
            )
    assert invoke(*shlex.split(MERGE)[1:]).returncode == 0
    shard = SLURM.replace("\\\n", "").splitlines()[-1].removeprefix("exec ")
    whole = re.sub(r" --(blocks|output) .*$", "", shard)
    assert invoke(*shlex.split(whole)[1:], "--output", "alone").returncode == 0
    assert contents(place / "results" / "all") == contents(place / "alone")
