"""What a verdict says of pulls beside their width: shifts with their causes, and shapes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

from pullfactory.described import Rho
from pullfactory.inference import ClosureVerdict, PullSummary
from pullfactory.inference.calibration_noise import CalibrationNoise
from pullfactory.inference.judgement import AT_BOUND, LEAST_CAUSE, is_shifted, judge_error
from pullfactory.inference.rows import PullRow
from pullfactory.inference.shapes import PullShape
from pullfactory.methods import method_kind
from pullfactory.numbers import rounded

Shapes = dict[tuple[str, float | None], tuple[PullShape, ...]]
"""Shapes of pulls by method and rho."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A sentence on the pulls of one parameter, with one method, at one rho.

    Attributes:
        method: As in `pulls`; also the next two.
        rho: The correlation; None where there is no scan of it.
        parameter: Name.
        kind: "shift"; or "shape": mean and width are right, and the distribution is not.
        text: The sentence, without a full stop.
    """

    method: str
    rho: Rho | None
    parameter: str
    kind: Literal["shift", "shape"]
    text: str

    def to_dict(self) -> dict[str, Any]:
        """One row, as in `summary.json`."""
        return asdict(self)


def causes_of(
    row: PullRow,
    noise: Iterable[CalibrationNoise] = (),
    closure: Iterable[ClosureVerdict] = (),
) -> tuple[str, ...]:
    """Why the pulls of a row may be shifted, as far as that is known; each follows "because".

    Args:
        row: Pulls that are shifted.
        noise: What the noise of the calibration is expected to do.
        closure: What the workspace alone does to the pulls of `binned`.
    """
    pulls, found = row.pulls, []
    mean, least = pulls.mean or 0.0, LEAST_CAUSE * abs(pulls.mean or 0.0)
    found += [
        f"the noise of the calibration is expected to shift them by about {one.shift:.2f}"
        for one in noise
        if (one.method, one.parameter) == (row.method, pulls.parameter)
        and (one.rho == row.rho or method_kind(one.method).independent)
        and one.shift is not None
        and one.shift >= least
    ]
    for verdict in closure if method_kind(row.method).workspace else ():
        bias = verdict.pull_mean or 0.0
        if verdict.parameter != pulls.parameter or bias * mean <= 0 or abs(bias) < least:
            continue
        found.append(
            f"fits of exact rates are shifted by about {bias:.2f} too, by constraints or few events"
            if verdict.closes
            else f"the morphing does not close and alone shifts them by {bias:.2f}"
        )
    if pulls.n_at_bound > AT_BOUND * pulls.n_toys:
        found.append(f"{pulls.n_at_bound} of {pulls.n_toys} toys end at its bound and have no pull")
    return tuple(found)


def remarks(
    rows: Sequence[PullRow],
    shapes: Shapes,
    why: Callable[[PullRow], Sequence[str]] = causes_of,
) -> tuple[Remark, ...]:
    """All that is to be said of some pulls, in their order.

    Args:
        rows: Summaries.
        shapes: Their distributions.
        why: Gives the known causes of a shift, as `causes_of` does.
    """
    found = []
    for row in rows:
        say = partial(Remark, method=row.method, rho=row.rho, parameter=row.pulls.parameter)
        name, pulls = row.pulls.parameter, row.pulls
        if is_shifted(pulls.mean, pulls.mean_error):
            because = " and because ".join(why(row))
            shift = rounded(pulls.mean, pulls.mean_error)
            text = f"the pulls of {name} are shifted by {shift}" + (
                because and f", because {because}"
            )
            found.append(say(kind="shift", text=text))
        mine = [one for one in shapes[row.method, row.rho] if one.parameter == name]
        beside = [one.pulls for one in rows if (one.method, one.rho) == (row.method, row.rho)]
        right = all(judge_error(one.width, one.width_error) == "right" for one in beside)
        slices = sum(one.sliced_by is not None for one in shapes[row.method, row.rho])
        said = _on_shape(mine, pulls, right=right, slices=slices)
        found += [say(kind="shape", text=text) for text in said]
    return tuple(found)


def shape_rows(shapes: Shapes) -> list[dict[str, Any]]:
    """Rows of `shapes` in `summary.json`; the ECDF is told of all toys alone."""
    return [
        {
            "method": method,
            "rho": rho,
            **asdict(one),
            "ecdf": list(one.ecdf) if one.sliced_by is None else None,
        }
        for (method, rho), some in shapes.items()
        for one in some
    ]


def _on_shape(
    shapes: Sequence[PullShape], pulls: PullSummary, *, right: bool, slices: int
) -> Iterator[str]:
    """What mean and width do not tell; at most one sentence.

    Slices of estimates say nothing unless all claimed errors are right.
    """
    mean, width = pulls.mean or 0.0, pulls.width
    numbers = {
        "claimed": (pulls.width, pulls.width_error),
        "corrected": (pulls.corrected_width, pulls.corrected_width_error),
    }
    for errors, (own, error) in numbers.items():
        if own is None or not width or is_shifted(pulls.mean, pulls.mean_error):
            continue
        if judge_error(own, error) != "right":
            continue  # that they are not unit normal is told already
        mine = [one for one in shapes if one.errors == errors]
        whole = [one for one in mine if one.sliced_by is None]
        if any(one.off() and one.abnormal(mean * own / width, own) for one in whole):
            yield (
                f"the pulls of {pulls.parameter} with {errors} errors have the right mean and "
                f"width, and are not normal: up to {whole[0].distance:.2f} off in the ECDF"
            )
            return
        sliced = [
            one
            for one in mine
            if one.sliced_in == "truth" or (one.sliced_in == "estimate" and right)
        ]
        off = [one for one in sliced if one.off(slices)]
        if off:
            thirds = (f"the {one.sliced_in} of {one.sliced_by} is {_third(one)}" for one in off)
            yield (
                f"the pulls of {pulls.parameter} with {errors} errors are right on average over "
                f"all toys, and not where {' or where '.join(thirds)}"
            )
            return


def _third(shape: PullShape) -> str:
    return "in the middle" if shape.slice == "middle" else str(shape.slice)
