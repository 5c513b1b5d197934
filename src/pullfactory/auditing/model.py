"""The methods of an audit: likelihoods of its templates, and what they take from events."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jit
from pullfactory.auditing.scatter import template_scatter
from pullfactory.auditing.templates import Expected
from pullfactory.likelihoods import BinnedLikelihood, Observation
from pullfactory.likelihoods.auxiliary import gamma_terms, score_covariance
from pullfactory.likelihoods.binned import log_slopes
from pullfactory.likelihoods.channels import Channels, PairCounts
from pullfactory.methods import Method
from pullfactory.simulation.toys import ToyBlock
from pullfactory.workspaces._pyhf import PYHF_LOCK, pyhf
from pullfactory.workspaces.reading import read_workspace

__all__ = [
    "audit_likelihood",
    "aux_covariance",
    "binned_audit_method",
    "channels_of",
    "constraint_information",
    "drawn_scatter",
    "rates_and_slopes",
]


def audit_likelihood(
    spec: Mapping[str, Any], expected: Expected, *, validate: bool = True
) -> BinnedLikelihood:
    """The likelihood of a workspace of an audit, in the units of its parameters.

    Args:
        spec: What `build_audit_workspace` or `build_joint_audit_workspace` returns.
        expected: What it was built of.
        validate: Whether pyhf compares the workspace with its schema, which takes longer than all
            the rest; no need where one of the same form was compared.
    """
    config = expected.config
    units = {p.name: p.step for p in config.parameter if p.step != 1.0}
    with PYHF_LOCK:
        workspace = read_workspace(spec) if validate else pyhf.Workspace(spec, validate=False)
    likelihood = BinnedLikelihood.from_pyhf(workspace).in_units(units)
    if not config.workspace.mass_constraint:
        likelihood = likelihood.free(config.free_names)
    return likelihood


def channels_of(expected: Expected, likelihood: BinnedLikelihood) -> Channels:
    """How events are counted in the channels of the likelihood.

    Args:
        expected: Gives bins.
        likelihood: With one channel for each observable.
    """
    config = expected.config
    return Channels(
        edges=tuple(axis.edges for axis in expected.events.axes),
        slices=tuple(likelihood.channel_slice(name) for name in config.observable_names),
        centred=config.n_events_law == "fixed",
        partial=True,
    )


def binned_audit_method(expected: Expected, likelihood: BinnedLikelihood) -> Method:
    """The method `binned` of an audit; auxiliary values of its toys are drawn.

    Events have NaN for what they lack; what is outside the bins must be NaN too. The auxiliary
    values of a block are those of all terms of the model, in its order.

    Args:
        expected: Gives bins.
        likelihood: With one channel for each observable.
    """
    names = expected.config.observable_names
    channels = channels_of(expected, likelihood)

    def observe(block: ToyBlock) -> Observation:
        pairs = channels.count(block)
        main = likelihood.data(dict(zip(names, pairs.counts, strict=True)))
        main[:, likelihood.n_main :] = block.aux
        return Observation(main, pairs)

    def scatter(theta: NDArray[np.float64], pairs: PairCounts) -> NDArray[np.float64]:
        return channels.scatter(np.asarray(log_slopes(likelihood, theta)), pairs)

    return Method(
        name="binned",
        likelihood=likelihood,
        observe=observe,
        scatter=scatter,
        expect=lambda _population: None,
        aux_scatter=drawn_scatter(expected, likelihood),
    )


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


@jit
def _rates_and_slopes(
    likelihood: BinnedLikelihood, theta: jax.Array
) -> tuple[jax.Array, jax.Array]:
    return likelihood.expected(theta), likelihood.slopes(theta)


def aux_covariance(expected: Expected, likelihood: BinnedLikelihood) -> NDArray[np.float64]:
    """Covariance over the ensemble of the auxiliary values, shape (auxdata, auxdata).

    None for the values that pyhf gives a free parameter: it has not been measured elsewhere. The
    gammas of a `staterror` are measured by the simulated events of their bin; bins of different
    channels have events in common.

    Args:
        expected: Names the free parameters.
        likelihood: With one channel for each observable.
    """
    free = {likelihood.positions(name)[0] for name in expected.config.free_names}
    drawn = np.array([k not in free for k in likelihood.aux_index], dtype=bool)
    result = np.diag(np.where(drawn, np.square(likelihood.aux_sigma), 0.0))
    if not expected.config.workspace.staterror:
        return result
    rates, _ = rates_and_slopes(likelihood, likelihood.init)
    terms = gamma_terms(likelihood)
    result[np.ix_(terms, terms)] = template_scatter(
        expected, channels_of(expected, likelihood), np.diag(1.0 / rates)
    )
    return result


def constraint_information(likelihood: BinnedLikelihood) -> NDArray[np.float64]:
    """Information of the constraints, 1 / sigma^2, shape (parameters,).

    Args:
        likelihood: Of an audit: its terms are Gaussian.
    """
    result = np.zeros(len(likelihood.names))
    weights = likelihood.aux_used * (likelihood.aux_factor / likelihood.aux_sigma) ** 2
    np.add.at(result, list(likelihood.aux_index), weights)
    return result


def drawn_scatter(expected: Expected, likelihood: BinnedLikelihood) -> NDArray[np.float64]:
    """Covariance K of the score of the auxiliary data, from that of the auxiliary values.

    Args:
        expected: Names the free parameters.
        likelihood: With one channel for each observable.

    Returns:
        Shape (parameters, parameters).
    """
    return score_covariance(likelihood, aux_covariance(expected, likelihood))
