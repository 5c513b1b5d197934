"""How the observables of one event come to depend on each other.

Both models start from the same independent standard normals, one per event and observable, and
a correlation matrix R = L L^T:

- `linear` turns each normal into a standardised draw of its family and mixes the draws with L;
  for two observables this is the poster's m~_W = rho m^_t + sqrt(1 - rho^2) m^'_W. It keeps the
  marginals only if all families are Gaussian.
- `gaussian_copula` mixes the normals with L and turns the mixtures into draws of the families;
  every marginal is exact. R is the correlation of the normals; Spearman's rank correlation of
  the observables is (6 / pi) asin(R / 2) (Kruskal 1958, doi:10.1080/01621459.1958.10501481).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pullfactory.densities import Family

__all__ = ["Mixer", "mixer"]

Mixer = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Takes a Cholesky factor, returns standardised events, shape (observables, ..., events)."""


def mixer(normals: NDArray[np.float64], families: Sequence[Family], dependence: str) -> Mixer:
    """Prepare the events of one block for every correlation of a scan.

    What does not depend on the correlation is done once, here.

    Args:
        normals: Independent standard normals, shape (observables, ...).
        families: One density family per observable.
        dependence: "linear" or "gaussian_copula".

    Returns:
        A function from a Cholesky factor, shape (observables, observables), to standardised
        events u = (x - mu) / sigma of the same shape as `normals`.
    """
    if dependence == "gaussian_copula":

        def copula(cholesky: NDArray[np.float64]) -> NDArray[np.float64]:
            events = _mix(cholesky, normals)
            for row, member in zip(events, families, strict=True):
                row[...] = member.from_normal(row)
            return events

        return copula

    hats = np.empty_like(normals)
    for hat, row, member in zip(hats, normals, families, strict=True):
        hat[...] = (member.from_normal(row) - member.mean) / member.std

    def linear(cholesky: NDArray[np.float64]) -> NDArray[np.float64]:
        events = _mix(cholesky, hats)
        for row, member in zip(events, families, strict=True):
            if (member.mean, member.std) != (0.0, 1.0):
                row *= member.std
                row += member.mean
        return events

    return linear


def _mix(cholesky: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The product L rows over the observable axis, term by term: no temporaries of that size."""
    mixed = np.empty_like(rows)
    scratch = np.empty_like(rows[0])
    for i, out in enumerate(mixed):
        np.multiply(rows[i], cholesky[i, i], out=out)
        for j in range(i):
            if cholesky[i, j] != 0.0:
                np.multiply(rows[j], cholesky[i, j], out=scratch)
                out += scratch
    return mixed
