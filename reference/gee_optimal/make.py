"""The optimal combination as a generalised estimating equation with groups = events.

With known widths and correlations that are all the same, an exchangeable working correlation is the
inverse covariance of z = (x - mu) / sigma, up to the noise of the correlation that statsmodels
estimates (Liang and Zeger 1986, doi:10.1093/biomet/73.1.13).
"""

import numpy as np
from statsmodels.genmod.cov_struct import Exchangeable
from statsmodels.genmod.generalized_estimating_equations import GEE

from reference.cases import Value
from reference.gee_optimal.inputs import MU, N_EVENTS, RHO, SIGMA, SLOPES, data
from reference.recording import exact, record


def values() -> list[Value]:
    """Estimate, robust and naive error of statsmodels."""
    z = (data()["events"] - MU) / SIGMA
    design = np.tile(MU * SLOPES / SIGMA, N_EVENTS)
    groups = np.repeat(np.arange(N_EVENTS), 3)
    fit = GEE(z.ravel(), design[:, None], groups, cov_struct=Exchangeable()).fit()
    inverse = np.linalg.inv(np.where(np.eye(3, dtype=bool), 1.0, RHO))
    slopes = MU * SLOPES / SIGMA
    weighed = slopes @ inverse
    least = (z @ weighed).sum() / (N_EVENTS * weighed @ slopes)
    assert abs(least - fit.params[0]) < 2e-3 * fit.bse[0]
    row = {"parameter": "shift"}
    return [
        exact("fit", "estimate", float(fit.params[0]), **row),
        exact("fit", "claimed_error", float(fit.standard_errors(cov_type="naive")[0]), **row),
        exact("fit", "corrected_error", float(fit.standard_errors(cov_type="robust")[0]), **row),
    ]


if __name__ == "__main__":
    record(__file__, values, "statsmodels")
