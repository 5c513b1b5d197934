"""How two observables of the same events depend on each other."""

import hist
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from numpy.typing import NDArray

from pullfactory.report.palette import RHO, axis_label, label_of, with_minus
from pullfactory.settings.sections import Observable

_BINS = 60
_DRAWN = (0.001, 0.999)  # quantiles between which the events are drawn


def plot_joint(
    ax: Axes,
    events: NDArray[np.float64],
    observables: tuple[Observable, Observable],
    rho: float,
) -> QuadMesh:
    """Joint distribution of two observables as a histogram with a colour bar.

    Args:
        ax: Panel.
        events: Shape (events, 2), in the observables' units.
        observables: Give labels and units.
        rho: Correlation they were drawn with, for the title; beside it stands Pearson's
            correlation of the events.

    Returns:
        The coloured cells, in events per cell.
    """
    low, high = np.quantile(events, _DRAWN, axis=0)
    axes = [hist.axis.Regular(_BINS, *ends, flow=False) for ends in zip(low, high, strict=True)]
    histogram = hist.Hist(*axes, storage=hist.storage.Double()).fill(*events.T)
    edges = (axis.edges for axis in histogram.axes)
    mesh = ax.pcolormesh(*edges, histogram.values().T, cmap="Blues", rasterized=True)
    ax.figure.colorbar(mesh, ax=ax, label="events / cell")
    x, y = observables
    ax.set_xlabel(axis_label(label_of(x), x.unit))
    ax.set_ylabel(axis_label(label_of(y), y.unit))
    sample = float(np.corrcoef(*events.T).item(1))
    ax.set_title(with_minus(f"{RHO} = {rho:g}"), loc="left")
    ax.set_title(with_minus(f"sample $r$ = {sample:z.3f}"), loc="right")
    return mesh
