"""What the flows of a calibration are, for the terminal."""

from collections.abc import Iterator

from pullfactory.calibration import Calibration
from pullfactory.flows.learning import LearntFlow
from pullfactory.numbers import plain


def flow_lines(calibration: Calibration) -> Iterator[str]:
    """The flow at each correlation in a sentence, without a full stop.

    Args:
        calibration: What was learnt.
    """
    for sample in calibration.joint:
        if sample.flow is not None:
            yield f"rho {plain(sample.rho)}: {'; '.join(_parts(sample.flow))}"


def _parts(flow: LearntFlow) -> Iterator[str]:
    density = flow.density
    for k, (o, conditional) in enumerate(zip(density.order, density.maps, strict=True)):
        name = flow.observables[o]
        given = ", ".join(flow.observables[other] for other in density.order[:k])
        what = f"{name} given {given}" if given else name
        if conditional is None:
            yield f"{what} as declared"
            continue
        degrees = f"degrees {conditional.shift_degree} and {conditional.shape_degree}"
        with_degrees = f" of {degrees}" if k else ""
        changing = [
            parameter
            for parameter, changes in zip(flow.parameters, density.linear[k], strict=True)
            if changes
        ]
        rows = len(density.rows(k)) * conditional.size
        change = f", changing with {', '.join(changing)}" if changing else ""
        tried = [row for row in flow.degrees if row.observable == k]
        most = ", the largest degrees that were tried" if tried and tried[-1].chosen else ""
        yield f"{what}{with_degrees} ({rows} coefficients{change}{most})"
