"""Histograms of calibration samples: templates, and spectra in fine regular bins."""

import json
from typing import Any

import hist
import numpy as np
import uhi.io.json
from numpy.typing import NDArray

from pullfactory.numbers import finite_array
from pullfactory.settings.sections import Observable

SPECTRUM_BINS = 100
_MOST_EVENTS = 1e15  # beyond, numbers of events are no longer exact


def fine_edges(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of the bins of a spectrum.

    Args:
        edges: Of the bins of the templates, shape (bins + 1,).
    """
    return np.linspace(edges[0], edges[-1], SPECTRUM_BINS + 1)


def with_tails(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """The edges with one more on either side, so that the open bins are not those drawn."""
    return np.concatenate([[edges[0] - 1.0], edges, [edges[-1] + 1.0]])


def varied_histogram(
    labels: tuple[str, ...],
    observable: Observable,
    edges: NDArray[np.float64],
    values: NDArray[np.float64],
) -> hist.Hist[Any]:
    """A histogram with axes `variation` and the observable.

    Args:
        labels: Names of the points.
        observable: Gives name, label and unit.
        edges: Of its bins, in its unit, shape (bins + 1,).
        values: Shape (points, bins).
    """
    unit = f" [{observable.unit}]" if observable.unit else ""
    label = f"{observable.label or observable.name}{unit}"
    variation = hist.axis.StrCategory(labels, name="variation", label="variation", overflow=False)
    axis = hist.axis.Variable(edges, name=observable.name, label=label, flow=False)
    histogram = hist.Hist(variation, axis, storage=hist.storage.Double())
    histogram[...] = values
    return histogram


def to_uhi(histogram: hist.Hist[Any]) -> dict[str, Any]:
    """Plain data for JSON, in the form of UHI."""
    plain: dict[str, Any] = json.loads(json.dumps(histogram, default=uhi.io.json.default))
    return plain


def from_uhi(data: dict[str, Any], points: int) -> hist.Hist[Any]:
    """The inverse of `to_uhi`.

    Args:
        data: What it gave.
        points: How many there are.

    Raises:
        ValueError: If it is no histogram of so many points, or a content cannot be counted.
    """
    histogram = hist.Hist(json.loads(json.dumps(data), object_hook=uhi.io.json.object_hook))
    if np.any(np.abs(finite_array(histogram.values(), points, -1)) > _MOST_EVENTS):
        raise ValueError("a bin has more events than can be counted")
    return histogram
