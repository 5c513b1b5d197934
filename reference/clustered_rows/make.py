"""Groups of rows: statsmodels' GEE for the unbinned fit, sums of scores by group for the binned."""

import numpy as np
from statsmodels.genmod.cov_struct import Independence
from statsmodels.genmod.generalized_estimating_equations import GEE

from reference.cases import Value
from reference.clustered_rows.inputs import HISTOGRAMS, N_ROWS, model, tables
from reference.independent.audits import bootstrap_errors, fit_errors
from reference.recording import exact, measured, record

SEED = 14
REPLICAS = 10_000


def values() -> list[Value]:
    """Estimates, errors that know the groups, and the bootstrap of groups."""
    found = tables()
    data = found["data"]
    z, design = [], []
    for name, step in (("x", 1.0), ("y", 0.4)):
        centre, width = found["nominal"][name].mean(), found["nominal"][name].std()
        z.append((data[name] - centre) / width)
        design.append(np.full(N_ROWS, step / width))
    groups = np.concatenate([data["event"]] * 2)
    order = np.argsort(groups, kind="stable")
    gee = GEE(
        np.concatenate(z)[order],
        np.concatenate(design)[order, None],
        groups[order],
        cov_struct=Independence(),
    ).fit()
    row = {"table": "data", "method": "unbinned", "parameter": "m"}
    error = float(gee.standard_errors(cov_type="robust")[0])
    rows = [
        Value(ask="audit", row=row, key="estimate", value=float(gee.params[0]), scale=error),
        exact("audit", "sandwich_error", error, **row),
    ]
    bins, ones = HISTOGRAMS.bins(data["x"], data["y"]), np.ones(N_ROWS)
    fit = fit_errors(model(), HISTOGRAMS, bins, ones, data["event"])
    spread, noise = bootstrap_errors(
        model(),
        HISTOGRAMS,
        bins,
        ones,
        groups=data["event"],
        replicas=REPLICAS,
        rng=np.random.default_rng(SEED),
    )
    row = {"table": "data", "method": "binned", "parameter": "m"}
    error = float(fit.sandwich[0])
    return [
        *rows,
        Value(ask="audit", row=row, key="estimate", value=float(fit.estimate[0]), scale=error),
        exact("audit", "sandwich_error", error, **row),
        measured("audit", "bootstrap_error", float(spread[0]), float(noise[0]), **row),
    ]


if __name__ == "__main__":
    record(__file__, values, "statsmodels", seed=SEED)
