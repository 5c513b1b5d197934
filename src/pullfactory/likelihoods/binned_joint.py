"""The joint binned likelihood: one histogram of all observables, unrolled into one channel."""

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration
from pullfactory.likelihoods._likelihood import Method, Observation
from pullfactory.likelihoods.auxiliary import study_scatter
from pullfactory.likelihoods.binned import auxiliary_values, likelihood_of_study, log_slopes
from pullfactory.likelihoods.channels import Channels, PairCounts, count_repeats
from pullfactory.simulation.bivariate import bin_probabilities
from pullfactory.simulation.population import Population
from pullfactory.simulation.toys import ToyBlock
from pullfactory.workspace import build_joint_workspace

__all__ = ["binned_joint_method"]


def binned_joint_method(calibration: Calibration, rho: float) -> Method:
    """The method `binned_joint` of a study at one correlation of its scan.

    Args:
        calibration: Gives the joint templates; the truth is not looked at.
        rho: Factor of the off-diagonal part of the correlation matrix.

    Raises:
        CalibrationError: If there are no joint templates for this rho.
    """
    study = calibration.study.joint_study
    likelihood = likelihood_of_study(build_joint_workspace(calibration, rho), study)
    bins = calibration.joint_at(rho).bins
    assert bins is not None
    ((channel, _),) = likelihood.channels
    contents = calibration.joint_channel(rho).template(0)

    channels = Channels(
        edges=(), slices=(slice(None),), centred=study.ensemble.n_events_law == "fixed"
    )

    def observation(pairs: PairCounts, aux: NDArray[np.float64]) -> Observation:
        counts = {channel: pairs.counts[0]}
        return Observation(likelihood.data(counts, auxiliary_values(study, aux)), pairs)

    def observe(block: ToyBlock) -> Observation:
        events, sums, variances = (
            list(np.moveaxis(block.events, -1, 0)),
            block.sums,
            block.variances,
        )
        squares = None if variances is sums else (bins.count(events, variances),)
        found = [] if block.owners is None else [bins.index(events)]
        repeats = count_repeats(block, found, [bins.size])
        pairs = PairCounts((bins.count(events, sums),), repeats, block.numbers, squares)
        return observation(pairs, block.aux)

    def expect(population: Population) -> Observation | None:
        if len(bins.edges) != 2:
            return None
        first, second = (population.normal_scores(o, inner) for o, inner in enumerate(bins.edges))
        correlation = float(population.correlation[0, 1])
        contents = population.n_events * bin_probabilities(first[0], second, correlation)
        return observation(PairCounts((contents[None],), {}), population.aux[None])

    def scatter(theta: NDArray[np.float64], pairs: PairCounts) -> NDArray[np.float64]:
        return channels.scatter(np.asarray(log_slopes(likelihood, theta)), pairs)

    return Method(
        name="binned_joint",
        likelihood=likelihood,
        observe=observe,
        scatter=scatter,
        expect=expect,
        aux_scatter=study_scatter(likelihood, study, contents),
    )
