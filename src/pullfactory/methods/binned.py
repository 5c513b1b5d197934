"""Fits of a pyhf workspace with a channel for each observable."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration, Templates
from pullfactory.likelihoods._likelihood import Observation
from pullfactory.likelihoods.auxiliary import study_scatter
from pullfactory.likelihoods.binned import BinnedLikelihood, log_slopes
from pullfactory.likelihoods.channels import Channels, PairCounts
from pullfactory.methods.method import Method, MethodKind
from pullfactory.methods.noise import MethodNoise
from pullfactory.methods.template_noise import Bins, template_noise, workspace_constraint
from pullfactory.settings.sections import Parameter
from pullfactory.simulation.population import Population
from pullfactory.simulation.response import Response
from pullfactory.simulation.toys import ToyBlock
from pullfactory.workspaces.reading import read_workspace
from pullfactory.workspaces.study import build_channels

__all__ = ["BINNED", "auxiliary_values", "binned_method", "binned_noise", "likelihood_of"]


def binned_method(calibration: Calibration) -> Method:
    """The method `binned` of a study: the pyhf workspace made of its templates.

    Args:
        calibration: Gives the templates; the truth is not looked at.
    """
    study = calibration.study
    likelihood = likelihood_of(calibration.channels)
    channels = Channels(
        edges=calibration.edges,
        slices=tuple(likelihood.channel_slice(name) for name in study.observable_names),
        centred=study.ensemble.n_events_law == "fixed",
    )

    contents = [
        calibration.template(study.observable_names.index(name)) for name, _ in likelihood.channels
    ]

    def observation(pairs: PairCounts, aux: NDArray[np.float64]) -> Observation:
        counts = dict(zip(study.observable_names, pairs.counts, strict=True))
        return Observation(likelihood.data(counts, auxiliary_values(study.parameter, aux)), pairs)

    def observe(block: ToyBlock) -> Observation:
        return observation(channels.count(block), block.aux)

    def expect(population: Population) -> Observation:
        return observation(channels.expect(population), population.aux[None])

    def scatter(theta: NDArray[np.float64], pairs: PairCounts) -> NDArray[np.float64]:
        return channels.scatter(np.asarray(log_slopes(likelihood, theta)), pairs)

    return Method(
        name=BINNED.name,
        likelihood=likelihood,
        observe=observe,
        scatter=scatter,
        expect=expect,
        aux_scatter=study_scatter(likelihood, study, np.concatenate(contents)),
    )


def likelihood_of(templates: Templates) -> BinnedLikelihood:
    """The likelihood of the workspace that is made of templates, in the study's units.

    Args:
        templates: Of its channels.

    Raises:
        CalibrationError: As `build_workspace`.
    """
    workspace = read_workspace(build_channels(templates))
    likelihood = BinnedLikelihood.from_pyhf(workspace).in_units(templates.units)
    if not templates.workspace.mass_constraint:
        free = templates.workspace.unduly_constrained(templates.study.free_names)
        likelihood = likelihood.free(free)
    return likelihood


def auxiliary_values(
    parameters: Sequence[Parameter], aux: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Auxiliary values by parameter, each of shape (toys,), from shape (toys, constrained)."""
    constrained = [parameter.name for parameter in parameters if not parameter.free]
    return dict(zip(constrained, aux.T, strict=True))


def binned_noise(calibration: Calibration, theta: NDArray[np.float64]) -> MethodNoise:
    """What the method `binned` of a study owes to its templates, one channel per observable.

    A staterror is not looked at: it hardly changes the result.

    Args:
        calibration: Gives the templates; the truth is not looked at.
        theta: True values, shape (points, parameters).
    """
    study = calibration.study
    sources = []
    for o, edges in enumerate(calibration.edges):
        inner = edges[1:-1]
        bins = Bins(
            families=study.families[o : o + 1],
            response=Response(*(np.asarray(part)[o : o + 1] for part in calibration.response)),
            correlation=0.0,
            low=np.append(-np.inf, inner)[:, None],
            high=np.append(inner, np.inf)[:, None],
        )
        sources.append(template_noise(calibration.channels, o, bins, theta))
    return MethodNoise(workspace_constraint(calibration.channels), tuple(sources))


def _build(calibration: Calibration, _rho: float) -> Method:
    return binned_method(calibration)


def _noise(calibration: Calibration, _rho: float, theta: NDArray[np.float64]) -> MethodNoise:
    return binned_noise(calibration, theta)


BINNED = MethodKind(
    name="binned",
    build=_build,
    noise=_noise,
    independent=True,
    binned=True,
    workspace=True,
    colour="#D55E00",
    marker="s",
)
