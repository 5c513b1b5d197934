"""What many audits of a line said, beside what is true."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.verdicts.audits import Audited, audited
from benchmarks.verdicts.lines import Line
from benchmarks.verdicts.truth import Truth, truth_of
from benchmarks.verdicts.unbinned import DensityFit
from benchmarks.verdicts.world import data_sets

ANSWERS = ("yes", "no", "calibrate", "cannot", "unknown")
MATTERS = ("small", "matters", "unknown")
_TOLERATED, _PULLED = 0.05, 0.15  # of the error, and of the slope, for an error that is right


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What many audits of one line said; pulls are of told beside true numbers.

    Attributes:
        name: Of the line.
        design: What the prototype found.
        audits: How many.
        right: Of the audits whose claimed error is right as it stands, how many gave each answer.
        wrong: Of the others.
        matters: How many gave each answer on the correlation.
        false_yes: Part that said yes where the factor is off by more than 5 %, or the slope by more
            than 0.15.
        false_no: Part that said no where the factor is right within 5 %.
        pulls: Mean and spread for factor, slope and infinite simulation, where numbers are quoted
            in more than half of the audits.
        factor: Median factor that was told, and the true one.
        infinite: The same of infinite simulation.
        coverage: Of what is recommended, in new data with masses within two errors and nuisances
            from their constraints; None where nothing is.
        coverage_error: Its standard error, from audit to audit.
        seconds: Of processor time for an audit, its truth and its toys.
    """

    name: str
    design: str
    audits: int
    right: dict[str, int]
    wrong: dict[str, int]
    matters: dict[str, int]
    false_yes: float
    false_no: float
    pulls: dict[str, tuple[float, float]]
    factor: tuple[float | None, float]
    infinite: tuple[float | None, float]
    coverage: float | None
    coverage_error: float | None
    seconds: float

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "Figures":
        """From plain data.

        Args:
            row: What `to_dict` gave.
        """
        pairs = {key: tuple(row[key]) for key in ("factor", "infinite")}
        pulls = {key: tuple(pair) for key, pair in row["pulls"].items()}
        return cls(**{**row, **pairs, "pulls": pulls})

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @property
    def answers(self) -> dict[str, float]:
        """Parts of each answer."""
        return {one: (self.right[one] + self.wrong[one]) / self.audits for one in ANSWERS}

    @property
    def correlation(self) -> dict[str, float]:
        """Parts of each answer on the correlation."""
        return {one: self.matters[one] / self.audits for one in MATTERS}


def run_line(
    line: Line, audits: int, seed: int, *, toys: int = 40, most: float | None = None
) -> Figures:
    """Audits of one kind.

    Args:
        line: Which.
        audits: How many.
        seed: Of all that is drawn.
        toys: Pseudo-data sets fitted with each.
        most: Seconds of processor time after which no other audit begins; None for no limit.
    """
    rng, start = np.random.default_rng(seed), process_time()
    rows, truths, hits = list[dict[str, Any]](), list[Truth](), list[float]()
    for _ in range(audits):
        if most is not None and len(rows) > 1 and process_time() - start > most:
            break
        found = audited(line, rng)
        truth = truth_of(line, found.fit)
        rows.append(found.row)
        truths.append(truth)
        if found.row["answer"] != "cannot":
            hits.append(float(np.mean(_covered(line, found, truth, rng, toys))))
    spent = process_time() - start
    off = [abs(t.factor - 1) > _TOLERATED for t in truths]
    wrong = [w or abs(1 - t.slope) > _PULLED for w, t in zip(off, truths, strict=True)]
    said = [row["answer"] for row in rows]
    return Figures(
        name=line.name,
        design=line.design,
        audits=len(rows),
        right=_counted([a for a, w in zip(said, wrong, strict=True) if not w], ANSWERS),
        wrong=_counted([a for a, w in zip(said, wrong, strict=True) if w], ANSWERS),
        matters=_counted([row["correlation"] for row in rows], MATTERS),
        false_yes=float(np.mean([a == "yes" and w for a, w in zip(said, wrong, strict=True)])),
        false_no=float(np.mean([a == "no" and not w for a, w in zip(said, off, strict=True)])),
        pulls=dict(_pulls(rows, truths)),
        factor=(_median(rows, "factor"), float(np.median([t.factor for t in truths]))),
        infinite=(_median(rows, "factor_infinite"), truths[0].infinite),
        coverage=float(np.mean(hits)) if hits else None,
        coverage_error=float(np.std(hits, ddof=1) / len(hits) ** 0.5) if len(hits) > 1 else None,
        seconds=spent / len(rows),
    )


def _counted(said: Sequence[str], known: Sequence[str]) -> dict[str, int]:
    counted = Counter(said)
    return {one: counted[one] for one in known}


def _median(rows: Sequence[dict[str, Any]], key: str) -> float | None:
    known = [row[key] for row in rows if row[key] is not None]
    return float(np.median(known)) if known else None


def _pulls(
    rows: Sequence[dict[str, Any]], truths: Sequence[Truth]
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Mean and spread of the pulls of what is told where the answer is not "cannot"."""
    keys = {"factor": "factor", "slope": "slope", "factor_infinite": "infinite"}
    for key, name in keys.items():
        found = [
            (row[key] - getattr(truth, name)) / row[f"{key}_error"]
            for row, truth in zip(rows, truths, strict=True)
            if row["answer"] != "cannot" and row[key] is not None
        ]
        if 2 * len(found) > len(rows):  # what few are let pass by chance is off by that
            yield key, (float(np.mean(found)), float(np.std(found, ddof=1)))


def _covered(
    line: Line, found: Audited, truth: Truth, rng: np.random.Generator, toys: int
) -> NDArray[np.bool_]:
    """Whether what is recommended covers the mass of each of some new data sets."""
    row, fit = found.row, found.fit
    theta = {
        knob.name: 2 * truth.resolution * rng.uniform(-1, 1, toys)
        if knob.free
        else rng.standard_normal(toys)
        for knob in line.knobs
    }
    aux = np.zeros((toys, len(line.knobs)))
    if not line.held:
        for k, knob in enumerate(line.knobs):
            aux[:, k] = 0.0 if knob.free else theta[knob.name] + rng.standard_normal(toys)
    data = data_sets(line, rng, theta)
    if isinstance(fit, DensityFit):
        ((_, values), *_) = data
        shape = len(values), toys, -1
        estimate = fit.fit(values.reshape(shape).swapaxes(0, 1), aux)
    else:
        estimate = fit.fit(sum(fit.count(*each, toys) for each in data), aux)
    error = np.full(toys, row["whole_error"])
    if row["answer"] == "calibrate":
        estimate = estimate / row["slope"]
        error = np.hypot(row["calibrated_error"], row["slope_error"] * estimate / row["slope"])
    return np.asarray(np.abs(estimate - theta["m"]) < error)
