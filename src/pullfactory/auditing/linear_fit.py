"""The whole error of a binned fit: correlation of the observables and noise of the templates.

Write r for the rates of the fit as it is built, J for their slopes, W = 1 / r, H = J^T W J for its
information, P for that of the constraints, U = (H + P)^-1 for what it claims, C for the covariance
of its score with events paired, and K for that of the auxiliary scores. Slopes from templates have
noise, which looks like information (instruments with errors; Fuller 1987, Measurement Error
Models): H and C are too large by sums over independent units of what these contribute to the
slopes of log rates, D_u,

    noise(H) = sum_u D_u^T r D_u,    noise(C) = sum_u D_u^T Cov(n) D_u.

The estimate moves by A = 1 - U noise(H) for each unit of truth, and scatters over new data, new
auxiliary measurements and truths of the nuisances, of covariance Sigma, by

    E = U (C + K) U + T + (A - 1) Sigma (A - 1)^T,

with the noise T of the nominal templates. The last term is how noise of one parameter's templates
leaks into the estimates of others; what A is off by chance belongs to it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from pullfactory.auditing.bends import bend_scores
from pullfactory.auditing.prediction import ErrorModel
from pullfactory.auditing.scatter import template_scatter
from pullfactory.auditing.tally import GROUPS
from pullfactory.auditing.units import UnitFamily, measure_units
from pullfactory.errors import CalibrationError
from pullfactory.fitting.information import inverted

_FLOOR = 1e-12  # part of the claimed information that is none, for its rounding


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearFit:
    """A binned fit around the nominal point, and what its templates are made of.

    Attributes:
        slopes: J of the rates, shape (bins, parameters).
        rates: Shape (bins,).
        scatter: C, shape (parameters, parameters).
        counts: Covariance of the counts of the data, shape (bins, bins).
        penalty: P, shape (parameters, parameters).
        auxiliary: K, shape (parameters, parameters).
        template: Covariance of the score over new nominal templates, same shape.
        free: Which parameters have no constraint that anyone has measured, shape (parameters,).
        held: Which have an auxiliary value that stays as it is, whatever is true, same shape.
        local: Which are the bins' own factors, same shape.
        units: What independent groups of simulated events contribute.
        events: Simulated events that the nominal templates are made of.
        bends: By how much noise of what templates bend by moves the score of each parameter one
            step away, same shape; None for not at all.
    """

    slopes: NDArray[np.float64]
    rates: NDArray[np.float64]
    scatter: NDArray[np.float64]
    counts: NDArray[np.float64]
    penalty: NDArray[np.float64]
    auxiliary: NDArray[np.float64]
    template: NDArray[np.float64]
    free: NDArray[np.bool_]
    held: NDArray[np.bool_]
    local: NDArray[np.bool_]
    units: tuple[UnitFamily, ...]
    events: float
    bends: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, model: ErrorModel) -> "LinearFit":
        """The fit of an audit.

        Args:
            model: Of the observables taken as independent.
        """
        audit, config = model.audit, model.audit.expected.config
        log_slopes = model.slopes / model.rates[:, None]
        pairs = model.drawn(np.ones((1, GROUPS))).pairs
        names = np.array(audit.likelihood.names)
        free = (np.diag(model.penalty) == 0) | np.isin(names, config.free_names)
        held = free | np.isin(names, [p.name for p in config.parameter if p.auxiliary == "held"])
        auxiliary = audit.aux_scatter.copy()
        auxiliary[held] = auxiliary[:, held] = 0.0
        signal = audit.expected.processes[0].nominal.role
        return cls(
            slopes=model.slopes,
            rates=model.rates,
            scatter=audit.channels.scatter(log_slopes[None], pairs)[0],
            counts=audit.channels.scatter(np.eye(len(model.rates))[None], pairs)[0],
            penalty=model.penalty,
            auxiliary=auxiliary,
            template=template_scatter(audit.expected.nominal, audit.channels, log_slopes),
            free=free,
            held=held,
            local=model.gammas,
            units=measure_units(model),
            events=float(audit.expected.read(signal).check.selected),
            bends=bend_scores(audit, model.rates),
        )

    @cached_property
    def log_slopes(self) -> NDArray[np.float64]:
        """L = J / r, shape (bins, parameters)."""
        return np.asarray(self.slopes / self.rates[:, None])

    @cached_property
    def information(self) -> NDArray[np.float64]:
        """H + P, shape (parameters, parameters)."""
        return np.asarray(self.slopes.T @ self.log_slopes + self.penalty)

    @cached_property
    def claimed(self) -> NDArray[np.float64]:
        """U, shape (parameters, parameters).

        Raises:
            CalibrationError: If the parameters are not determined.
        """
        found = inverted(self.information, terms=len(self.rates), size=float(self.rates.sum()))
        if not np.isfinite(found).all():
            raise CalibrationError("the templates do not tell the parameters apart")
        return found

    @cached_property
    def noise(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What noise of templates adds to H and to C, each of shape (parameters, parameters)."""
        information, scatter = (np.zeros_like(self.information) for _ in range(2))
        for family in self.units:
            each = family.log_slopes
            where = np.ix_(family.columns, family.columns)
            information[where] += _sum_of_squares(each, self.rates[:, None] * each)
            scatter[where] += _sum_of_squares(each, self.counts @ each)
        return information, scatter

    @cached_property
    def slope(self) -> NDArray[np.float64]:
        """A, shape (parameters, parameters); of held values U (H - noise(H))."""
        information, _ = self.noise
        pulled = self.claimed @ np.where(self.held, self.penalty, 0.0)
        return np.asarray(np.eye(len(self.free)) - self.claimed @ information - pulled)

    @cached_property
    def information_units(self) -> tuple[NDArray[np.float64] | None, ...]:
        """What each group adds to U H at fixed slopes of log rates, by family.

        Each of shape (groups, parameters, parameters); None for events that no rate is made of.
        """
        return tuple(
            None if family.information is None else self.claimed @ family.information
            for family in self.units
        )

    def slope_units(self, k: int) -> tuple[NDArray[np.float64] | None, ...]:
        """What each group adds to the estimated slopes with respect to one parameter, by family.

        U (J^T W E_u - J^T W R_u W J A): slopes are estimated with the noise of E, for a fit whose
        information is not known better than its rates.

        Args:
            k: Its position.

        Returns:
            Each of shape (groups, parameters); None where that is nothing.
        """
        found: list[NDArray[np.float64] | None] = []
        for family, information in zip(self.units, self.information_units, strict=True):
            own = family.column(k)
            more = None if own is None else own @ self.log_slopes @ self.claimed
            if information is not None:
                less = information @ self.slope[:, k]
                more = -less if more is None else more - less
            found.append(more)
        return tuple(found)

    @cached_property
    def slope_pairs(self) -> NDArray[np.float64]:
        """Variance of the estimated slopes by noise of pairs of groups, shape of `slope`.

        Of parameter k: sum over units u != v of (X_u . E_v) (X_v . E_u), with X_u = U D_u^T.
        """
        found = np.zeros_like(self.claimed)
        for k in np.flatnonzero(~self.local):
            found[:, k] = self._pairs(np.eye(len(found))[k])
        return found

    def _pairs(self, along: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same with respect to a combination of parameters, shape (parameters,)."""
        moving = [(f, e) for f in self.units if (e := _along(f, along)) is not None]
        if not moving:
            return np.zeros(len(along))
        own = np.concatenate([each for _, each in moving])
        score = np.concatenate(
            [self.claimed[:, f.columns] @ f.log_slopes.swapaxes(1, 2) for f, _ in moving]
        )
        products = score.swapaxes(0, 1) @ own.T  # (parameters, units, units)
        same = np.diagonal(products, axis1=1, axis2=2)
        pairs = np.einsum("iuv,ivu->i", products, products) - np.sum(same**2, axis=1)
        return np.asarray(np.maximum(pairs, 0.0))

    @cached_property
    def slope_scatters(self) -> tuple[NDArray[np.float64], ...]:
        """Covariance of the estimated from the true slopes with respect to each parameter.

        To first order in the noise, sums over units, and that of pairs of units, of which the mean
        is known. Each of shape (parameters, parameters); 0 for the bins' own factors.
        """
        found = []
        for k in range(len(self.free)):
            total = np.diag(self.slope_pairs[:, k])
            for each in () if self.local[k] else self.slope_units(k):
                if each is not None:
                    total = total + each.T @ each
            found.append(total)
        return tuple(found)

    @cached_property
    def sampling(self) -> NDArray[np.float64]:
        """Covariance of the estimates at the nominal point, U (C + K) U + T."""
        score = self.scatter + self.auxiliary + self.redrawn
        return np.asarray(self.claimed @ score @ self.claimed)

    @property
    def redrawn(self) -> NDArray[np.float64]:
        """U^-1 T U^-1: of the templates, or 0 where the bins' own factors in K have it."""
        return np.zeros_like(self.template) if self.local.any() else self.template

    @property
    def constraints(self) -> NDArray[np.float64]:
        """K, and P for truths around auxiliary values that stay as they are."""
        return np.asarray(
            self.auxiliary + np.where(_both(self.held & ~self.free), self.penalty, 0.0)
        )

    @cached_property
    def prior(self) -> NDArray[np.float64]:
        """Sigma, shape (parameters, parameters); 0 for those whose truth has no known spread."""
        known = ~self.free & ~self.local
        found = np.zeros_like(self.penalty)
        inside = np.ix_(known, known)
        found[inside] = np.linalg.inv(self.penalty[inside])
        return found

    @cached_property
    def nuisances(self) -> "tuple[Nuisance, ...]":
        """What truths with a known spread do, independent of each other."""
        number, block = connected_components(self.penalty != 0.0, directed=False)
        found = []
        for each in range(number):
            where = np.flatnonzero(block == each)
            inside = self.prior[np.ix_(where, where)]
            if not inside.any():
                continue
            moved = np.zeros((len(where), len(block)))
            moved[:, where] = np.linalg.cholesky(inside).T
            found.append(Nuisance(tuple(where.tolist()), moved))
        return tuple(found)

    def slope_moves(self, along: NDArray[np.float64]) -> tuple[NDArray[np.float64] | None, ...]:
        """As `slope_units`, with respect to a combination of parameters.

        Args:
            along: Shape (parameters,).
        """
        found: list[NDArray[np.float64] | None] = [None for _ in self.units]
        for k in np.flatnonzero(along):
            for i, each in enumerate(self.slope_units(int(k))):
                if each is not None:
                    before = found[i]
                    found[i] = along[k] * each + (0.0 if before is None else before)
        return tuple(found)

    def pair_moves(self, along: NDArray[np.float64]) -> NDArray[np.float64]:
        """As a column of `slope_pairs`, with respect to a combination of parameters.

        Args:
            along: Shape (parameters,).
        """
        (some,) = np.nonzero(along)
        if len(some) == 1:
            return np.asarray(along[some[0]] ** 2 * self.slope_pairs[:, some[0]])
        return self._pairs(along)

    def slope_scatter(self, along: NDArray[np.float64]) -> NDArray[np.float64]:
        """As `slope_scatters`, with respect to a combination of parameters.

        Args:
            along: Shape (parameters,).
        """
        (some,) = np.nonzero(along)
        if len(some) == 1:
            return np.asarray(along[some[0]] ** 2 * self.slope_scatters[some[0]])
        total = np.diag(self.pair_moves(along))
        for each in self.slope_moves(along):
            if each is not None:
                total = total + each.T @ each
        return total

    @property
    def bend_shifts(self) -> NDArray[np.float64]:
        """Shifts by noise of bends, of nuisances one step away, over claimed errors.

        Shape (parameters, parameters): of the first by the second.
        """
        if self.bends is None:
            return np.zeros_like(self.claimed)
        prior, penalty = np.diag(self.prior), np.diag(self.penalty)
        size = np.divide(1.0, prior, where=prior > 0, out=penalty.copy())
        step = np.sqrt(np.where(size > 0, size, 1.0))
        moved = np.abs(self.claimed) * self.bends * step
        return np.asarray(moved / np.sqrt(np.diag(self.claimed))[:, None])

    @cached_property
    def whole(self) -> NDArray[np.float64]:
        """E, shape (parameters, parameters)."""
        found = self.sampling.copy()
        for nuisance in self.nuisances:
            for along in nuisance.moves:
                away = self.slope @ along - along
                found += np.outer(away, away) + self.slope_scatter(along)
        return found

    @property
    def usable(self) -> bool:
        """Whether there is information beyond the noise of the templates in every direction."""
        return is_positive(self.information - self.noise[0])

    def calibrated(self, theta: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Error of the free parameters divided by their slopes: a matrix where several are free.

        Their slopes are known with errors, which count at a truth away from nominal:
        A^-1 (E + sum_j theta_j^2 Cov(A_j)) A^-T over the free parameters. Constrained parameters
        are left: their slopes are below 1 as they should be.

        Args:
            theta: Of the estimates, shape (parameters,); None for the nominal point.

        Returns:
            Shape (parameters,); NaN for those that are not free.
        """
        free = np.flatnonzero(self.free)
        found = np.full(len(self.free), np.nan)
        if not (len(free) and self.usable):
            return found
        inside = np.ix_(free, free)
        error = self.whole[inside].copy()
        truth = np.zeros(len(self.free)) if theta is None else theta
        for k in free:
            error += truth[k] ** 2 * self.slope_scatters[k][inside]
        inverse = np.linalg.inv(self.slope[inside])
        found[free] = np.sqrt(np.diag(inverse @ error @ inverse.T))
        return found


class Nuisance(NamedTuple):
    """Truths that are known together: of one parameter, or of several with correlated constraints.

    Attributes:
        positions: Of the parameters.
        moves: Independent moves by one standard deviation, whose products add up to Sigma; shape
            (moves, parameters).
    """

    positions: tuple[int, ...]
    moves: NDArray[np.float64]


def _along(family: UnitFamily, along: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """What groups add to the slopes of a combination of parameters; None for nothing."""
    found = None
    for k in np.flatnonzero(along):
        own = family.column(int(k))
        if own is not None:
            found = along[k] * own + (0.0 if found is None else found)
    return found


def _both(some: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pairs of some parameters, shape (parameters, parameters)."""
    return np.asarray(some & some[:, None])


def _sum_of_squares(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over groups and bins of left^T right, each of shape (groups, bins, columns)."""
    return np.asarray(np.tensordot(left, right, axes=([0, 1], [0, 1])))


def is_positive(information: NDArray[np.float64]) -> bool:
    """Whether a symmetric matrix is positive definite, in units of its own diagonal.

    Args:
        information: Shape (parameters, parameters).
    """
    size = np.diag(information)
    if not (size > 0).all():
        return False
    root = np.sqrt(size)
    return bool(np.linalg.eigvalsh(information / np.outer(root, root))[0] > _FLOOR)
