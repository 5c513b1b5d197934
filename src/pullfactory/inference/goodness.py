"""Goodness of fit: how far data are from a fitted model, beside toys thrown there.

The distance is twice the log of the likelihood ratio to the saturated model, whose rates are the
counts (Baker and Cousins, Nucl. Instrum. Meth. 221 (1984) 437, doi:10.1016/0167-5087(84)90016-4),
with the terms of the auxiliary values. Where channels share events it has no chi-square
distribution, so that only toys of whole events tell how large it may be.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pullfactory._jax import jax, jit
from pullfactory.described import Count, Part, Size, row_of
from pullfactory.fitting import FitBatch, FitStatus
from pullfactory.inference.judgement import BAD_FIT, FAR_FIT, HOPELESS_FIT
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.numbers import finite_or_none, significant

ALL, EVENTS = "all bins", "number of events"
"""What a statistic is of, beside the observables."""
ASSUMED = (
    "It assumes that the channels are independent of each other and their counts large enough; it "
    "is wrong where channels share events"
)
_BINS = 40  # of a histogram of toys
_CONSTANT = 1e-6  # a spread of toys below it is rounding
_ROUNDING, _PRECISION = 1e-8, 1e-12  # of a distance, and for each count: what is below is 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodnessRow:
    """One distance of the data from the fit, beside those of the toys.

    Attributes:
        of: "all bins", with the auxiliary values; "number of events"; else the
            observable whose shape alone it is of.
        statistic: Twice the log of the likelihood ratio to the saturated model.
        beyond: Toys that are as far away or farther.
        toys: Toys whose fit did not fail.
        p_value: (beyond + 1) / (toys + 1).
        mean: Of the toys.
        spread: Standard deviation of the toys.
        distance: Of the data from the mean of the toys, in spreads; of the number of events with
            the sign of observed less fitted.
        low: Where the first bin of the histogram of the toys begins.
        high: Where its last bin ends.
        histogram: Toys in its bins of equal width.
    """

    of: str
    statistic: Size
    beyond: Count
    toys: Count
    p_value: Part
    mean: Size
    spread: Size
    distance: float | None
    low: float
    high: float
    histogram: tuple[int, ...]

    @property
    def name(self) -> str:
        """What it is of, in words."""
        return row_name(self.of)

    @property
    def p_text(self) -> str:
        """Its p-value; where no toy is beyond, what it is below."""
        return p_text(self.beyond, self.toys)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChiSquare:
    """The distance of all bins beside the chi-square distribution.

    Attributes:
        statistic: As that of "all bins".
        dof: Bins less free parameters; a constrained one costs none, because its term is in it.
        p_value: Probability of more; None without degrees of freedom. It assumes independent
            channels and large counts.
    """

    statistic: Size
    dof: int
    p_value: Part | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodness:
    """Whether the model fits the data.

    Attributes:
        rows: All bins, the shape of each observable, and the number of events; none without toys.
        chi_square: Without toys; None where the fit of the data failed.
        toys: Toys thrown at the fitted point.
        failed: Toys whose fit failed, which are left out, by status.
        reason: Why there are no toys; None where there are.
        withheld: Why the audit has no answer; None where it has one.
        doubt: What qualifies its answer; None where nothing does.
    """

    rows: tuple[GoodnessRow, ...]
    chi_square: ChiSquare | None
    toys: Count
    failed: dict[str, int]
    reason: str | None
    withheld: str | None = None
    doubt: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in `audit.json`."""
        return {
            **asdict(self),
            "rows": [finite_or_none({**asdict(r), "histogram": [*r.histogram]}) for r in self.rows],
        }


def read_goodness(row: Mapping[str, Any] | None) -> Goodness | None:
    """What `to_dict` made plain data of.

    Args:
        row: Of a file; None without data.
    """
    if row is None:
        return None
    chi_square = row["chi_square"]
    rows = tuple(row_of(GoodnessRow, one) for one in row["rows"])
    return Goodness(**{**row, "rows": rows, "chi_square": chi_square and ChiSquare(**chi_square)})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distances:
    """Distances of some fits from their data.

    Attributes:
        values: Shape (toys, 1 + observables + 1): all, shapes, number of events.
        excess: Number of events, observed less fitted, as a signed root of its distance, shape
            (toys,).
        status: `FitStatus` values, shape (toys,).
    """

    values: NDArray[np.float64]
    excess: NDArray[np.float64]
    status: NDArray[np.int8]

    @classmethod
    def join(cls, parts: Sequence["Distances"], toys: int) -> "Distances":
        """Those of several blocks.

        Args:
            parts: In order.
            toys: How many are wanted.
        """
        return cls(
            values=np.concatenate([part.values for part in parts])[:toys],
            excess=np.concatenate([part.excess for part in parts])[:toys],
            status=np.concatenate([part.status for part in parts])[:toys],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """What data are compared with their fit in.

    Attributes:
        likelihood: Was fitted.
        names: Channels whose shapes are looked at.
        measured: Whether an auxiliary value is a measurement, which toys draw anew, shape
            (auxdata,).
        counted: Whether the number of events is looked at.
    """

    likelihood: BinnedLikelihood
    names: tuple[str, ...]
    measured: NDArray[np.bool_]
    counted: bool


def measure_distances(compared: Compared, data: NDArray[np.float64], fits: FitBatch) -> Distances:
    """How far data are from their fits.

    Args:
        compared: Its likelihood was fitted.
        data: Counts and auxiliary values, shape (toys, bins + auxdata).
        fits: Of all parameters of the likelihood.
    """
    likelihood = compared.likelihood
    rates = np.maximum(np.asarray(_rates(likelihood, fits.estimate)), np.finfo(float).tiny)
    counts, aux = np.split(data, [likelihood.n_main], axis=1)
    expected = fits.estimate[:, list(likelihood.aux_index)] * likelihood.aux_factor
    pulls = np.where(compared.measured, (aux - expected) / likelihood.aux_sigma, 0.0)
    counted = compared.measured & np.array(likelihood.aux_poisson, dtype=bool)
    squares = pulls**2
    squares[:, counted] = _deviance(aux[:, counted], expected[:, counted])
    away = np.sum(likelihood.aux_used * squares, axis=1)
    if likelihood.coupling is not None:
        away = away + np.einsum("ti,ij,tj->t", pulls, likelihood.coupling, pulls)
    places = [likelihood.channel_slice(name) for name in compared.names]
    observed, fitted = (
        np.stack([each[:, place].sum(axis=1) for place in places], axis=1)
        for each in (counts, rates)
    )
    total = _deviance(counts, rates).sum(axis=1)
    shapes = [
        _deviance(
            counts[:, place],
            rates[:, place] * np.divide(n, nu, out=np.zeros_like(n), where=nu > 0)[:, None],
        ).sum(axis=1)
        for place, n, nu in zip(places, observed.T, fitted.T, strict=True)
    ]
    most = int(np.argmax(fitted.sum(axis=0)))
    number = np.maximum(_deviance(observed[:, most], fitted[:, most]), 0.0)
    values = np.stack([total + away, *shapes, number], axis=1)
    rounding = _ROUNDING + _PRECISION * rates.sum(axis=1, keepdims=True)
    return Distances(
        values=np.where(np.abs(values) < rounding, 0.0, values),
        excess=np.sign(observed[:, most] - fitted[:, most]) * np.sqrt(number),
        status=fits.status,
    )


def judge_fit(
    compared: Compared,
    fit: FitBatch,
    data: Distances,
    toys: Distances | None,
    reason: str | None,
) -> Goodness:
    """Whether the model fits the data.

    Args:
        compared: Its likelihood was fitted.
        fit: Of the data, all parameters of the likelihood.
        data: Their distances from it.
        toys: Distances of toys thrown at the fitted point; None without.
        reason: Why there are none.
    """
    if not is_fitted(fit.status[0]):
        label = FitStatus(int(fit.status[0])).label
        reason = f"the fit of the data ended as {label}"
        return Goodness(rows=(), chi_square=None, toys=0, failed={}, reason=reason)
    thrown = 0 if toys is None else len(toys.status)
    rows = () if toys is None else tuple(_rows(compared, data, toys))
    failed = {} if toys is None else _failed(toys)
    chi_square = _chi_square(compared, float(data.values[0, 0]))
    return Goodness(
        rows=rows,
        chi_square=chi_square,
        toys=thrown,
        failed=failed,
        reason=reason if rows or reason else "the fits of all toys failed",
        withheld=_withheld(rows) if rows else _hopeless(chi_square),
        doubt=_doubt(rows) if rows else _doubt_without_toys(chi_square),
    )


def is_fitted(status: int | np.integer[Any]) -> bool:
    """Whether a fit is at a minimum, be it at a bound."""
    return bool(status <= FitStatus.AT_BOUND)


def row_name(of: str) -> str:
    """What a distance is of, in words.

    Args:
        of: As in a row.
    """
    return of if of in (ALL, EVENTS) else f"shape of {of}"


def p_text(beyond: int, toys: int) -> str:
    """A p-value from toys, in words.

    Args:
        beyond: Toys that are as far away as the data or farther.
        toys: All.
    """
    if beyond:
        return f"p = {(beyond + 1) / (toys + 1):.3g}"
    limit = 3.0 / toys  # with 95 % confidence
    digit = 10.0 ** math.floor(math.log10(limit))
    return f"p < {min(math.ceil(limit / digit - 1e-9) * digit, 1.0):.1g}"


# --- rows ------------------------------------------------------------------------------------


def _rows(compared: Compared, data: Distances, toys: Distances) -> Iterator[GoodnessRow]:
    good = toys.status <= FitStatus.AT_BOUND
    good &= np.isfinite(toys.values).all(axis=1)
    if not good.any():
        return
    for k, of in enumerate((ALL, *compared.names, EVENTS)):
        thrown, own = toys.values[good, k], float(data.values[0, k])
        spread = float(thrown.std())
        if of == EVENTS and (not compared.counted or spread < _CONSTANT):
            continue
        signed, mine = (
            (toys.excess[good], data.excess[0]) if of == EVENTS else (toys.values[good, k], own)
        )
        width = float(signed.std())
        low, high = float(thrown.min()), float(thrown.max())
        counts, _ = np.histogram(thrown, _BINS, (low, high if high > low else low + 1.0))
        yield GoodnessRow(
            of=of,
            statistic=own,
            beyond=int(np.sum(thrown >= own)),
            toys=int(good.sum()),
            p_value=float((np.sum(thrown >= own) + 1) / (good.sum() + 1)),
            mean=float(thrown.mean()),
            spread=spread,
            distance=float((mine - signed.mean()) / width) if width > 0 else None,
            low=low,
            high=high,
            histogram=tuple(counts.tolist()),
        )


def _failed(toys: Distances) -> dict[str, int]:
    bad = toys.status[toys.status > FitStatus.AT_BOUND]
    return {FitStatus(int(s)).label: int(np.sum(bad == s)) for s in np.unique(bad)}


def _chi_square(compared: Compared, statistic: float) -> ChiSquare:
    likelihood = compared.likelihood
    measured = {
        k
        for term, k in enumerate(likelihood.aux_index)
        if likelihood.aux_used[term] and compared.measured[term]
    }
    free = sum(k not in measured and not held for k, held in enumerate(likelihood.held))
    dof = likelihood.n_main - free
    p_value = float(special.chdtrc(dof, statistic)) if dof > 0 else None
    return ChiSquare(statistic=statistic, dof=dof, p_value=p_value)


def _withheld(rows: Sequence[GoodnessRow]) -> str | None:
    """Why there is no answer, without a full stop."""
    total = next((row for row in rows if row.of == ALL), None)
    none = [row for row in rows if _is_far(row)]
    if total is None or (total.p_value >= BAD_FIT and not none):
        return None
    if none and total.p_value >= BAD_FIT and 1.0 / (total.toys + 1) >= BAD_FIT:
        return (
            f"none of {total.toys} toys is as far from the fit as the data, which are too few toys "
            "to tell whether the model fits the data"
        )
    told = [row for row in none if row.of != ALL] or [total]
    worst = max(told, key=lambda row: abs(row.distance or 0.0))
    away = "" if worst.distance is None else f", {_away(worst)}"
    return f"the model does not fit the data ({beyond_text(worst)}{away})"


def is_bad(row: GoodnessRow) -> bool:
    """Whether it is told: few toys are as far away, or none, however few there are.

    Args:
        row: Of a distance.
    """
    return row.p_value < BAD_FIT or not row.beyond


def _is_far(row: GoodnessRow) -> bool:
    """Whether no toy is as far away; of several parts of the whole one may be by chance."""
    return not row.beyond and (row.of == ALL or abs(row.distance or 0.0) > FAR_FIT)


def _doubt(rows: Sequence[GoodnessRow]) -> str | None:
    """What qualifies the answer, without a full stop."""
    bad = [row for row in rows if is_bad(row)]
    if not bad:
        return None
    where = " and ".join(f"{where_text(row)} ({row.p_text})" for row in bad)
    return f"data and fit disagree {where}"


def _hopeless(chi_square: ChiSquare) -> str | None:
    """Why there is no answer though there are no toys, without a full stop."""
    p_value = chi_square.p_value
    if p_value is None or p_value >= HOPELESS_FIT:
        return None
    return f"the model does not fit the data (chi-square with p = {significant(p_value)})"


def _doubt_without_toys(chi_square: ChiSquare) -> str | None:
    """As `_doubt`, where there is only the chi-square."""
    p_value = chi_square.p_value
    if p_value is None or p_value >= BAD_FIT:
        return None
    return f"the chi-square of the fit has p = {significant(p_value)}, and there are no toys"


def beyond_text(row: GoodnessRow) -> str:
    """Its p-value, and how many toys make it.

    Args:
        row: Of a distance.
    """
    some = "none" if not row.beyond else f"{row.beyond}"
    return f"{row.p_text}: {some} of {row.toys} toys {'are' if row.beyond > 1 else 'is'} beyond"


def _away(row: GoodnessRow) -> str:
    return f"{abs(row.distance or 0.0):.2g} spreads of the toys away {where_text(row)}"


def where_text(row: GoodnessRow) -> str:
    """Where data and fit disagree, in words.

    Args:
        row: Of a distance.
    """
    return "in all bins together" if row.of == ALL else f"in the {row.name}"


def _deviance(counts: NDArray[np.float64], rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twice the log of the likelihood ratio of Poisson counts to their rates, element by element.

    Sums of weights may be negative, and have no logarithm.
    """
    seen = counts > 0
    ratio = np.where(seen, counts, 1.0) / np.where(seen, rates, 1.0)
    return np.asarray(2.0 * (rates - counts + counts * np.log(ratio)))


def _ratio(n: NDArray[np.float64], nu: NDArray[np.float64]) -> NDArray[np.float64]:
    """Observed over fitted number of events; 0 where none are fitted."""
    return np.divide(n, nu, out=np.zeros_like(n), where=nu > 0)


@jit
def _rates(likelihood: BinnedLikelihood, theta: jax.Array) -> jax.Array:
    return jax.vmap(likelihood.expected)(theta)
