"""Shards joined: byte for byte the single run, in any order; and what is refused."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import pullfactory as pf
from pullfactory.errors import OutputError
from pullfactory.results import identity
from pullfactory.results.keeping import Keep
from pullfactory.results.rows import installed_versions

WORKSPACE = Path("workspaces/poster.json").absolute()
# The command line, with parts as small as here.
PROGRAM = (
    f"{sys.executable} -c 'from pullfactory.cli import main; import pullfactory.runs.toys as toys; "
    "toys._TOGETHER = 1; main()'"
)

Invoke = Callable[..., CompletedProcess[str]]


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module", autouse=True)
def small_parts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pullfactory.runs.toys._TOGETHER", 1)
        yield


def shard(
    likelihood: pf.BinnedLikelihood, folder: Path, first: int, last: int, seed: int = 1
) -> Path:
    keep = Keep.beside(folder, blocks=(first, last))
    pf.run_toys(likelihood, 1000, seed, keep=keep).write(folder, figures=())
    keep.remove()
    return folder


@pytest.fixture(scope="module")
def shards(
    likelihood: pf.BinnedLikelihood, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("shards")
    return {
        name: shard(likelihood, place / name, int(name[0]), int(name[-1]))
        for name in ("0-1", "1-2", "2-2", "3-3")
    }


def test_shards_that_overlap_are_the_single_run(
    likelihood: pf.BinnedLikelihood, shards: dict[str, Path], tmp_path: Path
) -> None:
    merged = pf.merge([shards[name] for name in ("3-3", "1-2", "0-1")])
    whole = pf.run_toys(likelihood, 1000, 1).write(tmp_path / "whole", figures=("png",))
    assert files_of(merged.write(tmp_path / "merged", figures=("png",))) == files_of(whole)
    again = pf.merge([tmp_path / "merged", shards["2-2"]])
    assert again.summary() == merged.summary()
    assert pf.read(tmp_path / "merged").summary() == merged.summary()


def test_gaps_are_named_with_the_command_that_fills_them(
    tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options that say what the toys are stay; the others are those of the gap."""
    place = tmp_path / "a place"
    place.mkdir()
    monkeypatch.chdir(place)
    (place / "my model.json").write_bytes(WORKSPACE.read_bytes())
    command = ("toys", "my model.json", "--n-toys=1000", "--seed=1", "--truth", "JSF=0.5", "-q")
    some = ("--figures", "none", "--fresh")
    assert invoke(*command, *some, "-o", "0", "--blocks=0").returncode == 0
    assert invoke(*command, *some, "-o", "2", "--blocks", "2").returncode == 0
    ended = invoke("merge", "2", "0", "-o", "all")
    named = "pullfactory toys --n-toys 1000 --seed 1 --truth JSF=0.5 --quiet --figures none"
    lines = [f"{named} 'my model.json' --blocks {block} --output 2+{block}" for block in ("1", "3")]
    said = f"Error: blocks 1, 3 of 4 are missing; make them: {' && '.join(lines)}\n"
    assert (ended.returncode, ended.stderr) == (2, said)
    monkeypatch.chdir(tmp_path)
    told = invoke("merge", place / "2", place / "0", "-o", "all").stderr
    fill = told.strip().partition("make them: ")[2].replace("pullfactory", PROGRAM)
    subprocess.run(["bash", "-c", fill], check=True, timeout=600)
    folders = [place / name for name in ("2+3", "0", "2+1", "2")]
    assert invoke("merge", *folders, "--figures", "none", "-o", "all").returncode == 0
    monkeypatch.chdir(place)
    assert invoke(*command, "--figures", "none", "-o", "single").returncode == 0
    assert files_of(tmp_path / "all") == files_of(place / "single")


def test_gaps_of_shards_that_python_made(
    shards: dict[str, Path], tmp_path: Path, invoke: Invoke
) -> None:
    ended = invoke("merge", shards["0-1"], shards["3-3"], "-o", tmp_path / "merged")
    assert ended.returncode == 2
    assert ended.stderr == (
        "Error: blocks 2 of 4 are missing; make them in Python as the others, with "
        "keep = Keep.beside(..., blocks=(2, 2))\n"
    )
    assert not list(tmp_path.iterdir())


def test_shards_in_progress_are_taken(
    likelihood: pf.BinnedLikelihood, shards: dict[str, Path], tmp_path: Path
) -> None:
    keep = Keep(folder=tmp_path / "out.partial", blocks=(2, 3))
    pf.run_toys(likelihood, 1000, 1, keep=keep)
    assert pf.merge([keep.folder, shards["0-1"]]).summary()["status"]["binned"]["converged"]
    with pytest.raises(OutputError, match="and all others are in progress; let one finish"):
        pf.merge([keep.folder])


@pytest.mark.parametrize("other", ["seed", "study", "version", "instructions", "damage", "single"])
def test_shards_that_do_not_fit_are_refused(
    likelihood: pf.BinnedLikelihood,
    shards: dict[str, Path],
    tmp_path: Path,
    tiny_study: pf.Study,
    other: str,
) -> None:
    folder = tmp_path / "other"
    first = shards["0-1"]
    patch = pytest.MonkeyPatch()
    match other:
        case "seed":
            said = f"'{folder}' has other toys than '{first}' (seed 2 instead of 1); leave it out"
            shard(likelihood, folder, 2, 3, seed=2)
        case "study":
            pf.run(tiny_study).write(folder, figures=())
            said = f"'{folder}' has other toys than '{first}' (kind \"run\" instead of \"toys\")"
        case "version":
            now = installed_versions()
            patch.setattr(identity, "installed_versions", lambda: {**now, "jax": "0.1"})
            shard(likelihood, folder, 2, 3)
            said = f"(jax 0.1 instead of {now['jax']}); leave it out, --tolerant takes"
        case "instructions":
            patch.setattr(identity, "machine", lambda: "0123456789abcdef")
            shard(likelihood, folder, 2, 3)
            said = "(another processor); leave it out, --tolerant takes what agrees to about 1e-12"
        case "damage":
            shard(likelihood, folder, 1, 3)
            part = min((folder / "toys.parquet").iterdir())
            content = bytearray(part.read_bytes())
            content[200] ^= 1
            part.write_bytes(content)
            said = "are the same toys and differ; make one of them again"
        case _:
            folder.mkdir()
            (folder / "toys.parquet").write_bytes(b"PAR1")
            said = f"'{folder}' holds no shard: its toys are one file of an earlier version"
    patch.undo()
    with pytest.raises(OutputError) as error:
        pf.merge([first, folder])
    assert said in str(error.value)
    if other in {"version", "instructions"}:
        merged = pf.merge([first, folder], tolerant=True)
        whole = pf.merge([first, shards["2-2"], shards["3-3"]])
        assert merged.mixed
        assert merged.table.to_dicts() == whole.table.to_dicts()  # one processor made them all
