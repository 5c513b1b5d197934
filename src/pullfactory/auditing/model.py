"""The model of an audit: the likelihood of its templates, and what that takes from events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jit
from pullfactory.auditing.expected import Expected
from pullfactory.auditing.scatter import template_scatter
from pullfactory.auditing.smoothing import Smoothing
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.likelihoods.auxiliary import gamma_terms, score_covariance
from pullfactory.likelihoods.channels import Channels
from pullfactory.methods import BINNED, Method
from pullfactory.methods.counts import CountFit
from pullfactory.settings.audit import AuditParameter
from pullfactory.workspaces._pyhf import PYHF_LOCK, pyhf
from pullfactory.workspaces.reading import read_workspace

_POINTS = 8  # at once


@dataclass(frozen=True, kw_only=True, eq=False)
class AuditModel:
    """The samples of an audit, and the likelihood of the observables taken as independent.

    Attributes:
        expected: The samples.
        likelihood: With one channel for each observable.
        smoothing: Of the derivatives of its templates.
    """

    expected: Expected
    likelihood: BinnedLikelihood
    smoothing: Smoothing = field(default_factory=Smoothing)

    @classmethod
    def of(
        cls, expected: Expected, spec: Mapping[str, Any], smoothing: Smoothing | None = None
    ) -> "AuditModel":
        """The model of a workspace.

        Args:
            expected: The samples.
            spec: What `build_audit_workspace` made of them.
            smoothing: Of the derivatives of its templates; None for none.
        """
        config = expected.config
        constrained = config.workspace.mass_constraint
        likelihood = audit_likelihood(spec, config.parameter, constrained=constrained)
        return cls(expected=expected, likelihood=likelihood, smoothing=smoothing or Smoothing())

    @property
    def positions(self) -> list[int]:
        """Where the parameters that are shown are among those of the likelihood."""
        return [self.likelihood.positions(name)[0] for name in self.expected.parameters]

    @cached_property
    def channels(self) -> Channels:
        """How events are counted in the channels of the likelihood."""
        config = self.expected.config
        return Channels(
            edges=tuple(axis.edges for axis in self.expected.events.axes),
            slices=tuple(self.likelihood.channel_slice(name) for name in config.observable_names),
            centred=config.n_events_law == "fixed",
            partial=True,
        )

    @cached_property
    def aux_drawn(self) -> NDArray[np.bool_]:
        """Auxiliary values that are measurements, shape (auxdata,).

        Those are not that pyhf gives a free parameter.
        """
        likelihood = self.likelihood
        free = {likelihood.positions(name)[0] for name in self.expected.config.free_names}
        return np.array([k not in free for k in likelihood.aux_index], dtype=bool)

    @cached_property
    def aux_covariance(self) -> NDArray[np.float64]:
        """Covariance over the ensemble of the auxiliary values, shape (auxdata, auxdata).

        None for the values that pyhf gives a free parameter: it has not been measured elsewhere.
        The gammas of a `staterror` are measured by the simulated events of their bin; bins of
        different channels have events in common.
        """
        likelihood, config = self.likelihood, self.expected.config
        result = np.diag(np.where(self.aux_drawn, np.square(likelihood.aux_sigma), 0.0))
        if likelihood.aux_root is not None:
            correlation = likelihood.aux_root @ likelihood.aux_root.T
            result += correlation - np.diag(np.diag(correlation))
        if not config.workspace.staterror:
            return result
        rates, _ = rates_and_slopes(likelihood, likelihood.init)
        terms = gamma_terms(likelihood)
        result[np.ix_(terms, terms)] = template_scatter(
            self.expected.nominal, self.channels, np.diag(1.0 / rates)
        )
        return result

    @cached_property
    def aux_scatter(self) -> NDArray[np.float64]:
        """Covariance K of the score of the auxiliary data, shape (parameters, parameters)."""
        return score_covariance(self.likelihood, self.aux_covariance)

    @cached_property
    def method(self) -> Method:
        """The method `binned` of an audit; auxiliary values of its toys are drawn.

        Events have NaN for what they lack; what is outside the bins must be NaN too. The auxiliary
        values of a block are those of all terms of the model, in its order.
        """
        likelihood = self.likelihood

        def arrange(
            counts: Mapping[str, NDArray[np.float64]], aux: NDArray[np.float64]
        ) -> NDArray[np.float64]:
            data = likelihood.data(counts)
            data[:, likelihood.n_main :] = aux
            return data

        fit = CountFit(
            likelihood=likelihood,
            channels=self.channels,
            names=self.expected.config.observable_names,
            count=self.channels.count,
            expect=lambda _population: None,
            arrange=arrange,
            aux_scatter=self.aux_scatter,
        )
        return fit.method(BINNED.name)


def audit_likelihood(
    spec: Mapping[str, Any],
    parameters: Sequence[AuditParameter],
    *,
    constrained: bool,
    validate: bool = True,
) -> BinnedLikelihood:
    """The likelihood of a workspace of an audit, in the units of its parameters.

    Args:
        spec: What `build_audit_workspace` or `build_joint_audit_workspace` returns.
        parameters: Of the audit.
        constrained: Whether our fits keep the constraint that pyhf gives a free parameter.
        validate: Whether pyhf compares the workspace with its schema, which takes longer than all
            the rest; no need where one of the same form was compared.
    """
    units = {one.name: one.step for one in parameters if one.step != 1.0}
    with PYHF_LOCK:
        workspace = read_workspace(spec) if validate else pyhf.Workspace(spec, validate=False)
    likelihood = BinnedLikelihood.from_pyhf(workspace).in_units(units)
    return likelihood if constrained else likelihood.free([p.name for p in parameters if p.free])


def rates_and_slopes(
    likelihood: BinnedLikelihood, theta: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rates of all bins and their derivatives.

    Args:
        likelihood: Of a workspace.
        theta: Shape (parameters,), in the parameters' units.

    Returns:
        Shapes (bins,) and (bins, parameters).
    """
    rates, slopes = _rates_and_slopes(likelihood, theta)
    return np.asarray(rates), np.asarray(slopes)


def rates_and_slopes_at(
    likelihood: BinnedLikelihood, theta: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same at several points.

    Args:
        likelihood: Of a workspace.
        theta: Shape (points, parameters), in the parameters' units.

    Returns:
        Shapes (points, bins) and (points, bins, parameters).
    """
    found = []
    for first in range(0, len(theta), _POINTS):  # one number of points, so that one is compiled
        some = np.arange(first, first + _POINTS).clip(max=len(theta) - 1)
        found.append(_rates_and_slopes_at(likelihood, theta[some]))
    rates, slopes = (
        np.concatenate([np.asarray(x) for x in each]) for each in zip(*found, strict=True)
    )
    return rates[: len(theta)], slopes[: len(theta)]


@jit
def _rates_and_slopes(
    likelihood: BinnedLikelihood, theta: jax.Array
) -> tuple[jax.Array, jax.Array]:
    return likelihood.expected(theta), likelihood.slopes(theta)


@jit
def _rates_and_slopes_at(
    likelihood: BinnedLikelihood, theta: jax.Array
) -> tuple[jax.Array, jax.Array]:
    return jax.vmap(likelihood.expected)(theta), jax.vmap(likelihood.slopes)(theta)
