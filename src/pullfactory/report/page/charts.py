"""Pull width against rho as a drawing of which every point tells its numbers."""

from collections.abc import Sequence

from pullfactory.numbers import rounded, significant
from pullfactory.report.page.content import Chart, Charts, Point, Series, Tags
from pullfactory.report.palette import method_label, method_style, with_minus
from pullfactory.report.verdict import PullNumbers, rho_name

_SIZE = (360, 270)  # pixels, also below
_FRAME = (44, 12, 350, 228)
_APART = 5.0  # between the points of two methods
_DASH = 14.0  # half the length of a prediction at a single rho
_MARGIN = 0.08  # around the data, as part of their range
_TICKS = 5

_MARK = (8.0, -8.0)  # size of a point; in drawings y points down
_COMMANDS = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}  # of SVG, for the codes of matplotlib's paths


def width_charts(rows: Sequence[PullNumbers]) -> Charts:
    """One chart per parameter, all with the same axes.

    Args:
        rows: Of a summary; those without a width are left out.
    """
    rows = [row for row in rows if row["width"] is not None]
    axes = _Axes(rows)
    parameters = dict.fromkeys(row["parameter"] for row in rows)
    methods = list(dict.fromkeys(row["method"] for row in rows))
    return Charts(
        charts=tuple(
            Chart(
                parameter=parameter,
                size=_SIZE,
                frame=_FRAME,
                x_ticks=axes.x_ticks,
                y_ticks=axes.y_ticks,
                reference=axes.y(1.0),
                series=tuple(
                    _series(
                        [r for r in rows if (r["method"], r["parameter"]) == (method, parameter)],
                        method,
                        axes,
                        shift=_APART * (i - 0.5 * (len(methods) - 1)),
                    )
                    for i, method in enumerate(methods)
                ),
            )
            for parameter in parameters
        ),
        alternative="Pull width against the correlation; the numbers are in the table of pulls.",
    )


class _Axes:
    """Where values are in the drawing."""

    def __init__(self, rows: Sequence[PullNumbers]) -> None:
        scan = sorted({row["rho"] for row in rows})
        self.single = len(scan) == 1
        widths = [1.0, *(row["predicted_width"] for row in rows if row["predicted_width"])]
        for row in rows:
            error = row["width_error"] or 0.0
            widths += [row["width"] - error, row["width"] + error]
        self._x = _widened(scan[0], scan[-1]) if scan else (-1.0, 1.0)
        self._y = _widened(min(widths), max(widths))
        left, top, right, bottom = _FRAME
        self.x_ticks = _ticks(self._x, (left, right), scan if self.single else None)
        self.y_ticks = _ticks(self._y, (bottom, top))

    def x(self, rho: float) -> float:
        return _scaled(rho, self._x, (_FRAME[0], _FRAME[2]))

    def y(self, width: float) -> float:
        return _scaled(width, self._y, (_FRAME[3], _FRAME[1]))


def _series(rows: Sequence[PullNumbers], method: str, axes: _Axes, *, shift: float) -> Series:
    style = method_style(method)
    points = []
    for row in rows:
        error = row["width_error"] or 0.0
        points.append(
            Point(
                x=round(axes.x(row["rho"]) + shift, 1),
                y=axes.y(row["width"]),
                low=axes.y(row["width"] - error),
                high=axes.y(row["width"] + error),
                title=_title(row),
                tags=Tags(method=method, rho=rho_name(row["rho"]), parameter=row["parameter"]),
            )
        )
    expected = sorted(
        (axes.x(row["rho"]), axes.y(row["predicted_width"]))
        for row in rows
        if row["predicted_width"] is not None
    )
    if axes.single:
        expected = [(x + side, y) for x, y in expected for side in (-_DASH, _DASH)]
    return Series(
        method=method,
        colour=style.colour,
        shape=_outline(style.marker),
        points=tuple(points),
        line=" ".join(f"{x:.1f},{y:.1f}" for x, y in expected),
    )


def _outline(marker: str) -> str:
    """One of matplotlib's markers around the origin, as a path of SVG."""
    from matplotlib.markers import MarkerStyle

    style = MarkerStyle(marker)
    outline = style.get_path().transformed(style.get_transform())
    path = ""
    for ends, code in outline.iter_segments(simplify=False):
        command = _COMMANDS[int(code)]
        places = () if command == "Z" else (ends.reshape(-1, 2) * _MARK).ravel()
        path += command + " ".join(f"{round(value, 2):zg}" for value in places)
    return path


def _title(row: PullNumbers) -> str:
    """What a point tells: a line for each of its numbers."""
    lines = [
        f"{row['parameter']}, {method_label(row['method'])}, ρ = {rho_name(row['rho'])}",
        f"pull width {rounded(row['width'], row['width_error'])}",
    ]
    if row["predicted_width"] is not None:
        lines.append(f"predicted {row['predicted_width']:.3f}")
    lines.append(f"claimed error {significant(row['claimed_error'])}")
    lines.append(f"actual error {significant(row['actual_error'])}")
    return "\n".join(lines)


def _widened(low: float, high: float) -> tuple[float, float]:
    margin = _MARGIN * (high - low) or 0.5
    return low - margin, high + margin


def _scaled(value: float, data: tuple[float, float], pixels: tuple[float, float]) -> float:
    part = (value - data[0]) / (data[1] - data[0])
    return round(pixels[0] + part * (pixels[1] - pixels[0]), 1)


def _ticks(
    data: tuple[float, float], pixels: tuple[float, float], at: Sequence[float] | None = None
) -> tuple[tuple[float, str], ...]:
    from matplotlib.ticker import MaxNLocator

    values = MaxNLocator(_TICKS).tick_values(*data) if at is None else at
    shown = [float(value) for value in values if data[0] <= value <= data[1]]
    return tuple((_scaled(v, data, pixels), with_minus(f"{v:z.3g}")) for v in shown)
