"""The unbinned fit of an audit as a linear one, with locations and scales in the place of bins.

Write psi for the derivatives of the log densities of an event with respect to the location and
scale of each observable, D for how these move with the parameters, and w for weights that add up
to the events of the data. The score of an event is D^T psi, and with

    W = - sum w dpsi,    Omega = sum w psi psi^T

(psi of all observables of an event together) the information is D^T W D, and the covariance of the
score D^T Omega D: those of `LinearFit` with the slopes of log rates D, rates W, which are blocks
now, and counts of covariance Omega. In units in which W is 1 its formulas hold as they are.

D is half the difference of locations and scales one step up and down, and its noise the sum of
what groups of these events contribute. The simulated nominal events solve sum w psi = 0 whatever
the shape of the density: the mean score of other events is off by the mean of psi over the
simulated ones, to first order, so that T follows from their scores as for templates. Noise of the
shape is of second order. A shape that is not right only costs information, of which W and Omega
tell: estimates stay consistent, as all locations and scales are learnt with the same shape.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.densities import UnbinnedModel, place_scores
from pullfactory.auditing.expected import ExpectedSample
from pullfactory.auditing.influence import centred, normalised
from pullfactory.auditing.linear_fit import LinearFit
from pullfactory.auditing.model import AuditModel
from pullfactory.auditing.tally import GROUPS
from pullfactory.auditing.units import UnitFamily
from pullfactory.densities import Family
from pullfactory.errors import CalibrationError
from pullfactory.events import first_rows
from pullfactory.fitting.information import inverted


def linear_unbinned(
    audit: AuditModel, model: UnbinnedModel, places: "ScorePlaces | None" = None
) -> LinearFit:
    """The unbinned fit around the nominal point.

    Args:
        audit: Gives the samples.
        model: Densities of the observables.
        places: What is known of locations and scales; None: it is measured here.

    Raises:
        CalibrationError: If locations and scales are not determined by the nominal events, or do
            not tell the parameters apart.
    """
    expected = audit.expected
    parameters = expected.config.parameter
    places = places or ScorePlaces.of(audit, model)
    slopes = _half_differences(model.places, model.steps)
    root = places.root
    free = np.array([p.free for p in parameters])
    held = free | np.array([p.auxiliary == "held" for p in parameters])
    penalty = expected.config.constraint_information / np.outer(model.steps, model.steps)
    information = slopes.T @ places.information @ slopes + penalty
    values = sum(sample.read.rows.values.size for sample in expected.nominal)
    if not np.isfinite(inverted(information, terms=values, size=expected.n_events)).all():
        raise CalibrationError(
            "locations and scales of the observables do not tell the parameters apart; fix one of "
            "them, or add an observable"
        )
    inverse = np.linalg.inv(root)
    return LinearFit(
        slopes=root.T @ slopes,
        rates=np.ones(len(slopes)),
        scatter=slopes.T @ places.scatter @ slopes,
        counts=inverse @ places.scatter @ inverse.T,
        penalty=penalty,
        auxiliary=np.where(held | held[:, None], 0.0, penalty),
        template=slopes.T @ places.template @ slopes,
        free=free,
        held=held,
        local=np.zeros(len(free), dtype=bool),
        units=tuple(places.units(name, model, slopes) for name in model.moved),
        events=float(len(expected.nominal[0].read.rows)),
    )


def _half_differences(
    places: NDArray[np.float64], steps: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Slopes from what is at the nominal point, and up and down in each parameter.

    Args:
        places: Shape (..., observables, points, 2).
        steps: Units of the parameters.

    Returns:
        Shape (..., 2 observables, parameters).
    """
    half = (places[..., 1::2, :] - places[..., 2::2, :]) / (2.0 * steps[:, None])
    half = half.swapaxes(-1, -2)
    return np.asarray(half.reshape(*half.shape[:-3], -1, len(steps)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScorePlaces:
    """Locations and scales of all observables at the nominal point, and what is known of them.

    Attributes:
        information: W, shape (2 observables, 2 observables).
        scatter: Omega, same shape.
        template: Covariance of the sum of scores of the data over new nominal samples, same shape.
        groups: What groups of events add to W and Omega, by family, each of shape (2, groups,
            2 observables, 2 observables).
        slopes: Derivatives of W and Omega with respect to the locations and scales, shape
            (2 observables, 2, 2 observables, 2 observables).
    """

    information: NDArray[np.float64]
    scatter: NDArray[np.float64]
    template: NDArray[np.float64]
    groups: dict[str, NDArray[np.float64]]
    slopes: NDArray[np.float64]

    @classmethod
    def of(cls, audit: AuditModel, model: UnbinnedModel) -> "ScorePlaces":
        """From the nominal events.

        Args:
            audit: The samples.
            model: Densities.
        """
        places = model.places[:, 0] - np.stack([model.offsets, 0.0 * model.offsets], axis=1)
        members = model.families
        n = 2 * len(places)
        step = np.sqrt(sum(np.sum(m[:, :, 0] ** 2, axis=0) for m in model.moved.values()))
        total, template = np.zeros((2, n, n)), np.zeros((n, n))
        slopes, groups = np.zeros((n, 2, n, n)), dict[str, NDArray[np.float64]]()
        for sample in audit.expected.nominal:
            own = _Sample.of(audit, sample, members, places)
            role = sample.read.sample.role
            part = normalised(audit.expected, role)[:, None, None]
            added = own.groups
            whole = added.sum(axis=1)
            total += whole
            template += own.template(known=sample.normalised is not None)
            slopes += own.slopes(members, places, step)
            family = sample.read.sample.family
            more = added - part * whole[:, None]
            groups[family] = groups.get(family, 0.0) + more
        return cls(
            information=total[0],
            scatter=total[1],
            template=template,
            groups=groups,
            slopes=slopes,
        )

    @property
    def root(self) -> NDArray[np.float64]:
        """R, with W = R R^T.

        Raises:
            CalibrationError: If W is not positive definite.
        """
        try:
            return np.asarray(np.linalg.cholesky(self.information))
        except np.linalg.LinAlgError:
            raise CalibrationError(
                "the nominal events do not determine location and scale of their density; declare "
                'another one, or set toys.unbinned = "none"'
            ) from None

    def units(self, family: str, model: UnbinnedModel, slopes: NDArray[np.float64]) -> UnitFamily:
        """What groups of one family of samples contribute.

        Args:
            family: Its name.
            model: Tells how they move locations and scales.
            slopes: D, shape (2 observables, parameters).
        """
        moved = centred(model.moved[family])
        root = self.root
        own = _half_differences(moved, model.steps)
        columns = np.flatnonzero(own.any(axis=(0, 1)))
        if family not in self.groups:
            log_slopes = root.T @ own[:, :, columns]
            return UnitFamily(
                columns=columns,
                slopes=log_slopes,
                log_slopes=log_slopes,
                information=None,
                scores=None,
            )
        information, scores = (centred(each) for each in self.groups[family])
        log_slopes = root.T @ own
        nominal = moved[:, :, 0].reshape(GROUPS, -1)
        learnt = np.einsum("uc,cmab->muab", nominal, self.slopes)
        return UnitFamily(
            columns=np.arange(slopes.shape[1]),
            slopes=log_slopes + np.linalg.solve(root, information @ slopes),
            log_slopes=log_slopes,
            information=slopes.T @ information @ slopes,
            scores=slopes.T @ scores @ slopes,
            learnt=(slopes.T @ learnt[0] @ slopes, slopes.T @ learnt[1] @ slopes),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sample:
    """Scores of the events of a nominal sample.

    Attributes:
        values: Of the events, shape (events, observables).
        scores: psi, shape (observables, 2, events).
        bends: Minus its derivatives, shape (observables, 2, 2, events).
        weights: Expected events in the data for each one, shape (events,).
        keys: The same for rows of one event, shape (events,).
        clustered: Whether these add their scores up.
    """

    values: NDArray[np.float64]
    scores: NDArray[np.float64]
    bends: NDArray[np.float64]
    weights: NDArray[np.float64]
    keys: NDArray[np.uint64]
    clustered: bool

    @classmethod
    def of(
        cls,
        audit: AuditModel,
        sample: ExpectedSample,
        members: tuple[Family, ...],
        places: NDArray[np.float64],
    ) -> "_Sample":
        rows = sample.read.rows
        found = [
            place_scores(member, rows.values[:, o], place)
            for o, (member, place) in enumerate(zip(members, places, strict=True))
        ]
        return cls(
            values=rows.values,
            scores=np.stack([scores for scores, _ in found]),
            bends=np.stack([bends for _, bends in found]),
            weights=sample.yields * rows.weights / rows.weights.sum(),
            keys=rows.keys,
            clustered=audit.expected.config.repeated == "cluster",
        )

    @property
    def groups(self) -> NDArray[np.float64]:
        """What groups of events add to W and Omega, shape (2, groups, places, places)."""
        n = 2 * len(self.scores)
        found = np.zeros((2, GROUPS, n, n))
        for o, bends in enumerate(self.bends):
            for a, b in np.ndindex(2, 2):
                found[0, :, 2 * o + a, 2 * o + b] = self._dealt(self.weights * bends[a, b])
        scores = self._summed(self.scores, np.sqrt(self.weights))
        for a in range(n):
            for b in range(a + 1):
                each = self._dealt(scores[a] * scores[b])
                found[1, :, a, b] = found[1, :, b, a] = each
        return found

    def template(self, *, known: bool) -> NDArray[np.float64]:
        """Covariance of the sum of scores over new samples of so many events.

        Args:
            known: Whether the sum of weights does not scatter.
        """
        scores = self.scores.reshape(-1, len(self.weights))
        if known:
            scores = scores - (scores @ self.weights / self.weights.sum())[:, None]
        weighed = self._summed(scores, self.weights)
        return np.asarray(weighed @ weighed.T)

    def slopes(
        self,
        members: tuple[Family, ...],
        places: NDArray[np.float64],
        steps: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Derivatives of W and Omega, shape (places, 2, places, places).

        Those of W are differences over so many steps on either side.
        """
        n = 2 * len(places)
        found = np.zeros((n, 2, n, n))
        root = np.sqrt(self.weights)
        bends = self._summed(self.bends, root).reshape(len(places), 2, 2, -1)
        mixed = bends @ self._summed(self.scores, root).T
        for o, a in np.ndindex(len(places), 2):
            c, own = 2 * o + a, slice(2 * o, 2 * o + 2)
            step = np.zeros(2)
            step[a] = steps[o, a]
            up, down = (
                place_scores(members[o], self.values[:, o], places[o] + side)[1] @ self.weights
                for side in (step, -step)
            )
            found[c, 0, own, own] = (up - down) / (2.0 * steps[o, a])
            found[c, 1, own] -= mixed[o, a]
            found[c, 1, :, own] -= mixed[o, a].T
        return found

    def _dealt(self, terms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over the events of each group."""
        groups = (self.keys % np.uint64(GROUPS)).astype(np.intp)
        return np.bincount(groups, terms, GROUPS).astype(np.float64)

    def _summed(
        self, terms: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Weighted terms of the rows, of each event at its first row if they add up.

        Args:
            terms: Shape (..., rows).
            weights: Shape (rows,).

        Returns:
            Shape (terms, rows).
        """
        flat = terms.reshape(-1, len(weights)) * weights
        if not self.clustered:
            return np.asarray(flat)
        first = first_rows(self.keys)
        return np.stack([np.bincount(first, each, len(first)) for each in flat])
