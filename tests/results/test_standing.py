"""How far toys are: running, stopped, in a shard, finished, of an earlier version."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

import pullfactory as pf
from pullfactory.errors import OutputError, RunError
from pullfactory.fitting.throwing import throw_block
from pullfactory.results.keeping import Keep, partial_folder
from pullfactory.runs import toys

WORKSPACE = Path("workspaces/poster.json").absolute()
PART = 256
PATIENCE = 120.0  # seconds

Invoke = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.usefixtures("small_parts")


def test_stopped_shard_and_finished(
    likelihood: pf.BinnedLikelihood, tmp_path: Path, invoke: Invoke
) -> None:
    out = tmp_path / "out"
    shard = Keep.beside(out, blocks=(1, 2))
    result = pf.run_toys(likelihood, 1000, 1, keep=shard)
    counts: dict[str, Any] = {
        "blocks": 4,
        "done": 2,
        "missing": 2,
        "toys": 2 * PART,
        "wanted": 1000,
        "failed": 0,
    }
    counts |= {"failed_blocks": []}
    stopped = pf.standing(out).to_dict()
    assert stopped.pop("per_second") > 0
    where = {"folder": str(partial_folder(out)), "state": "stopped"}
    assert stopped == {**where, **counts}
    ended = invoke("status", out)
    assert ended.returncode == 0
    shown = " ".join(ended.stdout.split())
    assert "stopped; 2 of 4 blocks done, 2 missing; 512 of 1000 toys" in shown
    assert "toys a second" in shown
    result.write(out, figures=())
    shard.remove()
    told = json.loads(invoke("status", out, "--json").stdout)
    assert told.pop("per_second") is None
    assert told == {"folder": str(out), "state": "finished", **counts}
    pf.run_toys(likelihood, 1000, 1, keep=Keep.beside(out)).write(out, figures=())
    Keep.beside(out).remove()
    assert pf.standing(out).missing == 0


def test_the_rate_is_of_what_came_since_it_went_on(
    likelihood: pf.BinnedLikelihood, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    keep = Keep.beside(out)
    pf.run_toys(likelihood, PART, 1, keep=keep)
    for part in keep.toys.iterdir():
        os.utime(part, (0, 0))  # long ago
    pf.run_toys(likelihood, 2 * PART, 1, keep=replace(keep, blocks=(0, 0)))
    assert pf.standing(out).per_second is None
    begun = time.time()
    pf.run_toys(likelihood, 2 * PART, 1, keep=keep)
    rate = pf.standing(out).per_second
    assert rate is not None
    assert PART / (time.time() - begun) <= rate


def test_blocks_that_failed_are_named_with_the_reason(
    likelihood: pf.BinnedLikelihood,
    tmp_path: Path,
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, throw = tmp_path / "out", throw_block
    reasons = {1: OSError("no [such] luck"), 2: OSError("no [such] luck"), 0: MemoryError()}

    def broken(model: Any, index: int, *more: Any, **options: Any) -> Any:
        if index in reasons:
            raise reasons[index]
        return throw(model, index, *more, **options)

    with monkeypatch.context() as patch:
        patch.setattr(toys, "throw_block", broken)
        with pytest.raises(RunError, match="3 of 4 blocks failed 3 times: 0, 1, 2 "):
            pf.run_toys(likelihood, 1000, 1, keep=Keep.beside(out), workers=1)
    told = json.loads(invoke("status", out, "--json").stdout)
    assert (told["state"], told["done"], told["missing"]) == ("stopped", 1, 3)
    luck = "OSError: no [such] luck"
    assert told["failed_blocks"] == [
        {"block": 0, "why": "MemoryError"},
        {"block": 1, "why": luck},
        {"block": 2, "why": luck},
    ]
    assert invoke("status", out).stdout.splitlines()[1:] == [
        "Blocks that failed: 0 (MemoryError)",
        f"Blocks that failed: 1-2 ({luck})",
    ]
    pf.run_toys(likelihood, 1000, 1, keep=Keep.beside(out))
    assert pf.standing(out).failed_blocks == ()


def test_where_all_blocks_failed_that_is_still_told(
    likelihood: pf.BinnedLikelihood, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toys, "throw_block", None)
    out = tmp_path / "out"
    with pytest.raises(RunError, match="4 of 4 blocks failed"):
        pf.run_toys(likelihood, 1000, 1, keep=Keep.beside(out), workers=1)
    found = pf.standing(out)
    assert (found.done, found.toys, found.per_second) == (0, 0, None)
    assert {one.why for one in found.failed_blocks} == {
        "TypeError: 'NoneType' object is not callable"
    }


def test_failed_fits_are_counted(likelihood: pf.BinnedLikelihood, tmp_path: Path) -> None:
    flat = replace(likelihood, limits=likelihood.limits * 1e-3)
    result = pf.run_toys(flat, PART, 1)
    result.write(tmp_path / "out", figures=())
    lost = round(result.failed_fraction * PART)
    assert pf.standing(tmp_path / "out").failed == lost


def test_a_folder_may_have_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """That where one is has none as it is written, and the root has none at all."""
    monkeypatch.chdir(tmp_path)
    assert partial_folder(Path()) == tmp_path.with_name(f"{tmp_path.name}.partial")
    for folder in (".", "/"):
        with pytest.raises(OutputError, match="holds no toys in parts"):
            pf.standing(folder)


def test_running(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = (sys.executable, "-m", "pullfactory", "toys", str(WORKSPACE))
    with subprocess.Popen(
        [*command, "--n-toys", "10000000", "-o", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        until = time.monotonic() + PATIENCE
        while not any((partial_folder(out) / "toys.parquet").glob("part-*")):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        found = pf.standing(out)
        process.kill()
    assert (found.state, found.wanted) == ("running", 10**7)
    assert found.toys > 0
    assert pf.standing(out).state == "stopped"


def test_what_has_no_toys_in_parts(tmp_path: Path, invoke: Invoke) -> None:
    (tmp_path / "toys.parquet").write_bytes(b"PAR1")
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(OutputError, match="holds no toys in parts; give the folder of a run"):
            pf.standing(folder)
    assert invoke("status", tmp_path).returncode == 2
