"""The page in a browser: nothing is wrong, nothing is cut off, and choices work."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from PIL import Image

from pullfactory import read_summary


class Shown(Protocol):
    dom: str
    console: list[str]


Show = Callable[..., Shown]

PHONE, LAPTOP = 390, 1400  # pixels
READABLE = 11.0  # pixels, of letters

# A browser's window has a smallest width, a frame in it has none. Scripts are told `page`.
FRAME = """<!DOCTYPE html><html lang="en"><body style="margin: 0">
<iframe src="{address}" {sandbox} style="width: {width}px; height: 3000px; border: 0"></iframe>
<pre></pre>
<script>
addEventListener("load", () => {{
  const page = document.querySelector("iframe").contentDocument;
  const look = () => {{ {script} }};
  document.querySelector("pre").textContent = JSON.stringify(look());
}});
</script></body></html>"""


@pytest.fixture
def show(browser: Any) -> Show:
    found: Show = browser.show
    return found


@pytest.fixture
def ask(show: Show, tmp_path: Path) -> Callable[..., Any]:
    """Runs a script on a page in a frame of some width; gives back what it returns."""

    def run(report: Path, width: int, script: str, sandbox: str = "") -> Any:
        wrapper = tmp_path / "frame.html"
        content = FRAME.format(
            address=report.as_uri(),
            width=width,
            script=script,
            sandbox=f'sandbox="{sandbox}"' if sandbox else "",
        )
        wrapper.write_text(content, encoding="utf-8")
        shown = show(wrapper, "--dump-dom", f"--window-size={LAPTOP},3000")
        assert sandbox or shown.console == []
        (answer,) = re.findall(r"<pre>(.*?)</pre>", shown.dom, re.DOTALL)
        return json.loads(answer)

    return run


@pytest.fixture(params=["study_folder", "toys_folder", "audit_folder"])
def report(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder / "report.html"


def test_console_tells_errors(show: Show, tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text("<!DOCTYPE html><script>nothing.at.all</script>")
    (line,) = show(page, "--dump-dom").console
    assert "nothing is not defined" in line


def test_nothing_is_wrong(show: Show, report: Path) -> None:
    shown = show(report, "--dump-dom", f"--window-size={LAPTOP},2000")
    assert shown.console == []
    assert 'id="table-verdict"' in shown.dom


@pytest.mark.parametrize("width", [PHONE, LAPTOP])
def test_nothing_is_cut_off_and_letters_are_readable(
    ask: Callable[..., Any], report: Path, width: int
) -> None:
    wide, smallest, unseen = ask(
        report,
        width,
        """
        const root = page.documentElement;
        const outer = [...page.querySelectorAll("h1, h2, p, li, form, .scroll, pre, svg.chart")];
        const shown = outer.filter((element) => element.getClientRects().length);
        const ends = shown.map((element) => element.getBoundingClientRect().right);
        const texts = [...page.querySelectorAll("p, li, th, td, caption, figcaption, pre")];
        const style = (element) => page.defaultView.getComputedStyle(element);
        const sizes = texts.map((text) => parseFloat(style(text).fontSize));
        const drawn = [...page.querySelectorAll("svg.chart")].filter((svg) => svg.clientWidth);
        for (const svg of drawn)
          sizes.push(13 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width);
        const pictures = [...page.images].filter((image) => !image.naturalWidth).length;
        return [Math.max(root.scrollWidth, ...ends), Math.min(...sizes), pictures];
        """,
    )
    assert wide <= width
    assert smallest >= READABLE
    assert unseen == 0


def test_first_choice_is_the_verdict(ask: Callable[..., Any], study_folder: Path) -> None:
    answers = ask(
        study_folder / "report.html",
        LAPTOP,
        """
        const seen = (selector) => [...page.querySelectorAll(selector)]
          .filter((element) => element.getClientRects().length).length;
        const counted = [".lead", "#table-verdict tbody tr", "svg.chart", "#distributions figure"];
        const count = () => counted.map(seen);
        const choose = (word, value) => {
          const select = page.querySelector(`select[name=${word}]`);
          select.value = value;
          select.dispatchEvent(new Event("change", {bubbles: true}));
        };
        const found = [count()];
        for (const [word, value] of [["parameter", "JSF"], ["rho", ""], ["method", ""]]) {
          choose(word, value);
          found.push(count());
        }
        choose("parameter", "");
        found.push(count());
        page.querySelector(".point").dispatchEvent(new Event("click"));
        found.push(count());
        const lead = [...page.querySelectorAll(".lead")].find((one) => !one.hidden);
        found.push([lead.dataset.method, lead.dataset.rho]);
        return found;
        """,
    )
    pulls = read_summary(study_folder)["pulls"]
    assert answers == [
        [1, 3, 3, 3],  # one method and rho; pulls and ECDF of the method, and the means of all
        [1, 1, 1, 3],
        [1, 3, 1, 3],
        [1, 6, 1, 5],
        [1, len(pulls), 3, 5],
        [1, 3, 3, 3],
        [pulls[0]["method"], "−0.6"],
    ]


def test_everything_is_there_without_scripts(ask: Callable[..., Any], study_folder: Path) -> None:
    leads, rows, figures, forms = ask(
        study_folder / "report.html",
        LAPTOP,
        """
        return [".lead", "#table-verdict tbody tr", "figure", "form"].map((selector) =>
          [...page.querySelectorAll(selector)]
            .filter((element) => element.getClientRects().length).length);
        """,
        sandbox="allow-same-origin",
    )
    assert (leads, forms) == (1, 0)
    assert rows == len(read_summary(study_folder)["pulls"])
    assert figures == len(list((study_folder / "figures").glob("*.png")))


@pytest.mark.parametrize(("scheme", "bright"), [(1, True), (0, False)], ids=["light", "dark"])
def test_paper_is_light_or_dark(
    show: Show, toys_folder: Path, tmp_path: Path, scheme: int, bright: bool
) -> None:
    picture = tmp_path / "page.png"
    show(
        toys_folder / "report.html",
        f"--screenshot={picture}",
        f"--window-size={LAPTOP},600",
        f"--blink-settings=preferredColorScheme={scheme}",
    )
    with Image.open(picture) as image:
        grey = np.asarray(image.convert("L"), dtype=float)
    assert bool(grey[300, 3] > 128) is bright
    assert np.ptp(grey) > 150  # ink on it
