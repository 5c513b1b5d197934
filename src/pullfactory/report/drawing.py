"""Figures as files: drawn one by one, in the formats that are asked for."""

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pullfactory.progress import Progress, silent
from pullfactory.report.backend import require_backend
from pullfactory.report.figures import Figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Miss = Callable[[Path, Exception], None]
"""Called with a file that could not be made, and why."""

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
    miss: Miss | None = None,
    drawn: Mapping[str, Path] = MappingProxyType({}),
) -> tuple[Path, ...]:
    """Draw figures and write them; the same figures give the same files.

    Args:
        folder: Where to; made if it is missing. Without a format nothing is made.
        make: Gives what is to be drawn; matplotlib is loaded only if this is called.
        formats: Endings of the files, such as "png".
        progress: How the stage shows that it goes on, figure by figure.
        miss: Called for each file that cannot be made, of which nothing is left; None to raise.
        drawn: Files that are taken as they are, by their names.

    Returns:
        The files, for each figure one in each format.

    Raises:
        Exception: What a figure raises, if nobody is to be told that it is missing.
    """
    if not formats:
        return ()
    require_backend()
    from pullfactory.report.style import figure_style

    figures = make()
    if not figures:
        return ()
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    with figure_style(), progress("figures", len(figures)) as advance:
        for name, figure in figures.items():
            wanted = [folder / f"{name}.{ending}" for ending in formats]
            for file in [file for file in wanted if file.name in drawn]:
                shutil.copyfile(drawn[file.name], file)
                files.append(file)
            left = [file for file in wanted if file.name not in drawn]
            if left:
                with _told(miss, *left):
                    picture = laid_out(figure.draw())
                    for file in left:
                        with _told(miss, file):
                            picture.savefig(file, **_SAVED[file.suffix.removeprefix(".")])
                            files.append(file)
            advance(1)
    return tuple(files)


def laid_out(figure: "Figure") -> "Figure":
    """A figure whose panels have their places: once, not anew whenever it is drawn."""
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine(None)
    return figure


@contextmanager
def _told(miss: Miss | None, *files: Path) -> Iterator[None]:
    """Go on after a failure, without the files."""
    try:
        yield
    except Exception as error:
        if miss is None:
            raise
        for file in files:
            with suppress(OSError):
                file.unlink()
            miss(file, error)
