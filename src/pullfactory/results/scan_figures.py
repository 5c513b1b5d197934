"""Every figure of a scan."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from pullfactory.inference.rows import ScanRow
from pullfactory.report.figures import SCAN, Figures, by_name
from pullfactory.report.palette import RHO, Described, label_of, with_minus
from pullfactory.report.scan_plots import plot_scan
from pullfactory.report.style import legend_above, new_panels
from pullfactory.settings.study import Study

_QUANTITIES = ("mean", "width")


def make_scan_figures(
    study: Study, over: str, values: Sequence[Any], rows: Sequence[ScanRow]
) -> Figures:
    """Pull mean and width against the scanned key, one figure for every rho.

    Args:
        study: Gives names and labels.
        over: The key.
        values: Its values.
        rows: Pulls at each of them.
    """
    scan = list(dict.fromkeys(row.rho for row in rows))
    names = {rho: f"{rho:g}" if len(scan) > 1 else "" for rho in scan}
    label = _axis_label(getattr(study, over.partition(".")[0], None), over)
    return by_name(
        SCAN["scan"].drawn(partial(_figure, study.parameter, label, values, rows, rho), name)
        for rho, name in names.items()
    )


def _figure(
    parameters: Sequence[Described],
    label: str,
    values: Sequence[Any],
    rows: Sequence[ScanRow],
    rho: float | None,
) -> Figure:
    figure, stacks = new_panels(len(parameters), size=(5.4, 7.4), heights=(1.0, 1.0), share_y=True)
    for panels, parameter in zip(stacks, parameters, strict=True):
        for ax, quantity in zip(panels, _QUANTITIES, strict=True):
            plot_scan(
                ax,
                rows,
                values,
                rho=rho,
                parameter=parameter.name,
                quantity=quantity,
            )
        panels[1].set_xlabel(label)
        panels[0].set_title(label_of(parameter), loc="left")
    stacks[-1][0].set_title(with_minus(f"{RHO} = {rho:g}"), loc="right")
    legend_above(figure, stacks[0][0])
    return figure


def _axis_label(table: object, over: str) -> str:
    """The meaning of the scanned key if it is in one of the study's tables, or else the key."""
    key = over.partition(".")[2]
    fields = getattr(type(table), "model_fields", {})
    return fields[key].description if key in fields else over
