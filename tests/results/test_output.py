"""Output appears whole or not at all."""

import json
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pullfactory.errors import OutputError
from pullfactory.files import check_file, write_text
from pullfactory.results.folders import check_folder, replaced_folder
from pullfactory.results.part import Span

FOREIGN = "holds something else than a result of pullfactory"
SUMMARY = json.dumps({"schema": "pullfactory-summary/1"})


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """An earlier result, beside which nothing else lies."""
    folder = tmp_path / "result"
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "pulls.png").touch()
    (folder / "summary.json").write_text(SUMMARY)
    return folder


@pytest.fixture(params=["exchange", "rename"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One where two folders can change places at once, or not."""
    if request.param == "rename":
        monkeypatch.setattr("pullfactory.results.swap.exchange", lambda *_: False)
    return str(request.param)


def fill(folder: Path, meanwhile: Callable[[], object]) -> None:
    with replaced_folder(folder) as staging:
        (staging / "new.txt").touch()
        meanwhile()


def fill_and_fail(folder: Path, error: BaseException) -> None:
    with replaced_folder(folder) as staging:
        (staging / "half.txt").touch()
        raise error


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# --- folders ---------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["new", "deep/down/new", "empty"])
def test_folder_is_filled(tmp_path: Path, place: str) -> None:
    (tmp_path / "empty").mkdir()
    with replaced_folder(tmp_path / place) as staging:
        assert not (tmp_path / place / "summary.json").exists()
        (staging / "summary.json").write_text(SUMMARY)
    assert (tmp_path / place / "summary.json").read_text() == SUMMARY
    assert not [path for path in tree(tmp_path) if "/." in f"/{path}"]


@pytest.mark.usefixtures("system")
def test_earlier_result_is_replaced_whole(tmp_path: Path, result: Path) -> None:
    with replaced_folder(result) as staging:
        (staging / "new.txt").touch()
        assert "result/figures/pulls.png" in tree(tmp_path)
    assert tree(tmp_path) == {"result", "result/new.txt"}


def test_folder_can_be_read_by_others(tmp_path: Path) -> None:
    with replaced_folder(tmp_path / "new"):
        pass
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_everything_as_it_was(
    tmp_path: Path, result: Path, interruption: type[BaseException]
) -> None:
    before = tree(tmp_path)
    for folder in (result, tmp_path / "deep" / "new"):
        with pytest.raises(interruption):
            fill_and_fail(folder, interruption())
    assert tree(tmp_path) == before


def test_full_disk_is_an_error_of_ours(tmp_path: Path, result: Path) -> None:
    before = tree(tmp_path)
    with pytest.raises(OutputError, match=r"result' cannot be written \(no space left\); choose"):
        fill_and_fail(result, OSError(28, "no space left"))
    assert tree(tmp_path) == before


@pytest.mark.parametrize("interruption", [OSError(5, "broken"), KeyboardInterrupt()])
def test_old_result_comes_back_if_the_new_one_cannot_take_its_place(
    tmp_path: Path,
    result: Path,
    monkeypatch: pytest.MonkeyPatch,
    interruption: BaseException,
) -> None:
    monkeypatch.setattr("pullfactory.results.swap.exchange", lambda *_: False)
    before = tree(tmp_path)
    rename = Path.rename

    def fail_once(self: Path, target: Path) -> Path:
        if target == result:
            monkeypatch.undo()
            raise interruption
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises((OutputError, KeyboardInterrupt)) as error, replaced_folder(result):
        pass
    kept = re.findall(r"the new result is in '.*/(.*)'", str(error.value))
    assert len(kept) == isinstance(interruption, OSError)
    assert tree(tmp_path) == before | set(kept)


@pytest.mark.usefixtures("system")
def test_link_to_a_result_stays_a_link(tmp_path: Path, result: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(result)
    with replaced_folder(link) as staging:
        (staging / "new.txt").touch()
    assert link.is_symlink()
    assert tree(result) == {"new.txt"}


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("interruption", [1, 4])
def test_place_that_others_take_is_taken_again(
    tmp_path: Path, result: Path, monkeypatch: pytest.MonkeyPatch, interruption: int
) -> None:
    """Another process puts its result there just before ours is, once or several times."""
    rename, left = Path.rename, [interruption]

    def rename_late(self: Path, target: Path) -> Path:
        if target == result and left[0]:
            left[0] -= 1
            target.mkdir()
            (target / "summary.json").write_text(SUMMARY)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_late)
    with replaced_folder(result) as staging:
        (staging / "new.txt").touch()
    assert tree(tmp_path) == {"result", "result/new.txt"}


@pytest.mark.usefixtures("system")
def test_writers_at_once_leave_one_whole_result(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for _ in range(10):
            with replaced_folder(tmp_path / "result") as staging:
                (staging / "summary.json").write_text(SUMMARY)
                (staging / "toys.parquet").write_text(str(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert tree(tmp_path) == {"result", "result/summary.json", "result/toys.parquet"}


@pytest.mark.usefixtures("system")
def test_what_came_meanwhile_stays_and_so_does_the_new_result(tmp_path: Path, result: Path) -> None:
    message = r"now holds something else .*: 'notes.txt'; the new result is in '(.*)'"
    with pytest.raises(OutputError, match=message) as error:
        fill(result, (result / "notes.txt").touch)
    assert tree(result) == {"figures", "figures/pulls.png", "summary.json", "notes.txt"}
    (kept,) = re.findall(message, str(error.value))
    assert tree(Path(kept)) == {"new.txt"}
    assert not [path for path in tree(tmp_path) if path.startswith(".")]


@pytest.mark.usefixtures("system")
def test_link_that_came_meanwhile_is_not_followed(tmp_path: Path, result: Path) -> None:
    def move() -> None:
        result.rename(tmp_path / "moved")
        result.symlink_to(tmp_path / "moved")

    with pytest.raises(OutputError, match="now holds something else"):
        fill(result, move)
    assert result.is_symlink()
    assert tree(tmp_path / "moved") == {"figures", "figures/pulls.png", "summary.json"}


def foreign(folder: Path) -> Path:
    (folder / "thesis.tex").touch()
    return folder


def inside(*names: str) -> Callable[[Path], Path]:
    """A file, or a folder if it ends with /, among those of a result."""

    def put(folder: Path) -> Path:
        place = earlier(folder)
        for name in names:
            path = place / name
            path.parent.mkdir(exist_ok=True)
            path.mkdir() if name.endswith("/") else path.touch()
        return place

    return put


def instead(name: str, put: Callable[[Path], object]) -> Callable[[Path], Path]:
    """Something else under the name of a file of ours."""

    def replace(folder: Path) -> Path:
        place = earlier(folder)
        (place / name).unlink(missing_ok=True)
        put(place / name)
        return place

    return replace


def earlier(folder: Path) -> Path:
    place = folder / "earlier"
    (place / "figures").mkdir(parents=True)
    (place / "figures" / "pulls.png").touch()
    (place / "summary.json").write_text(SUMMARY)
    return place


def link_to_itself(folder: Path) -> Path:
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop"


def link_to_foreign(folder: Path) -> Path:
    (folder / "thesis").mkdir()
    (folder / "latest").symlink_to(foreign(folder / "thesis"))
    return folder / "latest"


def deep_summary(folder: Path) -> Path:
    (folder / "summary.json").write_text("[" * 100_000)
    return folder


def odd_summary(folder: Path) -> Path:
    """Numbers that name no files."""
    content = {"schema": "pullfactory-summary/1", "study": {"observable": 1}}
    (folder / "summary.json").write_text(json.dumps(content))
    return folder


def foreign_summary(folder: Path) -> Path:
    (folder / "summary.json").write_text('{"schema": "somebody-elses/1"}')
    return folder


def damaged_summary(folder: Path) -> Path:
    (folder / "summary.json").write_text(SUMMARY[:-3])
    return folder


def file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file"


def below_a_file(folder: Path) -> Path:
    return file(folder) / "deeper" / "down"


def endless_name(folder: Path) -> Path:
    return folder / ("x" * 300)


def here(folder: Path) -> Path:
    os.chdir(folder)
    return Path()


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        (foreign, "holds something else than a result of pullfactory: 'thesis.tex'"),
        (inside("thesis.tex"), f"{FOREIGN}: 'thesis.tex'"),
        (inside("figures/mine.png"), f"{FOREIGN}: 'figures/mine.png'"),
        (inside("figures/pulls/"), f"{FOREIGN}: 'figures/pulls'"),
        (inside("workspaces/mine.json"), f"{FOREIGN}: 'workspaces/mine.json'"),
        (inside("empty/"), f"{FOREIGN}: 'empty'"),
        (inside(".DS_Store"), f"{FOREIGN}: '.DS_Store'"),
        (inside("figures/.hidden"), f"{FOREIGN}: 'figures/.hidden'"),
        (inside("line\nbreak"), f"{FOREIGN}: 'line\\nbreak'"),
        (inside("toys.parquet/mine.parquet"), f"{FOREIGN}: 'toys.parquet/mine.parquet'"),
        (inside(f"toys.parquet/{Span(0, 9).name}/"), f"{FOREIGN}: 'toys.parquet/part-"),
        (inside("audit.toml"), f"{FOREIGN}: 'audit.toml'"),  # of another kind of result
        (instead("toys.parquet", lambda path: path.symlink_to("/etc/hosts")), f"{FOREIGN}: 'toys"),
        (instead("report.html", lambda path: path.symlink_to("gone")), f"{FOREIGN}: 'report.html'"),
        (instead("toys.parquet", os.mkfifo), f"{FOREIGN}: 'toys.parquet'"),
        (instead("summary.json", os.mkfifo), f"{FOREIGN}: 'figures/pulls.png'"),
        (instead("workspaces", lambda path: path.symlink_to("/etc")), f"{FOREIGN}: 'workspaces'"),
        (link_to_itself, "is a link that leads nowhere"),
        (link_to_foreign, f"{FOREIGN}: 'thesis.tex'"),
        (deep_summary, f"{FOREIGN}: 'summary.json'"),
        (odd_summary, f"{FOREIGN}: 'summary.json'"),
        (foreign_summary, "holds something else than a result"),
        (damaged_summary, "holds something else than a result"),
        (file, "is a file"),
        (below_a_file, "cannot be written ('file' is a file)"),
        (endless_name, "cannot be written (File name too long)"),
        (here, "is where you are"),
        (lambda _: Path("/"), FOREIGN),
    ],
)
def test_folder_is_refused_and_nothing_touched(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: Callable[[Path], Path],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)  # and back, after the test
    folder = place(tmp_path)
    before = tree(tmp_path)
    with pytest.raises(OutputError) as error:
        check_folder(folder)
    assert str(error.value).startswith(f"output folder '{folder}' {complaint}")
    assert str(error.value).endswith("; choose another --output")
    with pytest.raises(OutputError), replaced_folder(folder):
        pytest.fail("nothing may be written here")
    assert tree(tmp_path) == before


def test_mount_point_is_refused(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, complaint in ((result, "is a mount point"), (result / "figures", FOREIGN)):
        monkeypatch.setattr(os.path, "ismount", lambda path, place=place: Path(path) == place)
        with pytest.raises(OutputError, match=f"result' {complaint}"):
            check_folder(result)


def refuse(*_arguments: object, **_options: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_folder_without_permission_is_refused(
    tmp_path: Path, result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("pullfactory.results.folders.new_workplace", refuse)
        with pytest.raises(OutputError, match=r"new' cannot be written \(Permission denied\)"):
            check_folder(tmp_path / "new")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match=r"result' cannot be written \(no permission\)"):
        check_folder(result)


def test_check_leaves_no_trace(tmp_path: Path, result: Path) -> None:
    before = tree(tmp_path)
    assert check_folder(result) == result
    assert check_folder(tmp_path / "deep" / "new") == tmp_path / "deep" / "new"
    assert check_file(tmp_path / "deep" / "file") == tmp_path / "deep" / "file"
    assert tree(tmp_path) == before


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["new.txt", "deep/down/new.txt", "old.txt"])
def test_file_is_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "old.txt").write_text("old")
    assert write_text(tmp_path / place, "Größe\n") == tmp_path / place
    assert (tmp_path / place).read_bytes() == "Größe\n".encode()
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("interruption", [OSError(28, "no space left"), KeyboardInterrupt()])
def test_interrupted_file_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interruption: BaseException
) -> None:
    (tmp_path / "old.txt").write_text("old")

    def write_half(self: Path, text: str, **_options: object) -> None:
        self.write_bytes(text[:1].encode())
        raise interruption

    monkeypatch.setattr(Path, "write_text", write_half)
    with pytest.raises((OutputError, KeyboardInterrupt)):
        write_text(tmp_path / "old.txt", "new")
    assert (tmp_path / "old.txt").read_text() == "old"
    assert tree(tmp_path) == {"old.txt"}


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        (lambda folder: folder, "it is a folder"),
        (below_a_file, "'file' is a file"),
        (endless_name, "File name too long"),
    ],
)
def test_file_is_refused(tmp_path: Path, place: Callable[[Path], Path], complaint: str) -> None:
    path = place(tmp_path)
    for write in (check_file, lambda path: write_text(path, "text")):
        with pytest.raises(OutputError) as error:
            write(path)
        assert str(error.value) == (
            f"file '{path}' cannot be written ({complaint}); choose another place"
        )


@pytest.mark.parametrize(
    ("content", "replaced"),
    [
        ("", True),
        ('{"a": 1, "b": 2, "c": 3}', True),
        ('{"a": 1}', False),
        ("[" * 100_000, False),
        ("My notes\n", False),
    ],
)
def test_file_is_replaced_by_one_of_its_kind(tmp_path: Path, content: str, replaced: bool) -> None:
    path = tmp_path / "notes.json"
    path.write_text(content)
    if replaced:
        assert check_file(path, keys=("a", "b")) == path
    else:
        with pytest.raises(OutputError, match=r"notes\.json' is there and holds something else"):
            check_file(path, keys=("a", "b"))
    assert path.read_text() == content


def test_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "text")
        assert os.read(end, 10) == b"text"
    finally:
        os.close(end)
    assert pipe.is_fifo()


def test_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "target.txt").touch()
    (tmp_path / "link.txt").symlink_to(tmp_path / "target.txt")
    write_text(tmp_path / "link.txt", "text")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text() == "text"
