"""How the observables of one event come to depend on each other.

All models start from the same independent standard normals, one per event and observable, and
a correlation matrix R = L L^T:

- `linear` turns each normal into a standardised draw of its family and mixes the draws with L;
  for two observables this is the poster's m~_W = rho m^_t + sqrt(1 - rho^2) m^'_W. It keeps the
  marginals only if all families are Gaussian.
- `gaussian_copula` mixes the normals with L and turns the mixtures into draws of the families;
  every marginal is exact. R is the correlation of the normals; Spearman's rank correlation of
  the observables is (6 / pi) asin(R / 2) (Kruskal 1958, doi:10.1080/01621459.1958.10501481).
- `t_copula` divides the mixtures of an event by the root of one chi-square over its degrees of
  freedom (Demarta, McNeil 2005, doi:10.1111/j.1751-5823.2005.tb00254.x): large values come
  together, and the observables depend on each other even where R is the unit matrix.
- `class_mixture` gives each event a hidden class: normals of events with a wrong assignment are
  wider by a factor and shifted, the same for every observable, or opposite for negative R.
  Within a class the observables are independent; R is what the shift makes Pearson's
  correlation of these mixtures. Each mixture is mapped to a normal by its own distribution, so
  that only the dependence is left, and then to its family.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import log_ndtr, ndtri_exp, stdtr

from pullfactory.densities import Family
from pullfactory.settings.sections import Ensemble

Mixer = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Takes a Cholesky factor, returns standardised events, shape (observables, ..., events)."""

_REACH = 1e8  # scores of larger values are those of this one
_KNOTS = 4001


def mixer(
    normals: NDArray[np.float64],
    families: Sequence[Family],
    ensemble: Ensemble,
    hidden: np.random.Generator,
) -> Mixer:
    """Prepare the events of one block for every correlation of a scan.

    What does not depend on the correlation is done once, here.

    Args:
        normals: Independent standard normals, shape (observables, ...).
        families: One density family per observable.
        ensemble: Says how the observables depend on each other.
        hidden: Draws what is common to the observables of an event.

    Returns:
        A function from a Cholesky factor, shape (observables, observables), to standardised
        events u = (x - mu) / sigma of the same shape as `normals`.
    """
    if ensemble.dependence == "linear":
        return _linear(normals, families)
    if ensemble.dependence == "gaussian_copula":
        return _copula(families, lambda cholesky: _mix(cholesky, normals))
    if ensemble.dependence == "t_copula":
        return _copula(families, _student(normals, ensemble.t_dof, hidden))
    return _copula(families, _classes(normals, ensemble, hidden))


def _linear(normals: NDArray[np.float64], families: Sequence[Family]) -> Mixer:
    hats = np.empty_like(normals)
    for hat, row, member in zip(hats, normals, families, strict=True):
        hat[...] = (member.from_normal(row) - member.mean) / member.std

    def mix(cholesky: NDArray[np.float64]) -> NDArray[np.float64]:
        events = _mix(cholesky, hats)
        for row, member in zip(events, families, strict=True):
            if (member.mean, member.std) != (0.0, 1.0):
                row *= member.std
                row += member.mean
        return events

    return mix


def _copula(families: Sequence[Family], scores: Mixer) -> Mixer:
    """Draws of the families from normal scores that depend on each other."""

    def mix(cholesky: NDArray[np.float64]) -> NDArray[np.float64]:
        events = scores(cholesky)
        for row, member in zip(events, families, strict=True):
            row[...] = member.from_normal(row)
        return events

    return mix


def _student(normals: NDArray[np.float64], dof: float, hidden: np.random.Generator) -> Mixer:
    """Normal scores of a multivariate t distribution."""
    widening = np.sqrt(dof / hidden.chisquare(dof, normals.shape[1:]))
    score = _t_score(dof)

    def mix(cholesky: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(score(_mix(cholesky, normals) * widening))

    return mix


def _classes(
    normals: NDArray[np.float64], ensemble: Ensemble, hidden: np.random.Generator
) -> Mixer:
    """Normal scores of a mixture of two classes of events."""
    fraction, width = ensemble.wrong_fraction, ensemble.wrong_width
    wrong = hidden.random(normals.shape[1:]) < fraction
    widened = normals * np.where(wrong, width, 1.0)

    def mix(cholesky: NDArray[np.float64]) -> NDArray[np.float64]:
        rho = (cholesky @ cholesky.T)[0, 1] if len(cholesky) > 1 else 0.0
        within = 1 - fraction + fraction * width**2
        shift = np.sqrt(abs(rho) * within / (fraction * (1 - fraction) * (1 - abs(rho))))
        signs = np.where(np.arange(len(normals)) > 0, np.sign(rho), 1.0)
        score = _mixture_score(fraction, width, float(shift))
        rows = [
            (sign or 1.0) * score((sign or 1.0) * row + shift * wrong)
            for sign, row in zip(signs, widened, strict=True)
        ]
        return np.array(rows)

    return mix


@lru_cache(maxsize=8)
def _t_score(dof: float) -> Mixer:
    """From values of a t distribution to normal scores."""
    return _score(lambda x: np.log(stdtr(dof, x)), lambda x: np.log(stdtr(dof, -x)))


@lru_cache(maxsize=64)
def _mixture_score(fraction: float, width: float, shift: float) -> Mixer:
    """From values of a mixture of N(0, 1) and N(shift, width^2) to normal scores."""

    def log_probability(sign: float) -> Mixer:
        def found(x: NDArray[np.float64]) -> NDArray[np.float64]:
            right = np.log1p(-fraction) + log_ndtr(sign * x)
            wrong = np.log(fraction) + log_ndtr(sign * (x - shift) / width)
            return np.asarray(np.logaddexp(right, wrong))

        return found

    return _score(log_probability(1.0), log_probability(-1.0))


def _score(log_below: Mixer, log_above: Mixer) -> Mixer:
    """Normal scores of a distribution, interpolated in asinh(x) by a cubic spline.

    Args:
        log_below: Log of its cumulative distribution.
        log_above: Log of the rest.
    """
    t = np.linspace(-np.arcsinh(_REACH), np.arcsinh(_REACH), _KNOTS)
    x = np.sinh(t)
    below, above = log_below(x), log_above(x)
    scores = np.where(
        below < above, ndtri_exp(np.minimum(below, 0.0)), -ndtri_exp(np.minimum(above, 0.0))
    )
    usable = np.isfinite(scores)
    spline = CubicSpline(t[usable], scores[usable])
    low, high = t[usable][[0, -1]]

    def score(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(spline(np.clip(np.arcsinh(values), low, high)))

    return score


def _mix(cholesky: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The product L rows over the observable axis, term by term: no temporaries of that size."""
    mixed = np.empty_like(rows)
    scratch = np.empty_like(rows[0])
    for i, out in enumerate(mixed):
        np.multiply(rows[i], cholesky[i, i], out=out)
        for j in range(i):
            if cholesky[i, j] != 0.0:
                np.multiply(rows[j], cholesky[i, j], out=scratch)
                out += scratch
    return mixed
