"""The page of a result: its numbers are those of the summary, and it needs nothing else."""

import json
import os
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from pullfactory import PullfactoryError, read_summary, write_report
from pullfactory.numbers import rounded, significant
from pullfactory.report.audit_verdict import (
    correlation_word,
    described,
    error_sentence,
    factor_text,
    standing_word,
)
from pullfactory.report.citation import CITATION

Invoke = Callable[..., CompletedProcess[str]]
Cells = list[tuple[str, float | None]]

ALLOWED = 5_000_000  # bytes
MINUS = "\N{MINUS SIGN}"
HEADS = {"yes": "Yes: with the binned fit, the claimed error of m_t is right within"}
HEADS |= {"no": "No: with the binned fit, the claimed error of m_t is "}
HEADS |= {"calibrate": "Not as it stands: with the binned fit, divide the estimate of m_t by"}


class PageReader(HTMLParser):
    """What stands in a page: tables by name, texts, and what is loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[Cells]] = {}
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open: list[str] = []
        self._rows: list[Cells] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.attributes.append((tag, found))
        self._open.append(tag)
        if tag == "table":
            self._rows = self.tables.setdefault((found["id"] or "").removeprefix("table-"), [])
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append(("", None))
        elif tag == "data":
            self._rows[-1][-1] = ("", float(found["value"] or "nan"))

    def handle_data(self, data: str) -> None:
        tag = self._open[-1] if self._open else ""
        self.texts[tag] = self.texts.get(tag, "") + data
        if tag in ("td", "th", "data"):
            text, value = self._rows[-1][-1]
            self._rows[-1][-1] = (text + data, value)

    def handle_endtag(self, tag: str) -> None:
        while self._open.pop() != tag:  # such as <img>
            pass

    def body(self, name: str) -> list[Cells]:
        return self.tables[name][1:]


def read(folder: Path) -> PageReader:
    return PageReader((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(params=["study_folder", "toys_folder"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["study_folder", "toys_folder", "audit_folder"])
def any_folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def written(text: str) -> str:
    return text if text == "-" else text.replace("-", MINUS)


# --- numbers ---------------------------------------------------------------------------------


def test_numbers_of_the_verdict_are_those_of_the_summary(folder: Path) -> None:
    rows = read_summary(folder)["pulls"]
    body = read(folder).body("verdict")
    assert len(body) == len(rows)
    for cells, row in zip(body, rows, strict=True):
        names = [text for text, value in cells if value is None]
        assert any(row["parameter"] in name for name in names)
        first = 1 if row["rho"] is None else 3
        claimed, actual, factor, *others = cells[first:]
        relative = row["width_error"] / row["width"]
        ratio = row["actual_error"] / row["claimed_error"]
        assert claimed == (written(significant(row["claimed_error"])), row["claimed_error"])
        error = row["actual_error"] * relative
        assert actual == (written(rounded(row["actual_error"], error)), row["actual_error"])
        assert factor == (written(rounded(ratio, ratio * relative)), ratio)
        counts = [row["n_toys"], row["n_failed"]]
        if row["rho"] is None:
            counts.insert(1, row["n_at_bound"])
        else:
            (predicted, corrected), others = others[:2], others[2:]
            assert predicted == (f"{row['predicted_width']:.3f}", row["predicted_width"])
            assert corrected[1] == row["corrected_error"]
            assert cells[1][0] == f"{row['rho']:g}".replace("-", MINUS)
        assert others == [(str(count), count) for count in counts]


def test_numbers_of_the_pulls_are_those_of_the_summary(folder: Path) -> None:
    for cells, row in zip(read(folder).body("pulls"), read_summary(folder)["pulls"], strict=True):
        numbers = {value for _, value in cells if value is not None}
        assert {row[key] for key in ("mean", "width", "coverage_68", "coverage_95")} <= numbers
        assert written(rounded(row["width"], row["width_error"])) in [text for text, _ in cells]


def test_every_status_is_counted(folder: Path) -> None:
    status = read_summary(folder)["status"]
    page = read(folder)
    (_, *methods), *rows = page.tables["status"]
    assert [text for text, _ in methods] == [method.replace("_", " ") for method in status]
    counts = {name: [n for _, n in numbers] for (name, _), *numbers in rows}
    assert counts == {
        name.replace("_", " "): [status[method][name] for method in status]
        for name in next(iter(status.values()))
    }


def test_study_and_versions_and_citation_are_there(study_folder: Path) -> None:
    page, summary = read(study_folder), read_summary(study_folder)
    assert (study_folder / "study.toml").read_text() in page.texts["pre"]
    assert CITATION in page.texts["pre"]
    told = {name: text for (name, _), (text, _) in page.body("provenance")}
    assert told["seed"] == str(summary["provenance"]["seed"])
    assert summary["provenance"]["versions"].items() <= told.items()
    assert told["SHA-256 of the study"] == summary["provenance"]["study_sha256"]


def test_verdict_comes_first_and_holds_at_the_usual_correlation(study_folder: Path) -> None:
    page = read(study_folder)
    assert page.texts["h1"] == "May I fit these observables as if they were independent?"
    leads = [found for tag, found in page.attributes if "lead" in (found.get("class") or "")]
    assert len(leads) == 2 * 3  # methods, rho
    shown = [found for found in leads if "hidden" not in found]
    assert [(found["data-method"], found["data-rho"]) for found in shown] == [("binned", "0.3")]
    text = (study_folder / "report.html").read_text()
    assert text.index('class="lead') < text.index("<table")


# --- one file, for everybody -----------------------------------------------------------------


def test_page_loads_nothing_and_is_small(any_folder: Path) -> None:
    path = any_folder / "report.html"
    assert path.stat().st_size < ALLOWED
    page = read(any_folder)
    for tag, found in page.attributes:
        for key in ("src", "href", "srcset", "poster", "data", "action"):
            assert (found.get(key) or "data:").startswith("data:"), (tag, key)
        assert tag not in ("iframe", "object", "embed", "base")
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp", path.read_text())
    assert str(any_folder) not in path.read_text()


def test_page_can_be_read_by_everybody(any_folder: Path) -> None:
    page = read(any_folder)
    tags = [tag for tag, _ in page.attributes]
    assert ("html", {"lang": "en"}) in page.attributes
    assert tags.count("h1") == tags.count("main") == 1
    assert any(found.get("name") == "viewport" for tag, found in page.attributes if tag == "meta")
    names = [found["id"] for _, found in page.attributes if "id" in found]
    assert len(names) == len(set(names))
    for tag, found in page.attributes:
        if tag == "img":
            assert found["alt"]
        if tag == "th":
            assert found["scope"] in ("row", "col")
    assert tags.count("table") == tags.count("caption")


def test_figures_of_the_folder_are_on_the_page(any_folder: Path) -> None:
    alternatives = [
        found["alt"] or "" for tag, found in read(any_folder).attributes if tag == "img"
    ]
    figures = {path.stem for path in (any_folder / "figures").iterdir()}
    assert {text.removeprefix("Figure ").split(":")[0] for text in alternatives} == figures


def test_names_are_text(toys_folder: Path, tmp_path: Path) -> None:
    name = "<b>&\"'</script>"
    shutil.copytree(toys_folder, tmp_path / "odd")
    text = (tmp_path / "odd" / "summary.json").read_text()
    (tmp_path / "odd" / "summary.json").write_text(text.replace('"mu"', json.dumps(name)))
    write_report(tmp_path / "odd")
    page = read(tmp_path / "odd")
    assert "b" not in [tag for tag, _ in page.attributes]
    assert name in [cells[0][0] for cells in page.body("verdict")]


# --- made again ------------------------------------------------------------------------------


def test_report_is_made_again_of_the_folder_alone(
    invoke: Invoke, folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    (copy / "report.html").unlink()
    outcome = invoke("report", copy)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.stdout.split() == ["Report", str(copy / "report.html")]
    assert (copy / "report.html").read_bytes() == (folder / "report.html").read_bytes()
    assert {path.name for path in copy.iterdir()} == {path.name for path in folder.iterdir()}


def test_report_without_figures_has_all_numbers(any_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(any_folder, tmp_path / "bare", ignore=shutil.ignore_patterns("figures"))
    page = read(write_report(tmp_path / "bare").parent)
    assert page.tables == read(any_folder).tables
    assert "img" not in [tag for tag, _ in page.attributes]


def spoil(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def spoiled(folder: Path) -> None:
        summary = read_summary(folder)
        change(summary)
        (folder / "summary.json").write_text(json.dumps(summary))

    return spoiled


def replaced(content: bytes) -> Callable[[Path], object]:
    """Another picture in the place of one of ours."""
    return lambda folder: (folder / "figures" / "repair.png").write_bytes(content)


def spoiled_text(old: str, new: str) -> Callable[[Path], object]:
    def spoiled(folder: Path) -> None:
        file = folder / "summary.json"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    return spoiled


def pipe(name: str) -> Callable[[Path], object]:
    def spoiled(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return spoiled


def png(width: int, height: int) -> bytes:
    """A grey picture without any content."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    )
    packed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def linked_report(folder: Path) -> None:
    """A page that is a link to another file with the same content."""
    (folder / "report.html").rename(folder / "mine.html")
    (folder / "report.html").symlink_to(folder / "mine.html")


NO_SUMMARY = "summary.json' is no summary of a run"
INCOMPLETE = "summary.json' is not complete"
SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no summary": (lambda folder: (folder / "summary.json").unlink(), NO_SUMMARY),
    "half a summary": (lambda folder: (folder / "summary.json").write_text("{"), NO_SUMMARY),
    "a list": (lambda folder: (folder / "summary.json").write_text("[]"), NO_SUMMARY),
    "no study": (lambda folder: (folder / "study.toml").unlink(), "has no readable study.toml"),
    "bytes": (
        lambda folder: (folder / "study.toml").write_bytes(b"\xff"),
        "no readable study.toml",
    ),
    "no picture": (
        replaced(b"x"),
        "has no readable repair.png (it is no PNG)",
    ),
    "PostScript": (
        replaced(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"),
        "has no readable repair.png (it is no PNG)",
    ),
    "another picture": (replaced(b"GIF89a" + bytes(99)), "repair.png (it is no PNG)"),
    "endless picture": (replaced(png(30_000, 30_000)), "(30000 x 30000 pixels are too many)"),
    "half a picture": (replaced(png(9, 9)[:50]), "(it is a damaged picture)"),
    "pipe for a picture": (pipe("figures/repair.png"), "repair.png' is no file; remove it"),
    "pipe for a study": (pipe("study.toml"), "study.toml' is no file; remove it"),
    "pipe for numbers": (pipe("summary.json"), "summary.json' is no file; remove it"),
    "link for the page": (linked_report, "report.html' is a link, which is not followed"),
    "deep numbers": (spoiled_text('"pulls": [', '"pulls": ' + "[" * 100_000), "nested too deep"),
    "NaN": (spoiled_text('"rho": 0.3', '"rho": NaN'), f"{NO_SUMMARY} (NaN is no number of ours)"),
    "endless number": (spoiled_text('"rho": 0.3', '"rho": 1e999'), "(1e999 is no number of ours)"),
    "long number": (spoiled_text('"rho": 0.3', f'"rho": 1{"0" * 400}'), INCOMPLETE),
    "text for a number": (
        spoil(lambda summary: summary["pulls"][0].update(width="wide")),
        INCOMPLETE,
    ),
    "no pulls": (spoil(lambda summary: summary.pop("pulls")), f"{INCOMPLETE} ('pulls' is a req"),
    "no rows": (spoil(lambda summary: summary.update(pulls=[])), INCOMPLETE),
    "no width": (spoil(lambda summary: summary["pulls"][0].pop("width")), INCOMPLETE),
    "odd closure": (spoil(lambda summary: summary.update(closure=[{"x": 1}])), INCOMPLETE),
    "other schema": (spoil(lambda summary: summary.update(schema="o/1")), "(schema 'o/1', not"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_bad_folder_is_one_line(
    invoke: Invoke,
    study_folder: Path,
    tmp_path: Path,
    case: str,
) -> None:
    spoiled, complaint = SPOILED[case]
    folder = tmp_path / "bad"
    shutil.copytree(study_folder, folder)
    before = (folder / "report.html").read_bytes()
    spoiled(folder)
    outcome = invoke("report", folder)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert complaint in outcome.stderr
    assert outcome.stderr.startswith("Error: ")
    assert outcome.stderr.count("\n") == 1
    assert (folder / "report.html").read_bytes() == before


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PullfactoryError, match="give the folder of one"):
        write_report(tmp_path / "nowhere")


# --- an audit --------------------------------------------------------------------------------


@pytest.fixture
def numbers(audit_folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((audit_folder / "audit.json").read_text())
    return found


@pytest.fixture
def page(audit_folder: Path) -> PageReader:
    return read(audit_folder)


def test_verdict_is_on_the_parameter_of_interest(page: PageReader, numbers: dict[str, Any]) -> None:
    assert page.texts["h1"] == "May I fit m_t and m_W as if they were independent?"
    own = [row for row in numbers["errors"] if row["parameter"] == numbers["config"]["poi"]]
    (lead,) = own
    assert lead["answer"]
    assert HEADS[lead["answer"]] in page.texts["p"]
    for row in described(numbers["errors"], [{"name": "m_t", "unit": "GeV"}], 20_000):
        assert error_sentence(row, row["unit"]) in page.texts["li"]
        assert factor_text(row["factor"], row["factor_error"]) in page.texts["li"]
    first, *_ = page.body("whole")
    assert [text for text, _ in first[:2]] == ["binned", "m_t [GeV]"]


def test_whole_errors_are_those_of_the_audit(page: PageReader, numbers: dict[str, Any]) -> None:
    keys = ("claimed_error", "whole_error", "factor", "factor_infinite")
    for cells, row in zip(page.body("whole"), numbers["errors"], strict=True):
        assert {row[key] for key in keys} <= {value for _, value in cells}
        assert standing_word(row) in {text for text, _ in cells}
        assert correlation_word(row) in {text for text, _ in cells}


@pytest.mark.parametrize(
    ("table", "rows", "keys"),
    [
        ("verdict", "errors", ("claimed_error", "actual_error", "inflate_by", "coverage_68")),
        ("correlations", "correlations", ("pearson", "spearman", "overlap")),
        ("sets", "sets", ("claimed_error", "actual_error", "predicted_width")),
        ("samples", "samples", ("rows", "selected", "weight", "effective", "negative")),
        ("pulls", "pulls", ("mean", "width", "coverage_68", "coverage_95")),
    ],
)
def test_numbers_are_those_of_the_audit(
    page: PageReader, numbers: dict[str, Any], table: str, rows: str, keys: tuple[str, ...]
) -> None:
    for cells, row in zip(page.body(table), numbers[rows], strict=True):
        assert {row[key] for key in keys} <= {value for _, value in cells}


def test_estimates_are_those_of_the_data(page: PageReader, numbers: dict[str, Any]) -> None:
    rows = [row for fit in numbers["data"] for row in fit["estimates"]]
    for cells, row in zip(page.body("data"), rows, strict=True):
        wanted = [row[key] for key in row if key not in ("parameter", "bootstrap_error_error")]
        assert [value for _, value in cells[2:]] == wanted
        assert not any("-" in text for text, _ in cells[2:])
    assert any(MINUS in text for cells in page.body("data") for text, _ in cells)


def test_notes_and_configuration_of_an_audit_are_there(
    page: PageReader, numbers: dict[str, Any], audit_folder: Path
) -> None:
    assert numbers["notes"]
    assert all(note in page.texts["p"] for note in numbers["notes"])
    assert (audit_folder / "audit.toml").read_text() in page.texts["pre"]


def test_report_of_an_audit_is_made_again(audit_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "again"
    shutil.copytree(audit_folder, copy, ignore=shutil.ignore_patterns("report.html"))
    assert write_report(copy).read_bytes() == (audit_folder / "report.html").read_bytes()
    (copy / "audit.toml").unlink()
    with pytest.raises(PullfactoryError, match=r"no readable audit.toml"):
        write_report(copy)
    (copy / "audit.json").write_text(json.dumps({"schema": "pullfactory-audit/1"}))
    with pytest.raises(PullfactoryError, match="not complete"):
        write_report(copy)
