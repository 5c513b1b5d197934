"""Folders of strangers: what lies there may be anything, and is read as it is or refused."""

import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pyarrow.parquet as pq
import pyhf
import pytest

import pullfactory as pf
from pullfactory.described import json_schema_of
from pullfactory.files import is_partial, open_plain, read_plain, replace_text
from pullfactory.results.schemas.audit import AuditKeys
from pullfactory.results.schemas.parts import Named, StudyKeys
from pullfactory.results.soundness import require_schema

Invoke = Callable[..., CompletedProcess[str]]
Change = Callable[[Path], object]

PICTURE = "figures/pulls.png"
PART = "toys.parquet/part-000000000000-000000000020.parquet"


@pytest.fixture(scope="module")
def thrown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole result of toys, with one small picture in the place of its figures."""
    model = pyhf.simplemodels.uncorrelated_background([9.0], [50.0], [5.0])
    toys = pf.run_toys(pf.BinnedLikelihood.from_pyhf(model), 20, seed=0)
    folder = toys.write(tmp_path_factory.mktemp("thrown") / "out", figures=())
    (folder / "figures").mkdir()
    (folder / PICTURE).write_bytes(png(2, 2))
    return folder


@pytest.fixture
def folder(thrown: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(thrown, tmp_path / "out"))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text("secret")
    return path


def png(width: int, height: int) -> bytes:
    """A black picture, whatever its size is said to be."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0\0\0" * 2)),
        (b"IEND", b""),
    )
    packed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def refused(invoke: Invoke, *arguments: object) -> str:
    """The one line that a command ends with, which wrote nothing."""
    ended = invoke(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    return ended.stderr


NAMES = ("report.html", "summary.json", "manifest.json", "failures.csv", "figures", PICTURE, PART)
COMMANDS = (["report"], ["report", "--figures", "png"], ["status"], ["merge"])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("name", [*NAMES, ".report.html.partial", ".manifest.json.partial"])
def test_no_link_is_followed(
    folder: Path, secret: Path, invoke: Invoke, name: str, command: list[str]
) -> None:
    remove(folder / name)
    (folder / name).symlink_to(secret)
    line = refused(invoke, *command, folder)
    assert f"{name}' is a link, which is not followed" in line
    assert secret.read_text() == "secret"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("name", NAMES)
def test_no_pipe_is_waited_for(folder: Path, invoke: Invoke, name: str, command: list[str]) -> None:
    remove(folder / name)
    os.mkfifo(folder / name)
    assert f"{name}' is no file; remove it" in refused(invoke, *command, folder)


def test_a_file_that_becomes_a_link_is_not_followed(secret: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(secret)
    with pytest.raises(OSError, match="it is a link, which is not followed"):
        open_plain(link)
    replace_text(link, "ours")
    assert (link.read_text(), link.is_symlink(), secret.read_text()) == ("ours", False, "secret")


def test_a_device_and_a_large_file_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match="it is no file"):
        open_plain(Path("/dev/zero"))
    large = tmp_path / "large"
    large.write_bytes(b"12345")
    monkeypatch.setattr("pullfactory.files._LARGEST", 4)
    with pytest.raises(OSError, match="it is larger than"):
        read_plain(large)


def test_nobody_guesses_the_name_of_a_file_that_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def replace(partial: Path, _file: Path) -> None:
        names.append(partial.name)

    monkeypatch.setattr(Path, "replace", replace)
    for _ in range(2):
        replace_text(tmp_path / "report.html", "text")
    assert len(set(names)) == 2
    assert all(is_partial(name, "report.html") for name in names)
    assert is_partial(".report.html.partial", "report.html")  # of an earlier version
    assert not is_partial(names[0], "manifest.json")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "it is no PNG"),
        (b"", "it is no PNG"),
        (png(60_000, 60_000), "60000 x 60000 pixels are too many"),
        (png(0, 2), "it is a damaged picture"),
        (png(2, 2)[:45], "it is a damaged picture"),
    ],
    ids=["eps", "empty", "bomb", "flat", "cut"],
)
def test_only_a_png_is_opened_as_one(
    folder: Path, invoke: Invoke, content: bytes, said: str
) -> None:
    (folder / PICTURE).write_bytes(content)
    assert f"has no readable pulls.png ({said})" in refused(invoke, "report", folder)


def numbers(change: Callable[[dict[str, Any]], object]) -> Change:
    def spoil(folder: Path) -> None:
        file = folder / "summary.json"
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))

    return spoil


def pull(key: str, value: object) -> Change:
    return numbers(lambda content: content["pulls"][0].update({key: value}))


def first_version(change: Change) -> Change:
    """In a file of the version whose keys may be missing."""

    def spoil(folder: Path) -> None:
        numbers(lambda content: content.update(schema="pullfactory-summary/1"))(folder)
        change(folder)

    return spoil


def failures(content: bytes) -> Change:
    """One fit did not end well, and this is told of it."""

    def spoil(folder: Path) -> None:
        numbers(lambda told: told["status"]["binned"].update(iteration_limit=1))(folder)
        (folder / "failures.csv").write_bytes(content)

    return spoil


SPOILED: dict[str, tuple[Change, str]] = {
    "nan": (pull("width", float("nan")), "NaN is no number"),
    "infinity": (pull("width", float("inf")), "Infinity is no number"),
    "text": (pull("width", "wide"), "pulls[0].width: 'wide' is not"),
    "truth value": (pull("width", True), "pulls[0].width: True is not"),
    "text for a count": (pull("n_toys", "many"), "pulls[0].n_toys: 'many' is not"),
    "400 digits": (pull("width", 10**400), "too large"),
    "no number": (numbers(lambda told: told["pulls"][0].pop("width")), "'width' is a required"),
    "version 1": (first_version(pull("width", "wide")), "pulls[0].width: 'wide' is not"),
    "long field": (failures(b"method,toy\nbinned," + b"x" * 200_000), "field larger than"),
    "latin": (failures(b"m\xe9thod\n"), "failures.csv (it is no text in UTF-8)"),
    "other method": (failures(b"method,toy,status,rho\nx,1,,\n"), "KeyError: 'x'"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_only_numbers_are_told_as_numbers(folder: Path, invoke: Invoke, name: str) -> None:
    change, said = SPOILED[name]
    change(folder)
    assert said in refused(invoke, "report", folder)


@pytest.mark.parametrize("named", [StudyKeys, AuditKeys, Named])
@pytest.mark.parametrize("name", ["../secret", "a/b", "/etc/passwd", "", ".", ".."])
def test_no_name_leads_out_of_its_folder(named: type, name: str) -> None:
    schema = {"properties": {"name": json_schema_of(named)["properties"]["name"]}}
    require_schema({"name": "m_t"}, schema)
    with pytest.raises(ValueError, match=r"^name: .* does not match "):
        require_schema({"name": name}, schema)


def identity(text: str) -> Change:
    """Another description in the part."""

    def spoil(folder: Path) -> None:
        file = folder / PART
        with pq.ParquetFile(file) as opened:
            table, told = opened.read(), dict(opened.metadata.metadata or {})
        with pq.ParquetWriter(file, table.schema) as writer:
            writer.write_table(table)
            sums = told[b"pullfactory.sums"].decode()
            writer.add_key_value_metadata({"pullfactory.identity": text, "pullfactory.sums": sums})

    return spoil


CAMPAIGNS: list[dict[str, Any]] = [
    {},
    {"n_toys": 20, "block": 0, "started": 1},
    {"n_toys": -5, "block": -1, "started": 1},
    {"n_toys": 10**300, "block": 1, "started": 1},
    {"n_toys": "x", "block": 1, "started": 1},
]
IDENTITIES = ("{", "[1]", "{}", '{"kind": "toys", "block": 0}', '{"kind": 1, "block": 1}')


@pytest.mark.parametrize("told", CAMPAIGNS, ids=str)
def test_runs_in_progress_that_do_not_say_how_far_they_are(
    folder: Path, invoke: Invoke, told: dict[str, Any]
) -> None:
    (folder / "campaign.json").write_text(json.dumps(told))
    assert "is not complete" in refused(invoke, "status", folder)


@pytest.mark.parametrize("text", IDENTITIES)
@pytest.mark.parametrize("command", ["status", "merge"])
def test_toys_that_do_not_say_what_they_are(
    folder: Path, invoke: Invoke, command: str, text: str
) -> None:
    identity(text)(folder)
    assert "is not complete" in refused(invoke, command, folder)


def test_shards_of_more_toys_than_memory_holds(folder: Path, invoke: Invoke) -> None:
    numbers(lambda told: told.update(n_toys=10**12))(folder)
    said = refused(invoke, "merge", folder)
    assert "is not among the blocks of 1000000000000 toys" in said


def test_a_folder_of_friends_is_told_as_before(folder: Path, invoke: Invoke) -> None:
    (folder / "notes.txt").write_text("mine")
    ended = invoke("report", folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "data:image/png;base64" in (folder / "report.html").read_text()
