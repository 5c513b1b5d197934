"""Fits of single events with a density that is given, written in JAX."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from pullfactory._jax import jnp
from pullfactory.calibration import Calibration
from pullfactory.errors import LikelihoodError
from pullfactory.likelihoods.density import DensityLikelihood, LogDensity
from pullfactory.methods.method import KnownDensity, Method, MethodKind
from pullfactory.methods.noise import ToldNoise, Untold
from pullfactory.numbers import plain

_COLOUR = "#009E73"
_MARKER = "P"


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
        LikelihoodError: If the name, the colour or the marker is none, there is no density, or it
            was learnt from fewer than one event.
    """
    if events is not None and events < 1:
        raise LikelihoodError(
            f"method {name!r}: events = {events} must be at least 1; leave it out if nobody knows"
        )
    densities = log_prob
    if isinstance(log_prob, Mapping):
        if not log_prob:
            raise LikelihoodError(
                f"method {name!r} has no density; give log_prob(x, theta), or one for each rho"
            )
        densities = {float(rho): one for rho, one in log_prob.items()}
    return MethodKind(
        name=name,
        build=partial(_build, name, KnownDensity(events), densities),
        noise=_noise,
        density=True,
        label=label,
        colour=colour,
        marker=marker,
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
    likelihood = DensityLikelihood.of(
        density_at(name, densities, rho),
        limits=study.bounds,
        names=study.parameter_names,
        constraint=study.constraint_information,
        observables=len(study.observable),
    )
    _refuse_no_number(name, likelihood, calibration)
    return Method(
        name=name,
        likelihood=likelihood,
        observe=likelihood.observe,
        scatter=likelihood.scatter,
        expect=lambda _: None,
        aux_scatter=study.aux_scatter,
        density=known,
    )


def _refuse_no_number(name: str, likelihood: DensityLikelihood, calibration: Calibration) -> None:
    """Refuse a density that is no number where events surely are: at the nominal locations."""
    nominal = np.zeros(len(likelihood.parameters))
    location = np.asarray(calibration.response(nominal)[0])
    value = float(likelihood.density(jnp.asarray(location)[None], jnp.asarray(nominal))[0])
    if not np.isfinite(value):
        where = ", ".join(map(plain, location))
        raise LikelihoodError(
            f"method {name!r}: log_prob(x, theta) is {plain(value)} at the nominal locations "
            f"x = ({where}), theta = 0; let it be finite wherever there are events"
        )


def _noise(_calibration: Calibration, _rho: float, _theta: object) -> ToldNoise:
    return Untold("the density is given, and nobody knows from how many events it was learnt")
