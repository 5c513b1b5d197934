"""One look for every figure: the style, the legends, the grids of panels.

Figures are made with matplotlib's objects, never with pyplot, and the style is a context: no
state outlives a figure, and no screen is needed.
"""

import io
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import Container
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

_DPI = 120
_FONT = 18.0  # points
_SMALL = 13.0  # points, for legends inside a panel

_STYLE: Mapping[Any, Any] = MappingProxyType(
    {
        **mplhep.styles.ROOT,
        "font.size": _FONT,
        "svg.hashsalt": "pullfactory",  # else names inside the file are random
        "mathtext.fallback": "stixsans",  # Greek letters, which the font of the style lacks
        "axes.unicode_minus": True,
        "axes.linewidth": 1.4,
        "axes.titlesize": "medium",
        "axes.titley": 1.0,  # not sought anew in every drawing: no panel has labels above
        "legend.handlelength": 1.2,
        "legend.handletextpad": 0.5,
        "legend.labelspacing": 0.3,
        "lines.linewidth": 1.8,
        "lines.markersize": 6.0,
        "xtick.major.size": 8.0,
        "ytick.major.size": 8.0,
        "xtick.minor.visible": False,  # nearly half of the drawing time
        "ytick.minor.visible": False,
    }
)
_LOCK = threading.RLock()  # matplotlib's settings belong to the whole process


@contextmanager
def figure_style() -> Iterator[None]:
    """The style of every figure, for as long as the context lasts."""
    with _LOCK, mpl.rc_context():
        mpl.rcdefaults()  # whatever a user's file says
        mpl.rcParams.update(_STYLE)
        yield


def scan_colours(n: int) -> list[tuple[float, float, float, float]]:
    """Colours of the points of a scan in their order, from dark to light; light is readable."""
    return [mpl.colormaps["viridis"](x) for x in np.linspace(0.0, 0.8, n)]


def label_width(label: str, size: float) -> float:
    """About how wide a label is, in inches.

    Args:
        label: Text, or LaTeX.
        size: Of its letters, in points.
    """
    shown = re.sub(r"\\(?:mathrm|math\w\w)\b|[${}_^]", "", label)
    return 0.6 * size / 72.0 * len(re.sub(r"\\[A-Za-z]+ ?", "x", shown))


def inner_legend(
    ax: Axes, title: str, handles: Sequence[Artist | Container] = (), labels: Sequence[str] = ()
) -> None:
    """A legend in the upper left of a panel, with room made for it above the data.

    Args:
        ax: Panel on which everything is drawn.
        title: Above the entries.
        handles: What to name; nothing for everything that has a label.
        labels: One text for each handle.
    """
    if not handles:
        handles, labels = ax.get_legend_handles_labels()
    ax.legend(
        handles,
        labels,
        loc="upper left",
        title=title,
        fontsize=_SMALL,
        title_fontsize=_SMALL,
        alignment="left",
    )
    height = ax.get_window_extent().height / ax.figure.dpi * 72.0  # points
    fraction = min(1.4 * _SMALL * (1.2 + len(handles)) / height, 0.8)
    low, high = ax.get_ylim()
    ax.set_ylim(low, low + (high - low) / (1.0 - fraction))


def legend_above(figure: Figure, *axes: Axes) -> None:
    """One legend for all panels, above them.

    Args:
        figure: That the panels are in.
        axes: Of the panels whose entries it shows.
    """
    found = [ax.get_legend_handles_labels() for ax in axes]
    handles = [handle for some, _ in found for handle in some]
    labels = [label for _, some in found for label in some]
    if not handles:
        return
    widest = _FONT * (3.0 + 0.5 * max(len(label) for label in labels))  # points, with its marker
    columns = max(int(72.0 * figure.get_figwidth() / widest), 1)
    figure.legend(handles, labels, loc="outside upper center", ncols=min(columns, len(labels)))


class StyledFigure(Figure):
    """A figure that keeps its style wherever it is drawn: fonts are looked up while it is."""

    def draw(self, renderer: RendererBase) -> None:
        """Draw within the style."""
        with figure_style():
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        """What a notebook shows, whatever its backend."""
        picture = io.BytesIO()
        self.savefig(picture, format="png")
        return picture.getvalue()


def new_panels(
    n: int,
    *,
    size: tuple[float, float] = (5.4, 4.8),
    columns: int | None = None,
    heights: Sequence[float] = (1.0,),
    share_y: bool = False,
) -> tuple[Figure, list[tuple[Axes, ...]]]:
    """A figure with panels from left to right, each with others stacked below it.

    Args:
        n: Number of stacks.
        size: Width and height of a stack, in inches.
        columns: Stacks in a row at most; None for rows of even length, of three at most.
        heights: Relative heights of the panels of one stack.
        share_y: Whether panels of the same level have the same vertical axis.

    Returns:
        The figure and the panels, one tuple per stack from top to bottom.
    """
    rows = -(-n // (columns or 3))
    per_row = min(n, columns or -(-n // rows))
    levels = len(heights)
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06)
    figure = StyledFigure(figsize=(size[0] * per_row, size[1] * rows), dpi=_DPI, layout=layout)
    FigureCanvasAgg(figure)  # measures text once for layout and picture
    grid = figure.add_gridspec(rows * levels, per_row, height_ratios=tuple(heights) * rows)
    stacks: list[tuple[Axes, ...]] = []
    for i in range(n):
        row, column = divmod(i, per_row)
        stack: list[Axes] = []
        for level in range(levels):
            ax = figure.add_subplot(
                grid[row * levels + level, column],
                sharex=stack[0] if stack else None,
                sharey=stacks[0][level] if share_y and stacks else None,
            )
            for spine in ax.spines.values():  # else each measures the ticks of the panel again
                spine.set_in_layout(False)
            stack.append(ax)
        for ax in stack[:-1]:
            ax.tick_params(labelbottom=False)
        if share_y and column:
            for ax in stack:
                ax.tick_params(labelleft=False)
                ax.yaxis.label.set_visible(False)
        stacks.append(tuple(stack))
    return figure, stacks
