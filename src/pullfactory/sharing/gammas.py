"""Gammas of channels whose templates are made of the same simulated events."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import printable
from pullfactory.sharing.filled import Filled
from pullfactory.sharing.point import Point


def gamma_covariance(
    point: Point,
    workspace: Mapping[str, Any],
    simulated: Mapping[str, Filled],
    gammas: Mapping[int, int],
) -> NDArray[np.float64]:
    """Covariance of the scores of gammas beside its diagonal.

    K_ab = D_a D_b sum of w_a w_b / (n_a n_b): D the information of a gamma, n the template of the
    samples that carry it, the sum over their events.

    Args:
        point: Of the workspace.
        workspace: Its content.
        simulated: Events of each sample, with the weights of the templates.
        gammas: Bin of each gamma, from `gamma_bins`.

    Returns:
        Shape (parameters, parameters).
    """
    carried, content = _carried(point, workspace)
    products = np.zeros((len(content), len(content)))
    for name, matrix in simulated.items():
        inside = carried.get(name)
        if inside is None:
            continue
        products += np.outer(inside, inside) * np.asarray((matrix.T @ matrix).toarray())
    np.fill_diagonal(products, 0.0)
    position = np.array(list(gammas), dtype=int)
    at = np.array(list(gammas.values()), dtype=int)
    found = np.zeros((len(point.theta), len(point.theta)))
    if len(position):
        scale = point.constraint[position] / content[at]
        found[np.ix_(position, position)] = np.outer(scale, scale) * products[np.ix_(at, at)]
    return found


def _carried(
    point: Point, workspace: Mapping[str, Any]
) -> tuple[dict[str, NDArray[np.bool_]], NDArray[np.float64]]:
    """In which bins each sample has a gamma, and the templates of those that have."""
    bins = len(point.rates)
    carried: dict[str, NDArray[np.bool_]] = {}
    content = np.zeros(bins)
    for channel in workspace["channels"]:
        where = point.likelihood.channel_slice(printable(channel["name"]))
        for sample in channel["samples"]:
            if any(modifier["type"] == "staterror" for modifier in sample["modifiers"]):
                name = printable(sample["name"])
                carried.setdefault(name, np.zeros(bins, dtype=bool))[where] = True
                content[where] += np.array(sample["data"], dtype=np.float64)
    return carried, content
