"""The product of marginals as a generalised estimating equation with groups = events.

With known widths the product of Gaussians is least squares of z = (x - mu) / sigma on the slopes
in units of the widths, and statsmodels' robust error, with an independence working correlation,
is Godambe's (Liang and Zeger 1986, doi:10.1093/biomet/73.1.13).
"""

import numpy as np
from statsmodels.genmod.cov_struct import Independence
from statsmodels.genmod.generalized_estimating_equations import GEE

from reference.cases import Value
from reference.gee_events.inputs import MU, N_EVENTS, SIGMA, SLOPES, data
from reference.recording import exact, record


def values() -> list[Value]:
    """Estimate and robust error of statsmodels; the claimed error has unit variance."""
    z = (data()["events"] - MU) / SIGMA
    design = np.tile(MU * SLOPES / SIGMA, N_EVENTS)
    groups = np.repeat(np.arange(N_EVENTS), 3)
    fit = GEE(z.ravel(), design[:, None], groups, cov_struct=Independence()).fit()
    claimed = float(1 / np.sqrt(design @ design))
    row = {"parameter": "shift"}
    return [
        Value(ask="fit", row=row, key="estimate", value=float(fit.params[0]), scale=claimed),
        exact("fit", "claimed_error", claimed, **row),
        exact("fit", "corrected_error", float(fit.standard_errors(cov_type="robust")[0]), **row),
    ]


if __name__ == "__main__":
    record(__file__, values, "statsmodels")
