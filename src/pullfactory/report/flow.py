"""What the flows of a calibration are, for the terminal."""

from collections.abc import Iterator

from pullfactory.calibration import Calibration
from pullfactory.flows.described import described_maps
from pullfactory.numbers import plain


def flow_lines(calibration: Calibration) -> Iterator[str]:
    """The flow at each correlation in a sentence, without a full stop.

    Args:
        calibration: What was learnt.
    """
    for sample in calibration.joint:
        if sample.flow is not None:
            yield f"rho {plain(sample.rho)}: {'; '.join(described_maps(sample.flow))}"
