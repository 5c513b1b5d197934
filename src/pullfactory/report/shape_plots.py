"""Pulls as whole distributions: their ECDF beside that of a unit Gaussian, in its band."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.special import ndtri

from pullfactory.inference import PullSums
from pullfactory.inference.shapes import SHAPE_EDGES, PullShape, ecdf_band
from pullfactory.report.palette import REFERENCE, RHO, with_minus
from pullfactory.report.style import inner_legend, scan_colours

_T = SHAPE_EDGES[1:-1]
_GREY = "#D9D9D9"
_NAMED = 6  # lines of parameters that a legend names, those furthest off


def plot_shapes(
    ax: Axes, parameters: tuple[str, ...], sums: Mapping[float, PullSums], parameter: str
) -> list[Line2D]:
    """ECDF of the pulls of one parameter less that of a unit Gaussian, at several rho.

    Full lines have the claimed errors, dotted ones the corrected errors.

    Args:
        ax: Panel.
        parameters: Names, in the order of the sums.
        sums: Sums over the pulls of one method, by rho.
        parameter: Name.

    Returns:
        The lines, with claimed errors first for each rho.
    """
    lines: list[Line2D] = []
    largest, k = 0, parameters.index(parameter)
    for (rho, row), colour in zip(sums.items(), scan_colours(len(sums)), strict=True):
        whole = row.transformed[:, :1, :, k : k + 1].sum(axis=2, keepdims=True)  # of its slices
        for shape in PullShape.of((parameter,), whole):
            claimed = shape.errors == "claimed"
            lines += ax.plot(
                *_points(shape),
                color=colour,
                linestyle="-" if claimed else ":",
                label=with_minus(f"{RHO} = {rho:g}") if claimed else None,
            )
            largest = max(largest, shape.n)
    _draw_band(ax, largest)
    if any(line.get_linestyle() == ":" for line in lines):
        _name_corrected(ax)
    ax.set_xlabel("pull")
    return lines


def plot_toy_shapes(ax: Axes, labels: tuple[str, ...], sums: PullSums) -> list[Line2D]:
    """ECDF of the pulls of every parameter less that of a unit Gaussian.

    Full lines have the claimed errors, dotted ones the corrected errors of those that are named.

    Args:
        ax: Panel.
        labels: Of the parameters, in the order of the sums; may be LaTeX.
        sums: Sums over the pulls.

    Returns:
        The lines with claimed errors; those furthest off are named.
    """
    whole = [one for one in PullShape.of(labels, sums.transformed) if one.sliced_by is None]
    corrected = {one.parameter: one for one in whole if one.errors == "corrected"}
    shapes = [one for one in whole if one.errors == "claimed"]
    shapes.sort(key=lambda shape: -shape.distance)
    named, others = shapes[:_NAMED], shapes[_NAMED:]
    lines: list[Line2D] = []
    for shape in others:
        lines += ax.plot(*_points(shape), color=_GREY, linewidth=0.8)
    for shape, colour in zip(named, scan_colours(len(named)), strict=True):
        lines += ax.plot(*_points(shape), color=colour, label=shape.parameter)
        if shape.parameter in corrected:
            ax.plot(*_points(corrected[shape.parameter]), color=colour, linestyle=":")
    _draw_band(ax, max((shape.n for shape in shapes), default=0))
    if corrected:
        _name_corrected(ax)
    ax.set_xlabel("pull")
    inner_legend(ax, "largest distances" if others else "")
    return lines


def _points(shape: PullShape) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return ndtri(_T), np.asarray(shape.ecdf) - _T


def _name_corrected(ax: Axes) -> None:
    ax.plot([], [], color=REFERENCE, linestyle=":", label="corrected errors")


def _draw_band(ax: Axes, n: int) -> None:
    """The simultaneous band of the ECDF of n unit normal pulls, around 0."""
    ax.axhline(0.0, color=REFERENCE, linestyle="--", linewidth=1.2)
    if n:
        low, high = ecdf_band(n, _T)
        label = f"95 % band of {n} toys"
        ax.fill_between(ndtri(_T), low - _T, high - _T, color=REFERENCE, alpha=0.2, label=label)
    ax.set_ylabel(with_minus("ECDF - unit Gaussian"))
