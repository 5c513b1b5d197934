"""What the flows of a calibration are, for the terminal."""

from collections.abc import Iterator

from pullfactory.calibration import Calibration
from pullfactory.flows.described import described_maps
from pullfactory.flows.learning import LearntFlow
from pullfactory.numbers import plain


def flow_lines(calibration: Calibration) -> Iterator[str]:
    """The flow at each correlation in a sentence, without a full stop.

    Args:
        calibration: What was learnt.
    """
    for sample in calibration.joint:
        if sample.flow is not None:
            told = [*described_maps(sample.flow), *_verdict(sample.flow)]
            yield f"rho {plain(sample.rho)}: {'; '.join(told)}"


def verdict_warnings(calibration: Calibration) -> Iterator[str]:
    """One line for each flow that is not as it should be, as far as its verdict tells.

    Args:
        calibration: For the study that is run.
    """
    n_events = calibration.study.ensemble.n_events
    for sample in calibration.joint:
        verdict = None if sample.flow is None else sample.flow.verdict
        if verdict is None:
            continue
        place = f"flow at rho = {plain(sample.rho)}"
        if verdict.answer != "closes":
            yield f"{place} {verdict.answer}: {verdict.reason}"
        if verdict.n_events < n_events:
            yield (
                f"{place} was judged for data sets of {verdict.n_events} events, these have "
                f"{n_events}: shifts are larger parts of their errors; judge it for them with "
                "'pullfactory closure'"
            )


def _verdict(flow: LearntFlow) -> Iterator[str]:
    if flow.verdict is not None:
        yield f"{flow.verdict.answer} (data sets of {flow.verdict.n_events} events)"
