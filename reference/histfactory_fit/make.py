"""Every modifier of HistFactory in one workspace, fitted by pyhf with NumPy and Minuit.

Errors are those of second derivatives by differences of pyhf's logpdf. Those that Minuit quotes
for parameters with bounds are errors of a sine: 0.993 for `theory`, whose exact error is 1, as
the free rate `mu` takes up whatever it does to the signal.
"""

import json
from pathlib import Path

import numpy as np
import pyhf
from numpy.typing import NDArray

from reference.cases import Value
from reference.independent.minimum import minimise
from reference.recording import exact, record

HERE = Path(__file__).parent


def values() -> list[Value]:
    """Estimates and errors of all parameters, and -log L at the minimum."""
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-4, strategy=2))
    workspace = pyhf.Workspace(json.loads((HERE / "workspace.json").read_text(encoding="utf-8")))
    model, data = workspace.model(), workspace.data(workspace.model())
    minuit = pyhf.infer.mle.fit(data, model, return_uncertainties=True)
    at, unit = np.array(minuit).T

    def objective(moved: NDArray[np.float64]) -> NDArray[np.float64]:
        points = at + unit * moved
        return np.array([-float(model.logpdf(point.tolist(), data)[0]) for point in points])

    found = minimise(objective, np.zeros((1, len(at))), iterations=3)
    assert found.good[0]
    assert np.abs(found.estimate).max() < 2e-3
    names = model.config.par_names
    estimates, errors = at + unit * found.estimate[0], unit * found.error[0]
    assert abs(errors[names.index("theory")] - 1) < 1e-4
    rows = []
    for name, estimate, error in zip(names, estimates.tolist(), errors.tolist(), strict=True):
        row = {"parameter": name}
        rows += [
            Value(ask="fit", row=row, key="estimate", value=estimate, scale=error),
            exact("fit", "claimed_error", error, **row),
        ]
    minimum = float(objective(found.estimate)[0])
    rows.append(Value(ask="fit", row={"fit": "all"}, key="nll", value=minimum, scale=1e-3))
    return rows


if __name__ == "__main__":
    record(__file__, values, "pyhf", "iminuit")
