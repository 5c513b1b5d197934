"""Figures of the toys of any model: pulls, minima and correlations of all its parameters."""

from collections.abc import Callable, Sequence
from functools import partial

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import StepPatch
from numpy.typing import NDArray

from pullfactory.inference import PullSummary, PullSums
from pullfactory.inference.correlation import Correlation
from pullfactory.inference.failures import Failures
from pullfactory.methods import BINNED
from pullfactory.numbers import rounded
from pullfactory.report.failure_plots import failure_figure
from pullfactory.report.figures import TOYS, Figures, by_name
from pullfactory.report.palette import REFERENCE, method_style, with_minus
from pullfactory.report.shape_plots import plot_toy_shapes
from pullfactory.report.style import inner_legend, new_panels

_STYLE = method_style(BINNED.name)
_GREY = "#D9D9D9"

_PANEL = 3.2  # width of the panel of one quantity; inches, also below
_ROW = 0.34  # height of a parameter
_LETTER = 0.115  # width, of a name beside its row
_FRAME = 1.1  # what axis labels and title need
_FLATNESS = 0.08  # squared columns per parameter, for pages half as wide again as high
_NEARLY_ALL = 0.995  # part of the toys

_NUMBERED = 8  # parameters up to which there is room for numbers in the cells
_CELL = 0.17  # of a matrix, at least
_MATRIX = (4.5, 14.0)  # smallest and largest matrix
_NAME = 13.0  # points, for names beside a matrix

_NLL_DECIMALS = 6  # differences below are of rounding


def make_toy_figures(
    *,
    parameters: tuple[str, ...],
    pulls: Sequence[PullSummary],
    sums: PullSums,
    correlation: Correlation,
    minima: NDArray[np.float64],
    failures: Failures | None = None,
) -> Figures:
    """Every figure of toys of a model.

    Args:
        parameters: Names, in the order of all sums.
        pulls: Of the parameters whose errors were asked for.
        sums: Sums over the pulls.
        correlation: Of the estimates.
        minima: Minimum of the negative log-likelihood, shape (toys,).
        failures: Fits that do not give all errors; None if all do.
    """
    figures: dict[str, Callable[[], Figure]] = {
        "pulls": partial(_pulls, pulls),
        "pull_ecdf": partial(_shapes, parameters, sums),
        "minimum_nll": partial(_minimum_nll, minima),
        "correlation": partial(_correlation, parameters, correlation, sums.toys),
    }
    for one in failures.methods if failures else ():
        labels = {name: name.replace("$", r"\$") for name in parameters}
        figures["failures"] = partial(failure_figure, one, labels)
    return by_name(TOYS[stem].drawn(draw) for stem, draw in figures.items())


def plot_pull_rows(
    panels: tuple[Axes, Axes], rows: Sequence[PullSummary]
) -> tuple[ErrorbarContainer, ErrorbarContainer]:
    """Pull mean and pull width of parameters, one below the other.

    Parameters that have no pull in some toys are told beside their row.

    Args:
        panels: For the mean, with the names, and for the width.
        rows: One per parameter, from top to bottom.

    Returns:
        The points of mean and width.
    """
    left, right = panels
    at = np.arange(len(rows))
    mean = _plot_column(left, rows, "mean", reference=0.0)
    width = _plot_column(right, rows, "width", reference=1.0)
    left.set_yticks(at, [row.parameter for row in rows], fontsize="small", parse_math=False)
    right.set_yticks(at, [""] * len(rows))
    for k, row in enumerate(rows):
        if note := _note(row):
            right.text(
                1.03,
                k,
                note,
                transform=right.get_yaxis_transform(),
                fontsize="x-small",
                color=REFERENCE,
                verticalalignment="center",
            )
    return mean, width


def _plot_column(
    ax: Axes, rows: Sequence[PullSummary], quantity: str, *, reference: float
) -> ErrorbarContainer:
    values, errors = (
        np.array([getattr(row, name) for row in rows], dtype=np.float64)
        for name in (quantity, f"{quantity}_error")
    )
    ax.grid(axis="y", color=_GREY, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.axvline(reference, color=REFERENCE, linestyle="--", linewidth=1.2)
    points = ax.errorbar(
        values,
        np.arange(len(rows)),
        xerr=np.nan_to_num(errors, posinf=0.0),
        fmt=_STYLE.marker,
        color=_STYLE.colour,
    )
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(f"pull {quantity}")
    return points


def _note(row: PullSummary) -> str:
    """What fraction of the toys has pulls, if that is not practically all of them."""
    fraction = 1.0 - row.n_failed / max(row.n_toys, 1)
    if row.mean is None:
        return "no pulls"
    return "" if fraction > _NEARLY_ALL else f"{100.0 * fraction:.0f} % of toys"


def plot_minimum_nll(ax: Axes, minima: NDArray[np.float64]) -> StepPatch:
    """Distribution of the minimum of the negative log-likelihood over toys.

    Args:
        ax: Panel.
        minima: Shape (toys,); what is not finite is left out.

    Returns:
        The histogram, in toys per bin; its bins follow Scott's rule
        (doi:10.1093/biomet/66.3.605).
    """
    values = np.round(minima[np.isfinite(minima)], _NLL_DECIMALS)
    bins = "scott" if len(np.unique(values)) > 1 else 1
    counts, edges = np.histogram(values, bins)
    colour = _STYLE.colour
    steps = ax.stairs(counts, edges, color=colour)
    ax.stairs(counts, edges, color=colour, fill=True, alpha=0.2)
    ax.set_ylim(0.0, 1.05 * max(counts.max(), 1))
    ax.set_xlabel(r"minimum of $-\ln L$")
    ax.set_ylabel("toys / bin")
    if not len(values):
        _say(ax, "no toys with errors")
        return steps
    mean, error = values.mean(), values.std() / np.sqrt(len(values))
    label = with_minus(f"mean {rounded(mean, error)}")
    ax.vlines(mean, *ax.get_ylim(), color=REFERENCE, linestyle="--", label=label)
    inner_legend(ax, f"{len(values)} toys")
    return steps


def plot_correlation(
    ax: Axes,
    matrix: NDArray[np.float64] | None,
    parameters: Sequence[str],
    *,
    labels: bool = False,
) -> AxesImage:
    """A correlation matrix as a heat map between -1 and 1; what is not finite is grey.

    Args:
        ax: Panel.
        matrix: Shape (parameters, parameters); None if there is none.
        parameters: Names.
        labels: Whether they are LaTeX labels; names of a workspace may hold any sign.

    Returns:
        The coloured cells.
    """
    n = len(parameters)
    cells = np.full((n, n), np.nan) if matrix is None else matrix
    image = ax.imshow(
        np.ma.masked_invalid(cells),
        cmap=mpl.colormaps["RdBu_r"].with_extremes(bad=_GREY),
        vmin=-1.0,
        vmax=1.0,
        aspect="auto",
        interpolation="nearest",
    )
    size = min(0.8 * 72.0 * _matrix_size(n) / n, _NAME)
    ax.set_xticks(range(n), parameters, rotation=90, fontsize=size, parse_math=labels)
    ax.set_yticks(range(n), parameters, fontsize=size, parse_math=labels)
    ax.tick_params(length=0)
    if matrix is None:
        _say(ax, "too few toys")
    elif n <= _NUMBERED:
        _write_numbers(ax, matrix)
    return image


def _write_numbers(ax: Axes, matrix: NDArray[np.float64]) -> None:
    for (i, j), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            ax.text(
                j,
                i,
                with_minus(f"{value:z.2f}"),
                color="white" if abs(value) > 0.6 else "black",
                fontsize=_NAME,
                horizontalalignment="center",
                verticalalignment="center",
            )


def _say(ax: Axes, text: str) -> None:
    """A remark in the middle of a panel without content."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, color=REFERENCE, ha="center", va="center")


def _pulls(rows: Sequence[PullSummary]) -> Figure:
    """Pulls of parameters, in as many columns as make a page that fits a screen."""
    columns = max(round((_FLATNESS * len(rows)) ** 0.5), 1)
    per_column = -(-len(rows) // columns)
    names = _LETTER * max(len(row.parameter) for row in rows)
    size = (_PANEL + 0.5 * names, _FRAME + _ROW * max(per_column, 5))
    figure, stacks = new_panels(2 * columns, size=size, columns=2 * columns)
    axes = [stack[0] for stack in stacks]
    for i in range(columns):
        part = rows[i * per_column : (i + 1) * per_column]
        plot_pull_rows((axes[2 * i], axes[2 * i + 1]), part)
    for ax in axes:
        ax.set_ylim(per_column - 0.5, -0.5)
    _centre(axes[::2], 0.0)
    _centre(axes[1::2], 1.0)
    axes[0].set_title(f"{rows[0].n_toys} toys", loc="left")
    return figure


def _centre(panels: Sequence[Axes], reference: float) -> None:
    """The same horizontal axis for all panels, with the reference in its middle."""
    reach = max(abs(end - reference) for ax in panels for end in ax.get_xlim())
    for ax in panels:
        ax.set_xlim(reference - reach, reference + reach)


def _shapes(parameters: tuple[str, ...], sums: PullSums) -> Figure:
    figure, [(ax,)] = new_panels(1, size=(7.0, 5.2))
    plot_toy_shapes(ax, tuple(name.replace("$", r"\$") for name in parameters), sums)
    return figure


def _minimum_nll(minima: NDArray[np.float64]) -> Figure:
    figure, [(ax,)] = new_panels(1, size=(7.0, 5.2))
    plot_minimum_nll(ax, minima)
    return figure


def _correlation(parameters: tuple[str, ...], correlation: Correlation, n_toys: int) -> Figure:
    """Correlation over the toys whose fits have all errors, beside what these fits claim."""
    size = _matrix_size(len(parameters))
    names = _LETTER * max(map(len, parameters))
    figure, stacks = new_panels(2, size=(size + 0.5 * names + 0.8, size + names + 0.6))
    axes = [stack[0] for stack in stacks]
    matrices = (correlation.over_toys, correlation.fitted)
    used = f"{n_toys}" if correlation.toys == n_toys else f"{correlation.toys} of {n_toys}"
    titles = (f"estimates of {used} toys", "mean of the fits")
    for ax, matrix, title in zip(axes, matrices, titles, strict=True):
        image = plot_correlation(ax, matrix, parameters)
        ax.set_title(title, loc="left")
    axes[1].tick_params(labelleft=False)
    figure.colorbar(image, ax=axes, label="correlation", fraction=0.04, pad=0.02)
    return figure


def _matrix_size(n: int) -> float:
    return float(np.clip(_CELL * n, *_MATRIX))
