"""Models whose likelihood does not change along some direction: refused before any toy.

Judged is the expected information J^T diag(1 / rate) J, J the slopes of the rates, of the
parameters that move and have no constraint; a constraint alone determines its parameter. A model
is identified where the rank is full, and almost everywhere the rank is the largest there is
(Rothenberg 1971, doi:10.2307/1913267). It may be flat at one point only, as k is in
b + mu (s + k t) at mu = 0; so one that is flat where it is looked at first is looked at on either
side too, a little away in all of these parameters, and is refused if it is flat in all three. The
constrained ones stay at the truth: what depends on where toys happen to have drawn them is no
measurement.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jit
from pullfactory.errors import LikelihoodError, StudyError
from pullfactory.fitting.information import joint_information
from pullfactory.fitting.resolution import Spectrum, flat_groups, spectrum
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.methods import Method
from pullfactory.settings.study import Study
from pullfactory.simulation.response import Response

_GOLDEN = 0.6180339887498949  # its multiples have no pattern that a model could share
_NAMED = 5


def refuse_flat(
    likelihood: BinnedLikelihood,
    theta: NDArray[np.float64],
    remedy: str = "for example with --fix {name}={value:g}",
) -> None:
    """Refuse a model that does not tell its parameters apart.

    Args:
        likelihood: The model, with what is held and free.
        theta: The truth, shape (parameters,), in the parameters' units.
        remedy: How one is held: a form with `name` and `value`.

    Raises:
        LikelihoodError: If a parameter that moves, or a combination of such, changes no rate.
    """
    groups = flat_parameters(likelihood, theta)
    if not groups:
        return
    names = groups[0]
    others = [name for name in names if name != likelihood.poi] or names
    held = remedy.format(name=others[0], value=theta[likelihood.names.index(others[0])])
    more = f" (and {len(groups) - 1} more such directions)" if len(groups) > 1 else ""
    if len(names) == 1:
        raise LikelihoodError(
            f"parameter {names[0]!r} moves no rate, and no data can tell its value{more}; "
            f"hold it, {held}"
        )
    raise LikelihoodError(
        f"the likelihood does not change along a combination of {listed(names)}, and no data can "
        f"tell them apart{more}; hold one of them, {held}"
    )


def refuse_flat_study(study: Study) -> None:
    """Refuse a study whose observables do not tell its parameters apart.

    Location and scale of every observable are what any of the methods learns from, so their
    slopes at the centre of the truth decide.

    Args:
        study: Its true response is looked at.

    Raises:
        StudyError: If they do not.
    """
    n_observables = len(study.observable)
    events = study.ensemble.n_events * joint_information(
        Response.from_study(study), study.truth_mean, np.eye(n_observables)
    )
    found = spectrum(
        events + study.constraint_information,
        terms=2 * n_observables,
        size=study.ensemble.n_events,
        theta=study.truth_mean,
    )
    for group in flat_groups(found):
        names = [study.parameter_names[k] for k in group]
        raise StudyError(
            f"study {study.name!r}: the observables do not tell apart a combination of "
            f"{listed(names)}; give one of them a constraint, or add an observable that moves "
            "otherwise"
        )


def refuse_flat_methods(name: str, centre: Mapping[str, float], methods: Iterable[Method]) -> None:
    """Refuse a study whose bins do not tell its parameters apart, though its observables do.

    Args:
        name: Of the study.
        centre: Of the true values, by parameter, where is looked.
        methods: Of the study; those without bins are not looked at.

    Raises:
        StudyError: If they do not.
    """
    for method in methods:
        likelihood = method.likelihood
        if not isinstance(likelihood, BinnedLikelihood):
            continue
        theta = np.array(
            [
                centre.get(parameter, first)
                for parameter, first in zip(likelihood.names, likelihood.init.tolist(), strict=True)
            ]
        )
        for names in flat_parameters(likelihood, theta):
            raise StudyError(
                f"study {name!r}: the bins of method {method.name!r} do not tell apart a "
                f"combination of {listed(names)}; use more bins, give one of them a constraint, or "
                "add an observable"
            )


def flat_parameters(
    likelihood: BinnedLikelihood, theta: NDArray[np.float64]
) -> tuple[tuple[str, ...], ...]:
    """Names of the parameters that the likelihood does not tell apart, in groups.

    Args:
        likelihood: The model, with what is held and free.
        theta: Where, shape (parameters,), in the parameters' units.
    """
    constrained = np.array(likelihood.aux_index, dtype=int)[likelihood.aux_used > 0]
    free = np.setdiff1d(np.flatnonzero(~likelihood.held), constrained)
    if not len(free):
        return ()
    found = _at(likelihood, theta, free)
    if not found.flat.any():
        return ()
    parts = 0.1 + 0.2 * np.mod(_GOLDEN * np.arange(1, len(theta) + 1), 1.0)
    step = np.zeros(len(theta))
    step[free] = (parts * np.maximum(1.0, np.abs(theta)))[free]
    for side in (theta + step, theta - step):
        if not _at(likelihood, np.clip(side, *likelihood.bounds.T), free).flat.any():
            return ()
    names = np.array(likelihood.names)[free]
    return tuple(tuple(str(names[k]) for k in group) for group in flat_groups(found))


def _at(
    likelihood: BinnedLikelihood, theta: NDArray[np.float64], free: NDArray[np.int_]
) -> Spectrum:
    """The expected information of the free parameters at one point."""
    slopes = np.zeros((likelihood.n_main, len(free)))
    size = np.zeros(likelihood.n_main)
    for column, k in enumerate(free):
        along = (np.arange(len(theta)) == k).astype(np.float64)
        rates, slope = _along(likelihood, theta, along)
        size, slopes[:, column] = np.abs(np.asarray(rates)), slope
    weighted = slopes / np.where(size > 0, size, 1.0)[:, None]
    return spectrum(slopes.T @ weighted, terms=len(size), size=size.sum(), theta=theta[free])


def listed(names: Sequence[str]) -> str:
    """Names for a sentence, the first few of many.

    Args:
        names: At least one.
    """
    shown = [repr(name) for name in names[:_NAMED]]
    if len(names) > _NAMED:
        return f"{', '.join(shown)} and {len(names) - _NAMED} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


@jit
def _along(
    likelihood: BinnedLikelihood, theta: jax.Array, tangent: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Rates, and their derivative along a direction: compiled once for all parameters."""
    rates, slope = jax.jvp(likelihood.expected, (theta,), (tangent,))
    return rates, slope
