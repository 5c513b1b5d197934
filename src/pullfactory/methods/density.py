"""Fits of single events with a density that is given, written in JAX."""

from collections.abc import Mapping
from functools import partial
from numbers import Integral, Real

import numpy as np

from pullfactory._jax import jnp
from pullfactory.calibration import Calibration
from pullfactory.calibration.held_out import held_out_events
from pullfactory.errors import LikelihoodError
from pullfactory.likelihoods.density import DensityLikelihood, LogDensity
from pullfactory.likelihoods.integral import integral
from pullfactory.methods.method import KnownDensity, Method, MethodKind
from pullfactory.methods.noise import ToldNoise, Untold
from pullfactory.numbers import plain, rounded
from pullfactory.random import Stream, generator

_COLOUR = "#009E73"
_MARKER = "P"
_TRIED = 2**14  # simulated events
_OFF = 0.05  # of an integral from 1, from which a density is not normalised
_DISCERNED = 5.0  # standard errors of the integral, at least
_MARKOV = 100.0  # which a mean of 1 of positive numbers is above by chance once in 100, at most


def density_method(
    log_prob: LogDensity | Mapping[float, LogDensity],
    *,
    name: str = "density",
    events: int | None = None,
    label: str = "",
    colour: str = _COLOUR,
    marker: str = _MARKER,
) -> MethodKind:
    """A method that fits single events with any joint density of their observables.

    Args:
        log_prob: From events, shape (events, observables), in the order and the units of the
            study, and parameters, shape (parameters,), in the order of the study, to the log
            density of each event, shape (events,). A function of JAX, normalised for all
            parameters. One for all correlations of the scan, or one for each by its rho.
        name: Of the method, in tables and files.
        events: Of each calibration sample that the density was learnt from; None if it was not
            learnt, or nobody knows.
        label: For people; empty: the name, with spaces.
        colour: In figures, as #RRGGBB.
        marker: Of its points, as in `MethodKind`.

    Returns:
        What `run`, `predict`, `closure` and the other verbs take among their `methods`.

    Raises:
        LikelihoodError: If the name, the colour or the marker is none, there is no density, a rho
            is no correlation, or it was learnt from fewer than one event. When it is used: if it
            is no function of JAX, no finite number where events are, or does not integrate to 1.
    """
    if not (events is None or _is_whole(events)):
        raise LikelihoodError(
            f"method {name!r}: events = {events!r} must be a whole number, at least 1; leave it "
            "out if nobody knows"
        )
    densities = log_prob
    if isinstance(log_prob, Mapping):
        densities = {_correlation(name, rho): one for rho, one in log_prob.items()}
    if densities == {} or not all(
        map(callable, densities.values() if isinstance(densities, Mapping) else [densities])
    ):
        raise LikelihoodError(
            f"method {name!r} has no density; give a function log_prob(x, theta), or one for each "
            "rho"
        )
    known = KnownDensity(events)
    return MethodKind(
        name=name,
        build=partial(_build, name, known, densities),
        noise=partial(_noise, known),
        density=True,
        label=label,
        colour=colour,
        marker=marker,
    )


def _is_whole(events: object) -> bool:
    return not isinstance(events, bool) and isinstance(events, Integral) and int(events) >= 1


def _correlation(name: str, rho: object) -> float:
    if not isinstance(rho, bool) and isinstance(rho, Real) and abs(float(rho)) <= 1.0:
        return float(rho)
    raise LikelihoodError(
        f"method {name!r}: {rho!r} is no correlation; give a density for each rho of the scan, "
        "by a number between -1 and 1"
    )


def density_at(
    name: str, densities: LogDensity | Mapping[float, LogDensity], rho: float
) -> LogDensity:
    """The density at one point of the scan.

    Args:
        name: Of the method.
        densities: One, or one for each rho.
        rho: The point.

    Raises:
        LikelihoodError: If there is none.
    """
    if not isinstance(densities, Mapping):
        return densities
    if rho not in densities:
        raise LikelihoodError(
            f"method {name!r} has no density at rho = {plain(rho)}, but at "
            f"{', '.join(map(plain, densities))}; add one, or leave it out of ensemble.rho"
        )
    return densities[rho]


def _build(
    name: str,
    known: KnownDensity,
    densities: LogDensity | Mapping[float, LogDensity],
    calibration: Calibration,
    rho: float,
) -> Method:
    study = calibration.study
    density = density_at(name, densities, rho)
    try:
        likelihood = DensityLikelihood.of(
            density,
            limits=study.bounds,
            names=study.parameter_names,
            constraint=study.constraint_information,
            observables=len(study.observable),
        )
    except LikelihoodError as error:
        raise LikelihoodError(f"method {name!r}: {error}") from error
    _refuse_no_number(name, likelihood, calibration, rho)
    _refuse_unnormalised(name, likelihood, calibration, rho)
    return Method(
        name=name,
        likelihood=likelihood,
        observe=likelihood.observe,
        scatter=likelihood.scatter,
        expect=lambda _: None,
        aux_scatter=study.aux_scatter,
        density=known,
    )


def _refuse_no_number(
    name: str, likelihood: DensityLikelihood, calibration: Calibration, rho: float
) -> None:
    """Refuse a density that is no number where events are: no data set with one can be fitted."""
    nominal = np.zeros(len(likelihood.parameters))
    (sample,) = held_out_events(calibration.study, rho, nominal[None], _TRIED)
    values = np.asarray(likelihood.density(jnp.asarray(sample.events), jnp.asarray(nominal)))
    if lost := int(np.sum(~np.isfinite(values))):
        first = int(np.argmin(np.isfinite(values)))
        where = ", ".join(map(plain, sample.events[first]))
        raise LikelihoodError(
            f"method {name!r}: log_prob(x, theta) is {plain(values[first])} at x = ({where}), "
            f"theta = 0, and no finite number for {lost} of {_TRIED} simulated events; data sets "
            "with such events cannot be fitted: let it be finite wherever there are events"
        )


def _refuse_unnormalised(
    name: str, likelihood: DensityLikelihood, calibration: Calibration, rho: float
) -> None:
    """Refuse a density whose integral is not 1: what it fits is no likelihood."""
    study = calibration.study
    points = np.array([0.0, 1.0, -1.0])[:, None] * np.ones(len(likelihood.parameters))
    for sample in held_out_events(study, rho, points, _TRIED):
        random = generator(study.seed, Stream.INTEGRAL)
        found = integral(likelihood.density, sample.theta, sample.events, random)
        off = abs(found.value - 1.0)
        if not off <= max(_OFF, min(_DISCERNED * found.error, _MARKOV)):
            where = "0" if not sample.theta.any() else f"({', '.join(map(plain, sample.theta))})"
            raise LikelihoodError(
                f"method {name!r}: exp(log_prob(x, theta)) integrates to "
                f"{rounded(found.value, found.error)} over all events at theta = {where}, and not "
                "to 1; normalise it for all parameters"
            )


def _noise(
    known: KnownDensity, _calibration: Calibration, _rho: float, _theta: object
) -> ToldNoise:
    if known.events is None:
        return Untold("the density is given, and nobody knows from how many events it was learnt")
    return Untold(
        f"the density is given, and nobody knows how what it has learnt from {known.events} events "
        "would differ with others"
    )
