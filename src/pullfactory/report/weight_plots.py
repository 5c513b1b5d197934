"""How much each observable counts for each parameter, against the correlation."""

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pullfactory.inference import WeightRow
from pullfactory.report.figures import PREDICTION, DrawnFigure
from pullfactory.report.palette import REFERENCE, RHO, label_of, observable_style
from pullfactory.report.style import legend_above, new_panels
from pullfactory.settings.study import Study


def weight_figures(study: Study, rows: Sequence[WeightRow]) -> list[DrawnFigure]:
    """One figure for each method.

    Args:
        study: Gives labels.
        rows: The weights.
    """
    methods = dict.fromkeys(row.method for row in rows)
    return [
        PREDICTION["weights"].drawn(
            partial(_figure, study, [row for row in rows if row.method == method]), method
        )
        for method in methods
    ]


def _figure(study: Study, rows: Sequence[WeightRow]) -> Figure:
    figure, stacks = new_panels(len(study.parameter), size=(5.4, 4.6))
    for (ax,), name in zip(stacks, study.parameter_names, strict=True):
        plot_weights(ax, study, rows, name)
    axes = [panels[0] for panels in stacks]
    legend_above(figure, max(axes, key=lambda ax: len(ax.get_lines())))  # with a constraint
    return figure


def plot_weights(
    ax: Axes, study: Study, rows: Sequence[WeightRow], parameter: str
) -> dict[str, tuple[Line2D, Line2D]]:
    """Weights of the optimal combination (solid) and of the product (dashed) for one parameter.

    Args:
        ax: Panel.
        study: Gives labels.
        rows: Of one method.
        parameter: Name.

    Returns:
        Both lines of each observable, the constraint last if there is one.
    """
    own = [row for row in rows if row.parameter == parameter]
    names = study.observable_names
    lines = {}
    for name in dict.fromkeys(row.observable for row in own):
        some = sorted((row for row in own if row.observable == name), key=lambda row: row.rho)
        known = name in names
        colour = observable_style(names.index(name)).colour if known else REFERENCE
        label = label_of(study.observable[names.index(name)]) if known else name
        drawn = [
            ax.plot(
                [row.rho for row in some],
                [100.0 * getattr(row, kind) for row in some],
                color=colour,
                linestyle=dashes,
                marker="o" if len(some) == 1 else "",
                markerfacecolor="white" if kind == "product" else colour,
                label=f"{label}, {said}",
            )[0]
            for kind, dashes, said in (
                ("optimal", "-", "optimal"),
                ("product", "--", "as independent"),
            )
        ]
        lines[name] = (drawn[0], drawn[1])
    ax.axhline(0.0, color=REFERENCE, linewidth=0.8)
    ax.set_xlabel(f"correlation {RHO}")
    ax.set_ylabel("weight [%]")
    ax.set_title(label_of(study.parameter[study.parameter_names.index(parameter)]), loc="left")
    return lines
