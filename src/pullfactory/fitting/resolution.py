"""Which directions an information can tell from rounding.

An information H (shape (parameters, parameters)) is scaled to a unit diagonal, and its eigenvalues
are compared with what rounding alone may make of a zero. To first order an error E of the scaled
matrix moves the eigenvalue of the unit vector v by v^T E v. An entry of H is a sum of m products of
slopes; scaled, their absolute values add up to no more than 1 (Cauchy and Schwarz), so that the
sum is known to m eps (Higham 2002, Accuracy and stability of numerical algorithms, eq. 3.5). A
slope itself comes from a few tens of operations on numbers as large as its rate: factors, sums of
samples, and the polynomials of degree six with which pyhf interpolates. Its error is c eps of
the rate, per step of the parameter of the size max(1, |theta_k|), which in units of the scaled
column is c eps r_k, with

    r_k = sqrt(1 + N / (H_kk max(1, theta_k^2))),

N the sum of the rates or the size of the likelihood. Together

    |v^T E v| <= eps [m (sum_k |v_k|)^2 + 2 c (sum_k |v_k|) (sum_k r_k |v_k|)].

An eigenvalue below that is no information. Nothing in it is fitted to cases: m, N and H are
those at hand, and c = 32 is the length of a polynomial of degree six and the factors around it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_OPERATIONS = 32
_PART = 1e-3  # of a unit vector: a parameter with less of a flat direction is none of it


class Spectrum(NamedTuple):
    """Eigenvalues and eigenvectors of informations with unit diagonals.

    Attributes:
        values: Ascending, shape (..., parameters), dimensionless.
        vectors: In columns, shape (..., parameters, parameters), dimensionless.
        scale: Standard deviation of each parameter alone, shape (..., parameters), in its unit.
        flat: Whether an eigenvalue is no larger than rounding may make it, same shape as `values`.
    """

    values: NDArray[np.float64]
    vectors: NDArray[np.float64]
    scale: NDArray[np.float64]
    flat: NDArray[np.bool_]

    @property
    def inverse(self) -> NDArray[np.float64]:
        """Covariances, shape (..., parameters, parameters); NaN where a direction is flat."""
        known = np.where(self.flat, np.nan, self.values)
        rows = self.vectors * self.scale[..., :, None]
        return np.asarray((rows / known[..., None, :]) @ np.swapaxes(rows, -1, -2))


def spectrum(
    information: NDArray[np.float64],
    *,
    terms: int,
    size: ArrayLike,
    theta: ArrayLike = 0.0,
) -> Spectrum:
    """Eigenvalues of informations, and whether they can be told from rounding.

    Args:
        information: Shape (..., parameters, parameters), symmetric.
        terms: Number of products that are summed in an entry: bins or events, and constraints.
        size: Sum of the rates, or of the terms of the negative log-likelihood; shape (...).
        theta: Where the information was taken, shape (..., parameters), in the parameters' units.
    """
    finite = np.all(np.isfinite(information), axis=(-1, -2))
    identity = np.eye(information.shape[-1])
    known = np.where(finite[..., None, None], information, identity)
    diagonal = np.diagonal(known, axis1=-2, axis2=-1)
    scale = 1.0 / np.sqrt(np.where(diagonal != 0, np.abs(diagonal), 1.0))
    step = np.square(scale / np.maximum(1.0, np.abs(theta)))
    ratio = np.sqrt(1.0 + np.asarray(size)[..., None] * step)
    eps = np.finfo(np.float64).eps
    idle = 2 * _OPERATIONS * eps * ratio > 1.0  # what a parameter does by itself is rounding
    outside = idle[..., :, None] | idle[..., None, :]
    scaled = np.where(outside, 0.0, known * scale[..., :, None] * scale[..., None, :])
    values, vectors = np.linalg.eigh(scaled)
    length = np.abs(vectors).sum(axis=-2)
    weighted = (ratio[..., None] * np.abs(vectors)).sum(axis=-2)
    rounding = terms * length**2 + 2 * _OPERATIONS * length * weighted
    flat = ~(values > eps * rounding) | ~finite[..., None]
    return Spectrum(values, vectors, scale, flat)


def flat_groups(found: Spectrum) -> tuple[tuple[int, ...], ...]:
    """Parameters that a flat direction mixes, each group by itself; none if nothing is flat.

    Args:
        found: Of one information.

    Returns:
        Positions; those with the largest part of the direction first.
    """
    basis = found.vectors[:, found.flat]
    within = basis @ basis.T
    mixed = np.abs(within) > _PART
    left = [int(k) for k in np.argsort(-np.diag(within), kind="stable") if mixed[k, k]]
    groups = []
    while left:
        group = {left[0]}
        while more := {k for k in left if mixed[k, list(group)].any()} - group:
            group |= more
        groups.append(tuple(k for k in left if k in group))
        left = [k for k in left if k not in group]
    return tuple(groups)
