"""Figures as files: drawn one by one, in the formats that are asked for."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pullfactory.progress import Progress, silent
from pullfactory.report.figures import Figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Entries of the files that would tell their time, and how hard to pack them.
_SAVED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "png": {"pil_kwargs": {"compress_level": 1}},  # a third larger, in a fourth of the time
        "pdf": {"metadata": {"CreationDate": None}},
        "svg": {"metadata": {"Date": None}},
    }
)


def write_figures(
    folder: Path,
    make: Callable[[], Figures],
    formats: Collection[str],
    *,
    progress: Progress = silent,
) -> tuple[Path, ...]:
    """Draw figures and write them; the same figures give the same files.

    Args:
        folder: Where to; made if it is missing. Without a format nothing is made.
        make: Gives what is to be drawn; matplotlib is loaded only if this is called.
        formats: Endings of the files, such as "png".
        progress: How the stage shows that it goes on, figure by figure.

    Returns:
        The files, for each figure one in each format.
    """
    if not formats:
        return ()
    from pullfactory.report.style import figure_style

    figures = make()
    if not figures:
        return ()
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    with figure_style(), progress("figures", len(figures)) as advance:
        for name, figure in figures.items():
            files += _save(laid_out(figure.draw()), folder / name, formats)
            advance(1)
    return tuple(files)


def laid_out(figure: "Figure") -> "Figure":
    """A figure whose panels have their places: once, not anew whenever it is drawn."""
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine(None)
    return figure


def _save(figure: "Figure", path: Path, formats: Collection[str]) -> list[Path]:
    files = []
    for ending in formats:
        files.append(path.with_name(f"{path.name}.{ending}"))
        figure.savefig(files[-1], **_SAVED[ending])
    return files
