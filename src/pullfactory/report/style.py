"""One look for every figure: the style, the colours, the labels, the grids of panels.

Figures are made with matplotlib's objects, never with pyplot, and the style is a context: no
state outlives a figure, and no screen is needed.
"""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import Container
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from pullfactory.errors import LikelihoodError

__all__ = [
    "REFERENCE",
    "RHO",
    "Described",
    "MethodStyle",
    "axis_label",
    "figure_style",
    "inner_legend",
    "label_of",
    "label_width",
    "legend_above",
    "method_label",
    "method_style",
    "new_panels",
    "observable_style",
    "save_figure",
    "scan_colours",
    "series_style",
    "variation_style",
    "with_minus",
]

RHO = r"$\rho$"
REFERENCE = "#555555"
"""Colour of lines to compare with: unit Gaussian, pull width 1, ratio 1."""

_DPI = 150
# Endings of the files of a figure, and the entries that would tell their time.
_FORMATS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"png": (), "pdf": ("CreationDate",), "svg": ("Date",)}
)
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


class MethodStyle(NamedTuple):
    """How everything that belongs to one method is drawn."""

    colour: str
    marker: str


# Colours of Okabe and Ito (https://jfly.uni-koeln.de/color/): blue for unbinned methods, orange
# for binned ones, the lighter of each for the joint ones.
_METHODS: Mapping[str, MethodStyle] = MappingProxyType(
    {
        "unbinned": MethodStyle("#0072B2", "o"),
        "binned": MethodStyle("#D55E00", "s"),
        "unbinned_joint": MethodStyle("#56B4E9", "^"),
        "binned_joint": MethodStyle("#E69F00", "v"),
        "flow": MethodStyle("#009E73", "D"),
    }
)
_OTHER_SERIES = MethodStyle("#CC79A7", "P")
_SERIES = (
    _METHODS["unbinned"],
    _METHODS["binned"],
    _METHODS["flow"],
    _OTHER_SERIES,
    _METHODS["binned_joint"],
    _METHODS["unbinned_joint"],
)

# Colours of Tol's "muted" scheme (https://personal.sron.nl/~pault/), for what is no method.
_OBSERVABLES = (
    MethodStyle("#332288", "o"),
    MethodStyle("#CC6677", "s"),
    MethodStyle("#117733", "^"),
    MethodStyle("#DDCC77", "v"),
    MethodStyle("#88CCEE", "D"),
    MethodStyle("#882255", "P"),
)
_VARIATIONS: Mapping[int, MethodStyle] = MappingProxyType(
    {
        0: MethodStyle("#000000", "o"),
        1: MethodStyle("#AA4499", "^"),
        -1: MethodStyle("#117733", "v"),
    }
)


@contextmanager
def figure_style() -> Iterator[None]:
    """The style of every figure, for as long as the context lasts."""
    with _LOCK, mpl.rc_context(dict(_STYLE)):
        yield


def method_style(method: str) -> MethodStyle:
    """Colour and marker of a method, the same in every figure.

    Raises:
        LikelihoodError: If the method is unknown.
    """
    if method not in _METHODS:
        raise LikelihoodError(f"method {method!r} has no style; use one of {', '.join(_METHODS)}")
    return _METHODS[method]


def series_style(position: int) -> MethodStyle:
    """Colour and marker of the series at this position of a comparison."""
    return _SERIES[position % len(_SERIES)]


def method_label(method: str) -> str:
    """Name of a method for people, such as "unbinned joint"."""
    return method.replace("_", " ")


def observable_style(position: int) -> MethodStyle:
    """Colour and marker of the observable at this position of the study."""
    return _OBSERVABLES[position % len(_OBSERVABLES)]


def variation_style(step: int) -> MethodStyle:
    """Colour and marker of a calibration step: -1, 0 or +1."""
    return _VARIATIONS[step]


def scan_colours(n: int) -> list[tuple[float, float, float, float]]:
    """Colours of the points of a scan in their order, from dark to light; light is readable."""
    return [mpl.colormaps["viridis"](x) for x in np.linspace(0.0, 0.8, n)]


class Described(Protocol):
    """A parameter or an observable, of a study or of an audit."""

    @property
    def name(self) -> str:
        """In every file and table."""

    @property
    def label(self) -> str:
        """LaTeX label, or nothing."""

    @property
    def unit(self) -> str:
        """Its unit, or nothing."""


def label_of(described: Described) -> str:
    """The LaTeX label of a parameter or observable, or its name if it has none."""
    return described.label or described.name


def label_width(label: str, size: float) -> float:
    """About how wide a label is, in inches.

    Args:
        label: Text, or LaTeX.
        size: Of its letters, in points.
    """
    shown = re.sub(r"\\(?:mathrm|math\w\w)\b|[${}_^]", "", label)
    return 0.6 * size / 72.0 * len(re.sub(r"\\[A-Za-z]+ ?", "x", shown))


def axis_label(label: str, unit: str) -> str:
    """A label with its unit, such as "mass [GeV]"; without brackets if there is no unit."""
    return f"{label} [{unit}]" if unit else label


def with_minus(text: str) -> str:
    """A number with typographic minus signs, as on the axes."""
    return text.replace("-", "\N{MINUS SIGN}")


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
    """One legend for all panels, above them: the entries of some of them."""
    found = [ax.get_legend_handles_labels() for ax in axes]
    handles = [handle for some, _ in found for handle in some]
    labels = [label for _, some in found for label in some]
    if not handles:
        return
    widest = _FONT * (3.0 + 0.5 * max(len(label) for label in labels))  # points, with its marker
    columns = max(int(72.0 * figure.get_figwidth() / widest), 1)
    figure.legend(handles, labels, loc="outside upper center", ncols=min(columns, len(labels)))


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
    figure = Figure(figsize=(size[0] * per_row, size[1] * rows), dpi=_DPI, layout=layout)
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
            stack.append(ax)
        for ax in stack[:-1]:
            ax.tick_params(labelbottom=False)
        if share_y and column:
            for ax in stack:
                ax.tick_params(labelleft=False)
                ax.yaxis.label.set_visible(False)
        stacks.append(tuple(stack))
    return figure, stacks


def save_figure(figure: Figure, folder: Path, name: str) -> tuple[Path, ...]:
    """Write a figure as png, pdf and svg; the same figure gives the same files.

    Args:
        figure: The figure; its layout is done here, once.
        folder: Where to.
        name: Name of the files, without ending.

    Returns:
        The files.
    """
    layout = figure.get_layout_engine()
    if layout is not None:  # once, not for each file
        layout.execute(figure)
        figure.set_layout_engine(None)
    files = []
    for ending, undated in _FORMATS.items():
        files.append(folder / f"{name}.{ending}")
        figure.savefig(files[-1], metadata=dict.fromkeys(undated))
    return tuple(files)
