"""The profile likelihood ratio of true values: an interval covers them where it is small enough.

Whether the interval of z standard deviations has the true value is whether q / lambda there is
below z^2: one more fit for each toy and parameter, where both ends would need a dozen.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import double_precision
from pullfactory.fitting.fits import FitBatch
from pullfactory.fitting.intervals import movable, score_scatter
from pullfactory.fitting.profile import profile
from pullfactory.fitting.sandwich import weigh_observation
from pullfactory.methods import Method
from pullfactory.simulation.toys import ToyBlock


@double_precision
def with_ratios(
    method: Method,
    block: ToyBlock,
    fits: FitBatch,
    truth: Sequence[str],
    tested: Sequence[str],
    *,
    corrected: bool,
    scale: NDArray[np.float64] | None = None,
) -> FitBatch:
    """Fits with the profile likelihood ratios of the true values of some parameters.

    Args:
        method: What they were made with.
        block: Their toys.
        fits: Of all parameters.
        truth: Names of the true values of the toys, in order.
        tested: Names of the parameters.
        corrected: Whether ratios divided by lambda are asked for too.
        scale: lambda of every parameter of the fits; None for that of the events of each toy.

    Raises:
        LikelihoodError: If one is unknown or fixed.
    """
    likelihood = method.likelihood
    _, seen = weigh_observation(method, method.observe(block))
    scatter = score_scatter(method, seen.pairs) if corrected and scale is None else None
    ratios = np.full((2, *fits.estimate.shape), np.nan)
    for name in tested:
        k = movable(likelihood, name)
        column = block.theta_true[:, list(truth).index(name)]
        found = profile(likelihood, seen.data, fits, k, column, scatter)
        ratios[0, :, k] = found.ratio
        if corrected:
            by = found.scale if scale is None else scale[k]
            ratios[1, :, k] = found.ratio / np.where(by > 0, by, np.nan)
    return replace(fits, ratios=ratios)
