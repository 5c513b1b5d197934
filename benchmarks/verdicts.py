"""Answers of many audits whose truth is known: `python -m benchmarks.verdicts`.

Two Gaussian observables: a mass whose templates are other events, and a scale that moves the
nominal ones. Rates, slopes and pairs of bins are integrals of the densities that the events are
drawn from, made here and not by the package, so that of every audit it is known what its fit as
built really does in fresh data: the slope of its estimate, its error, and how often what is
recommended covers.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pullfactory import audit
from pullfactory._jax import double_precision
from pullfactory.auditing import (
    AuditModel,
    ErrorModel,
    Expected,
    Smoothing,
    build_audit_workspace,
    predict_whole,
    read_events,
)
from pullfactory.settings.audit import AuditConfig

N = 2000  # events of the data
CENTRE, WIDTH = np.array([170.0, 83.0]), np.array([10.0, 7.0])
MASS, SCALE = CENTRE * [0.0058, 0.0003], CENTRE * [0.0046, 0.0053]  # shifts for one step
PRIOR = np.array([0.0, 1.0])  # information of the constraints of mass and scale
ANSWERS = ("yes", "no", "calibrate", "cannot", "unknown")
MATTERS = ("small", "matters", "unknown")
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)
_FAR = 8.5  # widths, beyond which nothing is


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One kind of audit.

    Attributes:
        rho: Correlation of the observables.
        events: Simulated events of each sample.
        apart: Events of samples of their own for the scale up and down; 0 for the nominal ones.
        held: Whether the auxiliary value of the scale stays 0 whatever is true.
        smooth: How derivatives of templates are smoothed.
        design: What the prototype of these rules found.
    """

    rho: float
    events: int
    apart: int = 0
    held: bool = True
    smooth: str | int = "none"
    design: str = ""

    @property
    def name(self) -> str:
        """What it is called."""
        kind = "" if self.held else ", auxiliary value measured"
        kind += f", scale from {self.apart} others" if self.apart else ""
        smooth = "" if self.smooth == "none" else f", degree {self.smooth}"
        return f"rho {self.rho:g}, {self.events} events{kind}{smooth}"


LINES = (
    Line(rho=0.0, events=200_000, design="yes 100; small 100; 0.684"),
    Line(rho=0.3, events=200_000, design="no 100; matters 100 (0.853); 0.698"),
    Line(rho=0.0, events=20_000, design="calibrate 96, yes 0; small; 0.674"),
    Line(rho=0.3, events=20_000, design="calibrate 98, yes 0; matters 100 (0.849 +- 0.02); 0.682"),
    Line(rho=0.3, events=20_000, held=False),
    Line(rho=-0.2, events=5_000, design="cannot 98; unknown 98"),
    Line(rho=0.2, events=5_000, design="cannot 98; unknown 98"),
    Line(rho=0.13, events=1_500, design="cannot 100"),
    Line(rho=0.0, events=200_000, apart=5_000, design="factor 1.60, taken for 1.00 before"),
    Line(rho=0.3, events=200_000, apart=20_000, held=False),
    Line(rho=0.0, events=50_000, smooth=5, design="yes 99; small"),
    Line(rho=0.3, events=20_000, smooth=5, design="no 84; matters"),
    Line(rho=0.2, events=5_000, smooth=5, design="calibrate 80, cannot 13"),
)


# --- the truth ------------------------------------------------------------------------------------


def draw(
    rng: np.random.Generator, number: int, rho: float, mass: float = 0.0, scale: float = 0.0
) -> NDArray[np.float64]:
    """Events, shape (number, 2)."""
    z = rng.standard_normal((number, 2))
    z[:, 1] = rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]
    return np.asarray(CENTRE + MASS * mass + SCALE * scale + WIDTH * z)


def rates_at(edges: Sequence[NDArray[np.float64]], mass: float, scale: float) -> Any:
    """Expected events in the bins of both observables, outer bins open."""
    shift = CENTRE + MASS * mass + SCALE * scale
    below = [ndtr((each - shift[o]) / WIDTH[o]) for o, each in enumerate(edges)]
    return N * np.concatenate([np.diff(each, prepend=0.0, append=1.0) for each in below])


def counts_of(edges: Sequence[NDArray[np.float64]], rho: float) -> NDArray[np.float64]:
    """Covariance of the counts of a fixed number of events, shape (bins, bins)."""
    ends = [np.r_[-_FAR, (e - CENTRE[o]) / WIDTH[o], _FAR] for o, e in enumerate(edges)]
    half = np.diff(ends[0])[:, None] / 2
    z = ends[0][:-1, None] + half * (1 + _NODES)
    weight = half * _WEIGHTS * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    below = ndtr((ends[1] - rho * z[..., None]) / np.sqrt(1 - rho**2))
    pairs = N * np.einsum("an,anb->ab", weight, np.diff(below, axis=-1))
    rates = rates_at(edges, 0.0, 0.0)
    full = np.diag(rates)
    first = len(ends[0]) - 1
    full[:first, first:], full[first:, :first] = pairs, pairs.T
    return np.asarray(full - np.outer(rates, rates) / N)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """What a fit as it was built really does with its parameters, mass and scale.

    Attributes:
        slope: Of the estimated over the true mass.
        factor: Root mean square of estimate - truth of the mass over its claimed error.
        resolution: Error of the mass with infinite simulation.
        infinite: Actual over claimed error of the mass with infinite simulation.
    """

    slope: float
    factor: float
    resolution: float
    infinite: float


def truth_of(line: Line, built: "Built") -> Truth:
    """From integrals of the densities over the bins of a fit."""
    steps = ((1.0, 0.0), (0.0, 1.0))
    slopes = np.stack(
        [(rates_at(built.edges, m, j) - rates_at(built.edges, -m, -j)) / 2 for m, j in steps],
        axis=1,
    )
    rates, counts = rates_at(built.edges, 0.0, 0.0), counts_of(built.edges, line.rho)
    penalty, moving = np.diag(PRIOR), np.diag(PRIOR * (not line.held))

    def claimed(log_slopes: NDArray[np.float64]) -> NDArray[np.float64]:
        information = log_slopes.T @ (rates[:, None] * log_slopes)
        return np.asarray(np.linalg.inv(information + penalty))

    own = built.slopes / built.rates[:, None]
    inverse = claimed(own)
    slope = inverse @ (own.T @ slopes + moving)
    again = own.T @ counts @ own
    away = (slope - np.eye(2))[:, 1]
    template = inverse @ again @ inverse * N / line.events
    error = inverse @ (again + moving) @ inverse + np.outer(away, away) + template
    exact = slopes / rates[:, None]
    best = claimed(exact)
    actual = best @ (exact.T @ counts @ exact + penalty) @ best
    return Truth(
        slope=float(slope[0, 0]),
        factor=float(np.sqrt(error[0, 0] / inverse[0, 0])),
        resolution=float(np.sqrt(actual[0, 0])),
        infinite=float(np.sqrt(actual[0, 0] / best[0, 0])),
    )


# --- audits ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Built:
    """A fit as an audit builds it, of mass and scale.

    Attributes:
        edges: Inner edges of the bins of both observables.
        rates: Shape (bins,).
        slopes: Shape (bins, 2).
    """

    edges: tuple[NDArray[np.float64], ...]
    rates: NDArray[np.float64]
    slopes: NDArray[np.float64]

    @classmethod
    def of(cls, spec: dict[str, Any], edges: Sequence[NDArray[np.float64]]) -> "Built":
        """From the templates of a pyhf workspace."""
        content = {
            (channel["name"], sample["name"]): sample
            for channel in spec["channels"]
            for sample in channel["samples"]
        }
        rates, mass, scale = [], [], []
        for name in ("a", "b"):
            for (channel, _), sample in content.items():
                if channel != name:
                    continue
                kinds = {one["name"]: one for one in sample["modifiers"]}
                if "m" in kinds:
                    mass.append(np.array(sample["data"]))
                else:
                    data = kinds["j"]["data"]
                    rates.append(np.array(sample["data"]))
                    scale.append((np.array(data["hi_data"]) - np.array(data["lo_data"])) / 2)
        slopes = np.stack([np.concatenate(mass), np.concatenate(scale)], axis=1)
        return cls(
            edges=tuple(each[1:-1] for each in edges), rates=np.concatenate(rates), slopes=slopes
        )

    def fit(self, counts: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
        """Most likely masses, from counts of shape (toys, bins) and auxiliary values."""
        aux = np.stack([np.zeros_like(scale), scale], axis=1)
        theta = np.zeros((len(counts), 2))
        for _ in range(4):
            rates = np.maximum(self.rates + theta @ self.slopes.T, 1e-3)
            score = (counts / rates - 1) @ self.slopes + (aux - theta) * PRIOR
            weight = counts / rates**2
            bend = np.einsum("bj,tb,bk->tjk", self.slopes, weight, self.slopes) + np.diag(PRIOR)
            theta += np.linalg.solve(bend, score[..., None])[..., 0]
        return np.asarray(theta[:, 0])


def config_of(line: Line) -> dict[str, Any]:
    """The configuration of an audit."""
    sides = (("up", "+"), ("down", "-"))
    moved: dict[str, Any] = {
        side: {"in_memory": True}
        if line.apart
        else {"observables": {n: f"{n} {sign} {SCALE[o]}" for o, n in enumerate("ab")}}
        for side, sign in sides
    }
    smooth = {} if line.smooth == "none" else {"workspace": {"smooth": line.smooth}}
    return smooth | {
        "name": "verdict",
        "poi": "m",
        "n_events_law": "fixed",
        "parameter": [
            {"name": "m", "constraint": "free"},
            {"name": "j", "auxiliary": "held" if line.held else "measured"},
        ],
        "observable": [{"name": "a"}, {"name": "b"}],
        "toys": {"n_toys": 0, "unbinned": "none"},
        "joint": {"n_bins": 0},
        "samples": {
            "nominal": {"in_memory": True, "events": N},
            "m": {side: {"in_memory": True} for side, _ in sides},
            "j": moved,
        },
    }


@double_precision
def audited(
    line: Line, rng: np.random.Generator, *, whole: bool = False
) -> tuple[dict[str, Any], Built]:
    """What an audit of new samples says of the mass, and its fit.

    Args:
        line: Kind of the audit.
        rng: Draws the samples.
        whole: Whether `pullfactory.audit` is called, and not the steps of it that are needed, which
            take a tenth of the time.
    """
    masses = {"nominal": 0.0, "m.up": 1.0, "m.down": -1.0}
    tables = {
        role: dict(zip("ab", draw(rng, line.events, line.rho, mass).T, strict=True))
        for role, mass in masses.items()
    }
    for role, scale in {"j.up": 1.0, "j.down": -1.0}.items() if line.apart else ():
        own = draw(rng, line.apart, line.rho, scale=scale)
        tables[role] = dict(zip("ab", own.T, strict=True))
    if whole:
        result = audit(config_of(line), tables)
        (row,) = (row for row in result.rows if row.parameter == "m")
        return row.to_dict(), Built.of(result.workspace, [axis.edges for axis in result.axes])
    config = AuditConfig.from_dict(config_of(line))
    read = read_events(config, tables)
    expected = Expected.of(config, read)
    smoothing = Smoothing.of(expected)
    spec = build_audit_workspace(expected, smoothing=smoothing)
    model = ErrorModel.of(AuditModel.of(expected, spec, smoothing))
    return predict_whole(model).told("m"), Built.of(spec, [axis.edges for axis in read.axes])


# --- lines ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What many audits of one line said, in parts of them; pulls are of told beside true numbers.

    Attributes:
        name: Of the line.
        design: What the prototype found.
        audits: How many.
        answers: Parts of each answer.
        matters: Parts of each answer on the correlation.
        false_yes: Part that said yes where the factor is off by more than 5 %, or the slope by more
            than 0.15.
        false_no: Part that said no where the factor is right within 5 %.
        pulls: Mean and spread for factor, slope and infinite simulation, where numbers are quoted
            in more than half of the audits.
        factor: Median factor that was told, and the true one.
        infinite: The same of infinite simulation.
        coverage: Of what is recommended, in new data with masses within two errors and scales from
            the constraint; None where nothing is.
        seconds: Of processor time for an audit, its truth and its toys.
    """

    name: str
    design: str
    audits: int
    answers: dict[str, float]
    matters: dict[str, float]
    false_yes: float
    false_no: float
    pulls: dict[str, tuple[float, float]]
    factor: tuple[float | None, float]
    infinite: tuple[float | None, float]
    coverage: float | None
    seconds: float


def run_line(line: Line, audits: int, seed: int, *, toys: int = 40) -> Figures:
    """Audits of one kind.

    Args:
        line: Which.
        audits: How many.
        seed: Of all that is drawn.
        toys: Pseudo-data sets fitted with each.
    """
    rng, start = np.random.default_rng(seed), process_time()
    rows, truths, hits = [], [], list[bool]()
    for _ in range(audits):
        row, built = audited(line, rng)
        truth = truth_of(line, built)
        rows.append(row)
        truths.append(truth)
        if row["answer"] != "cannot":
            hits += _covered(line, row, built, truth, rng, toys)
    spent = process_time() - start
    wrong = [abs(t.factor - 1) > 0.05 for t in truths]
    right = [not w and 2 * abs(1 - t.slope) <= 0.3 for w, t in zip(wrong, truths, strict=True)]
    said = [row["answer"] for row in rows]
    return Figures(
        name=line.name,
        design=line.design,
        audits=audits,
        answers=_parts(said, ANSWERS),
        matters=_parts([row["correlation"] for row in rows], MATTERS),
        false_yes=float(np.mean([a == "yes" and not r for a, r in zip(said, right, strict=True)])),
        false_no=float(np.mean([a == "no" and not w for a, w in zip(said, wrong, strict=True)])),
        pulls=dict(_pulls(rows, truths)),
        factor=(_median(rows, "factor"), float(np.median([t.factor for t in truths]))),
        infinite=(_median(rows, "factor_infinite"), truths[0].infinite),
        coverage=float(np.mean(hits)) if hits else None,
        seconds=spent / audits,
    )


def _parts(said: Sequence[str], known: Sequence[str]) -> dict[str, float]:
    counted = Counter(said)
    return {one: counted[one] / len(said) for one in known}


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
    line: Line,
    row: dict[str, Any],
    built: Built,
    truth: Truth,
    rng: np.random.Generator,
    toys: int,
) -> list[bool]:
    """Whether what is recommended covers the mass of each of some new data sets."""
    masses = 2 * truth.resolution * rng.uniform(-1, 1, toys)
    scales = rng.standard_normal(toys)
    aux = np.zeros(toys) if line.held else scales + rng.standard_normal(toys)
    counts = []
    for mass, scale in zip(masses, scales, strict=True):
        events = draw(rng, N, line.rho, mass, scale)
        counts.append(
            np.concatenate(
                [
                    np.bincount(np.searchsorted(e, x, side="right"), minlength=len(e) + 1)
                    for e, x in zip(built.edges, events.T, strict=True)
                ]
            )
        )
    estimate, error = built.fit(np.array(counts, dtype=np.float64), aux), row["whole_error"]
    if row["answer"] == "calibrate":
        estimate, error = estimate / row["slope"], row["calibrated_error"]
    return [bool(each) for each in np.abs(estimate - masses) < error]


def told(found: Figures) -> str:
    """One line of text."""
    said = ", ".join(f"{k} {100 * v:.0f}" for k, v in found.answers.items() if v)
    matters = ", ".join(f"{k} {100 * v:.0f}" for k, v in found.matters.items() if v)
    pulls = "; ".join(f"{key} {m:+.2f} / {s:.2f}" for key, (m, s) in found.pulls.items())
    factor, infinite = (
        f"{'-' if median is None else f'{median:.3f}'} (true {true:.3f})"
        for median, true in (found.factor, found.infinite)
    )
    coverage = "-" if found.coverage is None else f"{found.coverage:.3f}"
    return (
        f"{found.name}: {said}, {factor} | {matters}, {infinite} | "
        f"false yes {100 * found.false_yes:.1f}, no {100 * found.false_no:.1f} | "
        f"pulls {pulls} | coverage {coverage} | {found.seconds:.2f} s | design: {found.design}"
    )


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--audits", default=100, show_default=True, help="Of each line.")
@click.option("--only", metavar="LIST", help="Numbers of the lines, from 0.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("results/benchmarks/verdicts.json"),
    show_default=True,
)
def main(audits: int, only: str | None, output: Path) -> None:
    """Answers of audits of known truth, and how right they are."""
    chosen = range(len(LINES)) if only is None else map(int, only.split(","))
    found = []
    for number in chosen:
        found.append(run_line(LINES[number], audits, seed=16_000 + number))
        click.echo(told(found[-1]))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
