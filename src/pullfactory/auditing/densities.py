"""The unbinned method of an audit: densities of the observables learnt from its samples.

Every observable is a location-scale family, declared or a smooth fit to the nominal events of all
processes together. Location and scale at the nominal point and one step up and down in each
parameter give the response. A density that misses the templates by more than can be seen in the
data is refused: with N expected events and bin probabilities p of the template and q of the
density the test statistic N sum (p - q)^2 / q is a squared distance in standard deviations of the
data, so its root bounds the bias of any parameter in units of its error (Cauchy-Schwarz).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jnp
from pullfactory.auditing.expected import Expected
from pullfactory.auditing.mixture import Mixture, mixtures
from pullfactory.auditing.model import AuditModel
from pullfactory.auditing.pool import refuse_negative
from pullfactory.auditing.reading import SampleCheck
from pullfactory.auditing.tally import GROUPS
from pullfactory.calibration.moments import fit_location_scale
from pullfactory.densities import Family, family
from pullfactory.densities.fitting import fit_spline
from pullfactory.errors import CalibrationError, EventsError
from pullfactory.inference.judgement import DENSITY_MISFIT, DISCERNED
from pullfactory.likelihoods import BinnedLikelihood, Observation, UnbinnedLikelihood
from pullfactory.likelihoods.density import DensityLikelihood
from pullfactory.likelihoods.unbinned import constraint_coupling
from pullfactory.methods import UNBINNED, Method
from pullfactory.settings.audit import AuditObservable
from pullfactory.simulation.response import Response
from pullfactory.simulation.toys import ToyBlock

_FAR_FROM_ZERO = 10.0  # scales; a location that is nearer to 0 has no relative slopes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnbinnedModel:
    """Densities of all observables.

    Attributes:
        method: Fits toys; its parameters are in calibration steps.
        steps: Unit of each parameter, shape (parameters,).
        misfit: For each observable the largest squared distance between its density and a
            template, in standard deviations of the data.
        families: Of the densities of the observables.
        places: Location and scale of each observable at the nominal point, and up and down in
            each parameter, shape (observables, points, 2).
        at: The method with other locations and scales, of the shape of `places`.
        offsets: What is added to each observable, so that no location is near 0, in `places` too.
        moved: How far one more copy of a group of events moves them, to first order, by the family
            of samples that have these events in common, each of shape (groups, observables,
            points, 2).
    """

    method: Method
    steps: NDArray[np.float64]
    misfit: dict[str, float]
    families: tuple[Family, ...]
    places: NDArray[np.float64]
    at: Callable[[NDArray[np.float64]], Method]
    offsets: NDArray[np.float64]
    moved: dict[str, NDArray[np.float64]]


class Marginals(NamedTuple):
    """Families of all observables, and where the samples put them.

    Attributes:
        families: Of the densities of the observables.
        places: As in `UnbinnedModel`, as what follows.
        offsets: See there.
        moved: See there.
        misfits: For each observable the squared distances from its templates, and their errors.
    """

    families: tuple[Family, ...]
    places: NDArray[np.float64]
    offsets: NDArray[np.float64]
    moved: dict[str, NDArray[np.float64]]
    misfits: tuple[tuple[tuple[float, float], ...], ...]


def learn_unbinned(model: AuditModel) -> UnbinnedModel:
    """Learn the densities of all observables.

    Args:
        model: Gives the samples, and the order of the auxiliary values of a block of toys.

    Raises:
        CalibrationError: If an observable has no density that describes its templates.
        EventsError: If weights are negative, or events lack an observable.
    """
    config = model.expected.config
    names = config.parameter_names
    found = learn_marginals(model.expected, config.toys.unbinned)
    misfit = {
        observable.name: _misfit(observable, distances)
        for observable, distances in zip(config.observable, found.misfits, strict=True)
    }
    steps = np.array([parameter.step for parameter in config.parameter])
    likelihood = UnbinnedLikelihood(
        response=place_response(found.places),
        limits=np.array([p.bounds for p in config.parameter]) / steps[:, None],
        names=names,
        families=found.families,
        constrained=tuple(k for k, parameter in enumerate(config.parameter) if not parameter.free),
        coupling=constraint_coupling(config),
    )

    def at_places(places: NDArray[np.float64]) -> Method:
        moved = replace(likelihood, response=place_response(places))
        return _method(moved, model.likelihood, found.offsets)

    return UnbinnedModel(
        method=at_places(found.places),
        steps=steps,
        misfit=misfit,
        families=found.families,
        places=found.places,
        at=at_places,
        offsets=found.offsets,
        moved=found.moved,
    )


def learn_marginals(expected: Expected, unbinned: str) -> Marginals:
    """Learn families, locations and scales of all observables, one by one.

    Args:
        expected: The samples.
        unbinned: "declared" for declared families only; else smooth ones where none is declared.

    Raises:
        CalibrationError: If an observable has no density.
        EventsError: If weights are negative, or events lack an observable.
    """
    config = expected.config
    checks = [sample.read.check for sample in expected.nominal]
    refuse_negative(checks)
    _refuse_partial(checks, config.observable_names)
    points = [mixture for _, mixture in mixtures(expected)]
    members, places, moved, offsets, misfits = [], [], [], [], []
    _refuse_images(points, config.parameter_names)
    for o, observable in enumerate(config.observable):
        member = _family(observable, points[0].observable(o), unbinned)
        found = _imaged([_place(point, o, member, observable.name) for point in points])
        edges = expected.events.axes[o].edges
        misfits.append(
            tuple(
                _distance(point, o, edges, member, place)
                for place, point in zip(found, points, strict=True)
            )
        )
        place = np.array(found)
        moved.append(_all_moved(points, o, member, place))
        offset = _offset(place[0])
        members.append(member)
        offsets.append(offset)
        places.append(place + np.array([offset, 0.0]))
    return Marginals(
        families=tuple(members),
        places=np.array(places),
        offsets=np.array(offsets),
        moved={
            name: np.stack([each[name] for each in moved], axis=1)
            for name in dict.fromkeys(name for each in moved for name in each)
        },
        misfits=tuple(misfits),
    )


def _place(point: Mixture, o: int, member: Family, name: str) -> NDArray[np.float64] | None:
    """Location and scale of one observable at a point; None at a mirror image."""
    if point.mirrored:
        return None
    try:
        return fit_location_scale(member, *point.observable(o))
    except CalibrationError as error:
        role = point.processes[0].sample.role
        raise CalibrationError(f"samples.{role}, observable {name!r}: {error}") from None


def _imaged(found: Sequence[NDArray[np.float64] | None]) -> list[NDArray[np.float64]]:
    """What was found at the nominal point and up and down in each parameter, images included.

    Locations and scales of mirror images are mirrored, as to first order the events are.
    """
    nominal, complete = found[0], []
    for i, own in enumerate(found):
        if own is None:
            other = found[i + 1 if i % 2 else i - 1]
            assert nominal is not None
            assert other is not None
            own = 2 * nominal - other
        complete.append(own)
    return complete


def _refuse_images(points: Sequence[Mixture], names: Sequence[str]) -> None:
    """Refuse a parameter that has mirror images of some processes up, and of others down."""
    for name, up, down in zip(names, points[1::2], points[2::2], strict=True):
        if up.mirrored and down.mirrored:
            raise CalibrationError(
                f"parameter {name!r}: of some processes up is the mirror image, of others down; "
                "give the same side of all"
            )


def _misfit(observable: AuditObservable, distances: Sequence[tuple[float, float]]) -> float:
    """The largest squared distance from a template, refused where it is too large for sure.

    Args:
        observable: With this density.
        distances: From the templates, with their errors.
    """
    misfit = max(distance for distance, _ in distances)
    if max(distance - DISCERNED * noise for distance, noise in distances) > DENSITY_MISFIT:
        raise CalibrationError(
            f"observable {observable.name!r}: a {_described(observable)} misses a template "
            f"by {np.sqrt(misfit):.2f} standard deviations of the data; more "
            f"than {np.sqrt(DENSITY_MISFIT):.2g} may bias an unbinned fit; declare another "
            'density, or set toys.unbinned = "none"'
        )
    return misfit


def place_response(places: Any) -> Response:
    """Relative slopes from half the differences of up and down.

    Args:
        places: As in `UnbinnedModel`; a numpy array, or one of JAX.
    """
    mu, sigma = places[..., 0], places[..., 1]
    return Response(
        mu=mu[:, 0],
        mu_slopes=(mu[:, 1::2] - mu[:, 2::2]) / (2 * mu[:, :1]),
        sigma=sigma[:, 0],
        sigma_slopes=(sigma[:, 1::2] - sigma[:, 2::2]) / (2 * sigma[:, :1]),
    )


def place_scores(
    member: Family, values: NDArray[np.float64], place: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Derivatives of the log density of events with respect to location and scale.

    Args:
        member: Density family.
        values: Of the observable, shape (events,).
        place: Location and scale.

    Returns:
        The first, shape (2, events), and minus the second, shape (2, 2, events).
    """
    mu, sigma = place
    z = (values - mu) / sigma
    _, first, second = (np.asarray(each) for each in member.derivatives(jnp.asarray(z)))
    mixed = first + z * second
    bends = [[second, mixed], [mixed, 1.0 + 2.0 * z * first + z**2 * second]]
    return -np.stack([first, 1.0 + z * first]) / sigma, -np.array(bends) / sigma**2


def _all_moved(
    points: Sequence[Mixture], o: int, member: Family, places: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """How one more copy of each group of events moves locations and scales at all points.

    Returns:
        By family, each of shape (groups, points, 2).
    """
    own = [
        None if point.mirrored else _moved(point, o, member, at)
        for at, point in zip(places, points, strict=True)
    ]
    nothing = np.zeros((GROUPS, 2))
    names = dict.fromkeys(name for each in own if each is not None for name in each)
    return {
        name: np.stack(
            _imaged([None if each is None else each.get(name, nothing) for each in own]), axis=1
        )
        for name in names
    }


def _moved(
    point: Mixture, o: int, member: Family, place: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """One Newton step of location and scale for one more copy of each group of events.

    Returns:
        By family, each of shape (groups, 2).
    """
    values, weights = point.observable(o)
    scores, bends = place_scores(member, values, place)
    information = bends @ weights
    found: dict[str, NDArray[np.float64]] = {}
    for name, added in point.by_family(tuple(scores * weights)):
        step = np.asarray(np.linalg.solve(information, added.T).T)
        found[name] = found[name] + step if name in found else step
    return found


def observing(
    likelihood: UnbinnedLikelihood | DensityLikelihood,
    binned: BinnedLikelihood,
    offsets: NDArray[np.float64],
) -> Callable[[ToyBlock], Observation]:
    """How a likelihood of single events takes blocks of toys of an audit.

    Args:
        likelihood: Of densities of the observables.
        binned: Gives the order of the auxiliary values of a block.
        offsets: What is added to each observable.
    """
    names = [likelihood.names[k] for k in likelihood.constrained]
    terms = [binned.aux_index.index(binned.positions(name)[0]) for name in names]

    def observe(block: ToyBlock) -> Observation:
        shifted = block.events + offsets if offsets.any() else block.events
        return likelihood.observe(replace(block, aux=block.aux[:, terms], events=shifted))

    return observe


def _method(
    likelihood: UnbinnedLikelihood, binned: BinnedLikelihood, offsets: NDArray[np.float64]
) -> Method:
    constrained = list(likelihood.constrained)
    information = np.zeros((len(likelihood.names),) * 2)
    information[constrained, constrained] = 1.0
    if likelihood.coupling is not None:
        information[np.ix_(constrained, constrained)] += likelihood.coupling
    return Method(
        name=UNBINNED.name,
        likelihood=likelihood,
        observe=observing(likelihood, binned, offsets),
        scatter=likelihood.scatter,
        expect=lambda _population: None,
        aux_scatter=information,
    )


def _refuse_partial(nominal: Iterable[SampleCheck], observables: Sequence[str]) -> None:
    for check in nominal:
        for name in observables:
            if missing := check.lacking[name] + check.outside[name]:
                raise EventsError(
                    f"samples.{check.role}: {missing} of {check.selected} events have no {name!r} "
                    "inside its edges, and the unbinned fit needs every observable of every event"
                )


def _family(
    observable: AuditObservable,
    nominal: tuple[NDArray[np.float64], NDArray[np.float64]],
    unbinned: str,
) -> Family:
    """The declared family, or a smooth fit to nominal values with their weights, if allowed."""
    if observable.density is not None:
        return family(observable.density, observable.shape)
    if unbinned == "declared":
        raise CalibrationError(
            f"observable {observable.name!r} has no declared density; declare it, or set "
            'toys.unbinned = "auto"'
        )
    try:
        return fit_spline(*nominal).member
    except CalibrationError as error:
        raise CalibrationError(f"observable {observable.name!r}: {error}") from None


def _described(observable: AuditObservable) -> str:
    return f"{observable.density} density" if observable.density else "smooth density"


def _distance(
    point: Mixture,
    o: int,
    edges: NDArray[np.float64],
    member: Family,
    place: NDArray[np.float64],
) -> tuple[float, float]:
    """Squared distance of density and template, less what the noise of the template gives.

    Returns:
        The distance, and its standard error if the template differs by its noise alone.
    """
    below = member.cdf((edges[1:-1] - place[0]) / place[1])
    density = np.diff(np.concatenate([[0.0], below, [1.0]]))
    template, variance = np.zeros(len(density)), np.zeros(len(density))
    for process in point.processes:
        template += process.template(o)
        variance += process.variance(o)
    rates = template.sum() * np.maximum(density, np.finfo(float).tiny)
    distance = float(np.sum(((template - rates) ** 2 - variance) / rates))
    return distance, float(np.sqrt(2.0 * np.sum(np.square(variance / rates))))


def _offset(place: NDArray[np.float64]) -> float:
    """What is added to an observable, so that its location is far from 0."""
    mu, sigma = place
    wanted = _FAR_FROM_ZERO * sigma
    return 0.0 if abs(mu) >= wanted else float(wanted - mu)
