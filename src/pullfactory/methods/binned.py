"""Fits of a pyhf workspace with a channel for each observable."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration, Templates
from pullfactory.likelihoods.auxiliary import study_scatter
from pullfactory.likelihoods.binned import BinnedLikelihood
from pullfactory.likelihoods.channels import Channels
from pullfactory.methods.counts import CountFit
from pullfactory.methods.method import Method, MethodKind
from pullfactory.methods.noise import MethodNoise
from pullfactory.methods.template_noise import Bins, template_noise, workspace_constraint
from pullfactory.settings.sections import Parameter
from pullfactory.simulation.response import Response
from pullfactory.workspaces.reading import read_workspace
from pullfactory.workspaces.study import build_channels


def binned_method(calibration: Calibration, _rho: float = 0.0) -> Method:
    """The method `binned` of a study: the pyhf workspace made of its templates.

    Args:
        calibration: Gives the templates; the truth is not looked at.
    """
    study, names = calibration.study, calibration.study.observable_names
    likelihood = likelihood_of(calibration.channels)
    channels = Channels(
        edges=calibration.edges,
        slices=tuple(likelihood.channel_slice(name) for name in names),
        centred=study.ensemble.n_events_law == "fixed",
    )
    contents = [calibration.template(names.index(name)) for name, _ in likelihood.channels]
    fit = CountFit(
        likelihood=likelihood,
        channels=channels,
        names=names,
        count=channels.count,
        expect=channels.expect,
        arrange=arrangement(likelihood, study.parameter),
        aux_scatter=study_scatter(likelihood, study, np.concatenate(contents)),
    )
    return fit.method(BINNED.name)


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


def arrangement(
    likelihood: BinnedLikelihood, parameters: Sequence[Parameter]
) -> Callable[[Mapping[str, NDArray[np.float64]], NDArray[np.float64]], NDArray[np.float64]]:
    """How the data of a likelihood are made of counts and the auxiliary values of a study.

    Args:
        likelihood: Of its workspace.
        parameters: Of the study; those with a constraint have an auxiliary value in every toy.
    """
    constrained = [parameter.name for parameter in parameters if not parameter.free]
    return lambda counts, aux: likelihood.data(counts, dict(zip(constrained, aux.T, strict=True)))


def binned_noise(calibration: Calibration, _rho: float, theta: NDArray[np.float64]) -> MethodNoise:
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


BINNED = MethodKind(
    name="binned",
    build=binned_method,
    noise=binned_noise,
    independent=True,
    binned=True,
    workspace=True,
    colour="#D55E00",
    marker="s",
)
