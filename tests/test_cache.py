"""The cache folder: private, shared by processes, harmless whatever happens to it."""

import os
import stat
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from pullfactory import Calibration, Study, calibrate
from pullfactory._cache import SWITCH, find_cache, heal
from pullfactory.inference import judge_closure

SIMULATED = Study.preset("poster").with_settings({"calibration.grid": "needed"})
SMALL = SIMULATED.with_settings({"calibration.events_per_point": 20_000})

WORKSPACE = Path(__file__).parents[1] / "workspaces" / "poster.json"

PROGRAM = """
from pullfactory._jax import jax, jnp, watch_programs
told = watch_programs()
x = jnp.linspace(0.0, 1.0, 101)
value = jax.jit(lambda x: jnp.sum(jnp.sin(x) ** 2))(x)
print(float(value).hex(), told())
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of the user, in which JAX has no other place."""
    for name in list(os.environ):
        if name.startswith(("JAX_COMPILATION", "JAX_PERSISTENT")):
            monkeypatch.delenv(name)
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "pullfactory"


@pytest.fixture
def all_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibrations that are made in no time too."""
    monkeypatch.setattr("pullfactory.calibration._store._WORTH", 0)


def compute(before: str = "", env: dict[str, str] | None = None) -> tuple[str, str]:
    """A number, and what is told of the programs, from a process that takes warnings for errors."""
    command = [sys.executable, "-W", "error", "-c", before + PROGRAM]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert not found.stderr
    number, told = found.stdout.strip().split(maxsplit=1)
    return number, told


def programs(home: Path) -> list[Path]:
    return sorted(home.glob("programs/*/*-cache"))


def test_folder_is_private(home: Path) -> None:
    found = find_cache("programs", "key").folder
    assert found == home / "programs" / "key"
    for folder in (home, found.parent, found):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_folder_that_others_can_read_is_closed(home: Path) -> None:
    home.mkdir(mode=0o755)
    assert find_cache("programs", "key").folder
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize("part", ["", "programs", "programs/key"])
def test_folder_that_others_can_write_is_not_used(home: Path, part: str) -> None:
    (home / "programs" / "key").mkdir(parents=True)
    (home / part).chmod(0o777)
    found = find_cache("programs", "key")
    assert found.folder is None
    assert "can be written by others" in found.reason


def test_folder_of_somebody_else_is_not_used(home: Path) -> None:
    home.mkdir()
    try:
        os.chown(home, 12345, -1)
    except PermissionError:
        pytest.skip("only root can give a folder away")
    found = find_cache("programs", "key")
    assert found.folder is None
    assert "belongs to somebody else" in found.reason


def test_link_is_not_followed(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    home.symlink_to(elsewhere)
    assert find_cache("programs", "key").folder is None
    assert not list(elsewhere.glob("programs/key/*"))


def test_without_a_place_there_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found = find_cache("programs", "key")
    assert found.folder is None
    assert found.reason


@pytest.mark.parametrize("word", ["0", "false", "No", "OFF"])
def test_cache_can_be_turned_off(home: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv(SWITCH, word)
    assert find_cache("programs", "key").folder is None
    assert not home.exists()


@pytest.mark.usefixtures("home")
def test_folders_long_unused_are_removed() -> None:
    old = find_cache("programs", "old").folder
    assert old
    os.utime(old, (0, 0))
    find_cache("programs", "new")
    assert not old.exists()


@pytest.mark.usefixtures("home")
def test_half_written_programs_are_removed_once() -> None:
    folder = find_cache("programs", "key").folder
    assert folder
    for name, content in {"empty-cache": b"", "half-cache": b"\x78\x9c\x01", "other": b""}.items():
        (folder / name).write_bytes(content)
    heal(folder)
    assert {path.name for path in folder.iterdir()} == {"other", "checked"}


@pytest.mark.usefixtures("home")
def test_programs_that_are_no_files_of_the_user_are_removed(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.write_bytes(zlib.compress(b"a program"))
    folder = find_cache("programs", "key").folder
    assert folder
    heal(folder)
    for name in ("mine-cache", "yours-cache"):
        (folder / name).write_bytes(foreign.read_bytes())
    (folder / "link-cache").symlink_to(foreign)
    try:
        os.chown(folder / "yours-cache", 12345, -1)
    except PermissionError:
        pytest.skip("only root can give a file away")
    heal(folder)
    assert {path.name for path in folder.iterdir()} == {"mine-cache", "checked"}
    assert foreign.exists()


def test_warm_cache_gives_the_same_number(home: Path) -> None:
    cold, told = compute()
    assert told.startswith("0 read, ")
    warm, told = compute()
    assert ", 0 compiled" in told
    assert str(home) in told
    assert cold == warm == compute(env={**os.environ, SWITCH: "0"})[0]


def test_damaged_programs_are_compiled_again(home: Path) -> None:
    number, _ = compute()
    for program in programs(home):
        program.write_bytes(program.read_bytes()[:100])
    assert compute()[0] == number
    assert ", 0 compiled" in compute()[1]


def test_foreign_content_does_no_harm(home: Path) -> None:
    number, _ = compute()
    for program in programs(home):
        program.write_bytes(b"PK not a program")
    assert compute()[0] == number
    assert ", 0 compiled" in compute()[1]


@pytest.mark.usefixtures("home")
def test_two_processes_at_once() -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = {process.communicate()[0].split()[0] for process in running}
    assert told == {compute()[0]}
    assert [process.returncode for process in running] == [0, 0, 0]


def test_full_disk_does_no_harm(home: Path) -> None:
    full = compute(before="import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n")
    assert not [program for program in programs(home) if program.stat().st_size]
    assert full[0] == compute()[0]


def test_a_place_of_the_users_own_is_left_alone(home: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    _, told = compute(env={**os.environ, "JAX_COMPILATION_CACHE_DIR": str(mine)})
    assert str(mine) in told
    assert not home.exists()


def test_calibration_is_made_once(home: Path) -> None:
    first = calibrate(SIMULATED)
    (kept,) = home.glob("calibrations/*/*.json")
    before = kept.stat().st_mtime_ns
    again = calibrate(SIMULATED.with_settings({"name": "another", "ensemble.rho": [0.2]}))
    assert kept.stat().st_mtime_ns == before
    assert again.study.name == "another"
    for mine, theirs in zip(first.counts, again.counts, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(first.response_covariance, again.response_covariance)
    assert Calibration.from_dict(again.to_dict()).sha256 == again.sha256


@pytest.mark.usefixtures("all_are_kept")
def test_kept_calibration_that_is_damaged_is_made_again(home: Path) -> None:
    first = calibrate(SMALL)
    (kept,) = home.glob("calibrations/*/*.json")
    for content in ("{}", "[1]", "no JSON", kept.read_text().replace("7", "8", 1)):
        kept.write_text(content)
        assert calibrate(SMALL).sha256 == first.sha256


@pytest.mark.usefixtures("all_are_kept")
@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"observable.m_t.mu": 171.9}, {"calibration.events_per_point": 21_000}],
)
def test_other_calibrations_are_others(home: Path, change: dict[str, object]) -> None:
    first = calibrate(SMALL)
    assert calibrate(SMALL.with_settings(change)).sha256 != first.sha256
    assert len(list(home.glob("calibrations/*/*.json"))) == 2


EXACT = SMALL.with_settings({"calibration.source": "exact"})


def test_closure_is_judged_once(home: Path) -> None:
    """Whatever it does not depend on, and though what was kept is damaged."""
    first = judge_closure(calibrate(EXACT))
    (kept,) = home.glob("closures/*/*.json")
    before = kept.stat().st_mtime_ns
    other = EXACT.with_settings({"name": "b", "methods": "all", "ensemble.rho": [0.2]})
    assert judge_closure(calibrate(other)) == first
    assert kept.stat().st_mtime_ns == before
    whole = kept.read_text()
    for content in ("{}", "no JSON", '{"verdicts": []}', whole.replace("false", "true"), whole[1:]):
        kept.write_text(content)
        assert judge_closure(calibrate(EXACT)) == first


@pytest.mark.slow
def test_numbers_of_another_study_are_not_taken(home: Path) -> None:
    """Though they lie under its name."""
    other = EXACT.with_settings({"workspace.morphing": "multiplicative"})
    first = judge_closure(calibrate(other))
    (one,) = home.glob("closures/*/*.json")
    judge_closure(calibrate(EXACT))
    (kept,) = (file for file in home.glob("closures/*/*.json") if file != one)
    one.write_bytes(kept.read_bytes())
    assert judge_closure(calibrate(other)) == first


def test_what_is_no_file_is_not_read(home: Path) -> None:
    first = judge_closure(calibrate(EXACT))
    (kept,) = home.glob("closures/*/*.json")
    kept.unlink()
    os.mkfifo(kept)
    assert judge_closure(calibrate(EXACT)) == first


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"ensemble.n_events": 500}, {"workspace.morphing": "multiplicative"}],
)
def test_other_closures_are_others(home: Path, change: dict[str, object]) -> None:
    first = judge_closure(calibrate(EXACT))
    assert judge_closure(calibrate(EXACT.with_settings(change))) != first
    assert len(list(home.glob("closures/*/*.json"))) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "words",
    [
        ("toys", str(WORKSPACE), "--n-toys", "300"),
        ("run", "--methods", "unbinned,binned_joint", "--rho", "0.5", "--n-toys", "200"),
    ],
)
def test_fits_are_the_same_bit_for_bit(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Every file but the report, and every column of the toys."""
    runs = {"cold": (), "warm": (), "anew": ("--no-cache",)}
    for name, more in runs.items():
        command = [sys.executable, "-m", "pullfactory", "-v", *words, *more]
        command += ["--figures", "none", "-o", str(tmp_path / name)]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        (told,) = (line for line in found.stderr.splitlines() if line.startswith("programs: "))
        assert (", 0 compiled" in told) == (name == "warm"), told
    cold, *others = (contents(tmp_path / name) for name in runs)
    assert any(name.startswith("toys.parquet/part-") for name in cold)
    for other in others:
        assert other == cold


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file() and file.suffix != ".html")
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}
