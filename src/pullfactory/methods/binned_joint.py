"""The joint binned likelihood: one histogram of all observables, unrolled into one channel."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from pullfactory.binning.bivariate import bin_probabilities
from pullfactory.binning.joint import JointBins
from pullfactory.calibration import Calibration
from pullfactory.likelihoods.auxiliary import study_scatter
from pullfactory.likelihoods.channels import Channels, PairCounts, count_repeats
from pullfactory.methods.binned import arrangement, likelihood_of
from pullfactory.methods.counts import CountFit
from pullfactory.methods.method import Method, MethodKind
from pullfactory.methods.noise import MethodNoise, ToldNoise, Untold, leaked_truth, typical_truth
from pullfactory.methods.template_noise import Bins, template_noise, workspace_constraint
from pullfactory.settings.methods import learns
from pullfactory.simulation.population import Population
from pullfactory.simulation.toys import ToyBlock

_WITHHELD = "its corrected errors are withheld"


def binned_joint_method(calibration: Calibration, rho: float) -> Method:
    """The method `binned_joint` of a study at one correlation of its scan.

    Args:
        calibration: Gives the joint templates; the truth is not looked at.
        rho: Factor of the off-diagonal part of the correlation matrix.

    Raises:
        CalibrationError: If there are no joint templates for this rho.
    """
    study, templates = calibration.study, calibration.joint_channel(rho)
    likelihood = likelihood_of(templates)
    bins = calibration.joint_at(rho).bins
    assert bins is not None
    ((channel, _),) = likelihood.channels
    fit = CountFit(
        likelihood=likelihood,
        channels=Channels(
            edges=(), slices=(slice(None),), centred=study.ensemble.n_events_law == "fixed"
        ),
        names=(channel,),
        count=partial(_count, bins),
        expect=partial(_expect, bins),
        arrange=arrangement(likelihood, study.parameter),
        aux_scatter=study_scatter(likelihood, study, templates.template(0)),
        leak=_leak(calibration, rho, likelihood.names),
    )
    return fit.method(BINNED_JOINT.name)


def _count(bins: JointBins, block: ToyBlock) -> PairCounts:
    events, sums, variances = list(np.moveaxis(block.events, -1, 0)), block.sums, block.variances
    squares = None if variances is sums else (bins.count(events, variances),)
    found = [] if block.owners is None else [bins.index(events)]
    repeats = count_repeats(block, found, [bins.size])
    return PairCounts((bins.count(events, sums),), repeats, block.numbers, squares)


def _expect(bins: JointBins, population: Population) -> PairCounts | None:
    if len(bins.edges) != 2:
        return None
    first, second = (population.normal_scores(o, inner) for o, inner in enumerate(bins.edges))
    correlation = float(population.correlation[0, 1])
    contents = population.n_events * bin_probabilities(first[0], second, correlation)
    return PairCounts((contents[None],), {})


def _leak(calibration: Calibration, rho: float, names: tuple[str, ...]) -> NDArray[np.float64]:
    """What the noise of the templates adds to the covariance of the score; see `leaked_truth`.

    Args:
        calibration: Of the study.
        rho: Point of the scan.
        names: Parameters of the fit.

    Returns:
        Shape (parameters, parameters), in the order of `names`; NaN where it cannot be told, which
        withholds the corrected errors.
    """
    study = calibration.study
    leak = np.zeros((len(names), len(names)))
    if study.calibration.source == "exact":
        return leak
    theta = typical_truth(study)
    told = binned_joint_noise(calibration, rho, theta)
    if isinstance(told, Untold):
        return leak + np.nan
    where = [names.index(name) for name in study.parameter_names]
    leak[np.ix_(where, where)] = leaked_truth(study.aux_centre, told, theta)
    return leak


def binned_joint_noise(
    calibration: Calibration, rho: float, theta: NDArray[np.float64]
) -> ToldNoise:
    """What the method `binned_joint` owes to its joint templates.

    Args:
        calibration: Gives response, correlation and bins; the truth is not looked at.
        rho: Factor of the off-diagonal part of the correlation matrix.
        theta: True values, shape (points, parameters).

    Returns:
        Untold where the contents of joint bins have no closed form: but for two observables whose
        normal scores are normal.
    """
    study = calibration.study
    if not study.has_normal_scores:
        return Untold(f"{study.without_normal_scores}; {_WITHHELD}")
    if (n := len(study.observable)) != 2:
        return Untold(
            f"the contents of joint bins are known for 2 observables, not for {n}; {_WITHHELD}"
        )
    sample = calibration.joint_at(rho)
    assert sample.bins is not None
    low, high = sample.bins.rectangles
    bins = Bins(
        families=study.families,
        response=calibration.response,
        correlation=float(sample.correlation[0, 1]),
        low=low,
        high=high,
    )
    templates = calibration.joint_channel(rho)
    source = template_noise(templates, 0, bins, theta)
    return MethodNoise(workspace_constraint(templates), (source,))


BINNED_JOINT = MethodKind(
    name="binned_joint",
    build=binned_joint_method,
    noise=binned_joint_noise,
    learns=learns("binned_joint"),
    binned=True,
    colour="#E69F00",
    marker="v",
)
