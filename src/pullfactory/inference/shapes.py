"""Whether pulls are unit normal as a whole distribution: its ECDF in a simultaneous band.

A pull x becomes u = Phi(x), which is uniform if pulls are unit normal. Toys are counted in bins of
u of equal width, so sums of toys add, and the ECDF is known at their edges t. There the number of
toys below t is binomial. A band of equal probability at each t holds all of them at once with 95 %
if the probability at each is lowered until it does (Saeilynoja, Buerkner, Vehtari 2022,
doi:10.1007/s11222-022-10090-6, section 2). For many toys the ECDF is a Brownian bridge, whose
standardised values at the edges are a Markov chain of normal numbers, and the probability of its
largest value needs no simulation: `_EXCEEDED` is that of 99 edges, for any number of toys. For few
toys binomial intervals have at least their probability, and the band is on the safe side.

Opposite biases cancel in all toys together, so pulls are looked at in thirds of them, too. A third
must be chosen by what is independent of e = estimate - truth if the errors are right. With H the
information of the data, P that of the constraints, U = (H + P)^-1 and s the score, e = U (s - P
theta): it is independent of the true value of a free parameter (P = 0), and not of that of a
constrained one, whose constraint draws the estimate to its centre. Of a constrained parameter whose
true values are drawn from its constraint cov(e, estimate_j) = (V - U)_j, V the covariance of e: its
*estimate* is independent of e if the claimed errors are right, which makes the calibration one
conditional on the data (arXiv:2502.03279).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import betainc, betaincc, ndtr, ndtri
from scipy.stats import binom

from pullfactory.described import Part
from pullfactory.fitting.slices import Slices
from pullfactory.inference.judgement import CHANCE, DISTANCE

SHAPE_EDGES: NDArray[np.float64] = np.linspace(0.0, 1.0, 101)
"""Bins of the transformed pulls."""
SLICES: tuple[Literal["low", "middle", "high"], ...] = ("low", "middle", "high")
_CROSSED = 6  # parameters up to which pulls are looked at in slices of every true value
_BAND = 0.05  # part of samples that leave the band
_FITTED = 1.2

# -log10 of the probability that a standardised bridge is further off than z at one of 99 edges,
# and z: integrated from edge to edge, checked in the tests.
_EXCEEDED: NDArray[np.float64] = np.array(
    [
        *(0.0, 0.0013, 0.0142, 0.0583, 0.1467, 0.2817, 0.4603, 0.6787, 0.9334, 1.2220, 1.5428),
        *(1.8944, 2.2761, 2.6873, 3.1274, 3.5963, 4.0935, 4.6191, 5.1727, 5.7542, 6.3637),
        *(7.0009, 7.6658, 8.3583, 9.0785, 9.8262, 10.6014, 11.4040, 12.2342, 13.0917),
    ]
)
_AT: NDArray[np.float64] = np.linspace(0.75, 8.0, len(_EXCEEDED))


@dataclass(frozen=True, slots=True, kw_only=True)
class PullShape:
    """The distribution of some pulls of one parameter beside the unit normal one.

    Attributes:
        parameter: Whose pulls they are.
        errors: "claimed" or "corrected": what the pulls are made with.
        sliced_by: Parameter that chooses the toys, of up to six every one, else the same; None for
            all toys.
        sliced_in: "truth" if by its true value, "estimate" if by its estimate; None for all toys.
        slice: "low", "middle" or "high" third of its prior; None for all toys.
        n: Pulls.
        distance: Largest distance of the ECDF of the transformed pulls from uniform.
        p_value: Probability that unit normal pulls are further off the band of equal
            probability at every edge; below 0.05 the ECDF leaves the band.
        ecdf: Part of the pulls whose transform is below 0.01, 0.02, ..., 0.99.
    """

    parameter: str
    errors: Literal["claimed", "corrected"]
    sliced_by: str | None
    sliced_in: Literal["truth", "estimate"] | None
    slice: Literal["low", "middle", "high"] | None
    n: Annotated[int, Field(ge=1)]
    distance: Part
    p_value: Part
    ecdf: Annotated[tuple[Part, ...], Field(min_length=99, max_length=99)]

    def off(self, looked_at: int = 1) -> bool:
        """Whether these pulls are no unit normal ones: by no chance, and by more than a little.

        Args:
            looked_at: How many such distributions one of them was chosen of (Bonferroni).
        """
        return self.p_value < CHANCE / looked_at and self.distance > DISTANCE

    def abnormal(self, mean: float, width: float) -> bool:
        """Whether these pulls are not normal, whatever their mean and width.

        The largest distance of the ECDF from that of the fitted normal distribution (Lilliefors
        1967, doi:10.1080/01621459.1967.10482916) exceeds 1.2 / sqrt(n) by chance in about 2 of
        1000 samples.

        Args:
            mean: Of the pulls.
            width: Their standard deviation.
        """
        fitted = ndtr((ndtri(SHAPE_EDGES[1:-1]) - mean) / width)
        distance = float(np.abs(np.array(self.ecdf) - fitted).max())
        return bool(distance > max(_FITTED / np.sqrt(self.n), DISTANCE / 2.0))

    @classmethod
    def of(
        cls,
        parameters: tuple[str, ...],
        counts: NDArray[np.int64],
        slices: "Slices | None" = None,
    ) -> tuple[Self, ...]:
        """Shapes of all parameters that have pulls, all toys first, then the slices.

        Args:
            parameters: Names.
            counts: From `transformed_counts`.
            slices: With which they were counted.
        """
        estimated = np.zeros(len(parameters), bool) if slices is None else slices.estimated
        ways: list[Literal["truth", "estimate"]] = [
            "estimate" if one else "truth" for one in estimated
        ]
        return tuple(
            cls(
                parameter=parameters[k],
                errors="corrected" if kind else "claimed",
                sliced_by=None if by is None else parameters[by],
                sliced_in=None if by is None else ways[by],
                slice=None if by is None else SLICES[third],
                **_judged(some),
            )
            for kind, by, third, k, some in _groups(counts)
            if some.any()
        )


def transformed_counts(
    pulls: NDArray[np.float64],
    use: NDArray[np.bool_],
    truth: NDArray[np.float64],
    estimate: NDArray[np.float64],
    slices: Slices | None,
) -> NDArray[np.int64]:
    """Toys in bins of the transformed pull, in slices; they add.

    Args:
        pulls: With claimed and with corrected errors, shape (2, toys, parameters).
        use: Which of them there are, same shape.
        truth: True parameters, shape (toys, parameters).
        estimate: Fitted ones, same shape.
        slices: Where to divide; None where true values are not drawn.

    Returns:
        Shape (2, slicers, thirds, parameters, bins). The slicers are all parameters where these
        are few, and else one: the parameter itself. Without slices both are 1.
    """
    _, toys, pars = pulls.shape
    bins = len(SHAPE_EDGES) - 1
    u = np.minimum((ndtr(pulls) * bins).astype(np.int64), bins - 1)
    if slices is None:
        third = np.zeros((1, toys, pars), dtype=np.int64)
        thirds = 1
    else:
        values = np.where(slices.estimated, estimate, truth)
        own = (values[:, :, None] > slices.edges).sum(axis=-1)
        thirds = len(SLICES)
        third = np.repeat(own.T[:, :, None], pars, axis=2) if pars <= _CROSSED else own[None]
    slicer, kind = np.arange(len(third))[:, None, None], np.arange(2)[:, None, None, None]
    place = ((kind * len(third) + slicer) * thirds + third) * pars + np.arange(pars)
    flat = (place * bins + u[:, None])[np.broadcast_to(use[:, None], place.shape)]
    shape = (2, len(third), thirds, pars, bins)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)


def ecdf_band(n: int, t: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of the simultaneous 95 % band of the ECDF of n uniform numbers.

    Args:
        n: How many.
        t: Where, from 0 to 1.

    Returns:
        Lower and upper end at each t, parts of 1.
    """
    tail = ndtr(-np.interp(-np.log10(_BAND), _EXCEEDED, _AT))
    return tuple(binom.ppf(part, n, t).clip(0, n) / n for part in (tail, 1.0 - tail))


def _groups(
    counts: NDArray[np.int64],
) -> Iterator[tuple[int, int | None, int, int, NDArray[np.int64]]]:
    """Kind of error, slicer, third, parameter and the counts of each distribution."""
    kinds, slicers, thirds, pars, _ = counts.shape
    for kind in range(kinds):
        for k in range(pars):
            yield kind, None, 0, k, counts[kind, 0, :, k].sum(axis=0)
            for by in range(slicers):
                parts = counts[kind, by, :, k]
                if np.count_nonzero(parts.any(axis=1)) > 1:
                    for third in range(thirds):
                        yield kind, by if slicers > 1 else k, third, k, parts[third]


def _judged(counts: NDArray[np.int64]) -> dict[str, Any]:
    """What a distribution says of itself, from its counts in bins."""
    n, t = int(counts.sum()), SHAPE_EDGES[1:-1]
    below = np.cumsum(counts)[:-1]
    p = 2.0 * np.minimum(_at_most(below, n, t), _at_least(below, n, t)).min()
    z = -ndtri(max(0.5 * p, 1e-300))
    return {
        "n": n,
        "distance": float(np.abs(below / n - t).max()),
        "p_value": float(10.0 ** -np.interp(z, _AT, _EXCEEDED)),
        "ecdf": tuple((below / n).tolist()),
    }


def _at_most(k: NDArray[np.int64], n: int, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of k or fewer of n."""
    return np.where(k < n, betaincc(k + 1.0, np.maximum(n - k, 1), t), 1.0)


def _at_least(k: NDArray[np.int64], n: int, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of k or more of n."""
    return np.where(k > 0, betainc(np.maximum(k, 1), n - k + 1.0, t), 1.0)
