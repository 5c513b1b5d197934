"""Free rates of two processes that two observables of the same events measure."""

import numpy as np

from reference.cases import Value
from reference.independent.audits import Histograms
from reference.independent.gaussian import sandwich
from reference.recording import exact, record
from reference.two_processes.inputs import BACKGROUND, EDGES, SIDE, SIGNAL, tables

PARAMETERS = ("norm_signal", "norm_other", "jes")


def values() -> list[Value]:
    """Claimed errors and pull widths of the Poisson fit, expected at the nominal point."""
    histograms = Histograms(edges=tuple(np.array(each) for each in EDGES.values()))
    found = tables()
    signal, other = found["nominal"], found["background.other"]
    parts, pairs = [], []
    for table, events in ((signal, SIGNAL), (other, BACKGROUND)):
        bins = histograms.bins(table["x"], table["y"])
        weights = np.full(SIDE**2, events / SIDE**2)
        parts.append(histograms.fill(bins, weights))
        pairs.append(np.zeros((histograms.size, histograms.size)))
        for a in bins.T:
            for b in bins.T:
                np.add.at(pairs[-1], (a, b), weights)
    moved = [
        histograms.fill(
            histograms.bins(signal["x"] * (1 + side * 0.004), signal["y"] * (1 + side * 0.01)),
            np.full(SIDE**2, SIGNAL / SIDE**2),
        )
        for side in (1, -1)
    ]
    slopes = np.stack([*parts, 0.5 * (moved[0] - moved[1])], axis=1)
    scores = slopes / (parts[0] + parts[1])[:, None]
    prior = np.diag([0.0, 0.0, 1.0])
    known = sandwich(slopes.T @ scores + prior, scores.T @ (pairs[0] + pairs[1]) @ scores + prior)
    alone = sandwich(np.array([[2 * SIGNAL]]), np.array([[pairs[0].sum()]]))
    assert abs(alone.width[0] - np.sqrt(2)) < 1e-9
    rows = []
    for k, name in enumerate(PARAMETERS):
        row = {"table": "errors", "method": "binned", "parameter": name}
        rows += [
            exact("audit", "claimed_error", float(known.claimed[k]), **row),
            exact("audit", "inflate_by", float(known.width[k]), **row),
        ]
    return rows


if __name__ == "__main__":
    record(__file__, values)
