"""Points off the axes: what a density does where two parameters change at once.

Shifts of the estimates at theta_j = +-1 and theta_k = +-1 add up to that at the point where both
are, if what the density leaves out is a sum of what it leaves out with either. What the shift there
has beyond is known as well as paired differences are, since the points share events.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pullfactory.inference.density_rows import DensityCorner
from pullfactory.inference.density_sums import PointNumbers, covariance

_SIGNS = np.array([1.0, -1.0, -1.0, 1.0])  # of the corner, its two axes, and the nominal point


def corner_rows(
    points: Sequence[PointNumbers],
    names: Sequence[str],
    labels: Sequence[str],
    far: NDArray[np.float64],
) -> Iterator[DensityCorner]:
    """Rows of the points where two parameters change, if those on their axes are there.

    Args:
        points: Of all held-out samples, the nominal one first.
        names: Of the parameters.
        labels: Of the points.
        far: How far truth or fit error go, shape (parameters,), in the parameters' units.
    """
    at = {tuple(one.theta): one for one in points}
    for point, label in zip(points, labels, strict=True):
        moved = np.flatnonzero(point.theta)
        axes = [tuple(np.where(np.arange(len(names)) == k, point.theta, 0.0)) for k in moved]
        if len(moved) != 2 or not all(axis in at for axis in axes):
            continue
        four = [point, *(at[axis] for axis in axes), points[0]]
        spread = covariance([one.shift for one in four], [one.sample for one in four])
        extra = np.tensordot(_SIGNS, [one.shift[0] for one in four], axes=1)
        variance = np.einsum("i,ijk,j->k", _SIGNS, spread, _SIGNS)
        width = covariance([point.width], [0])[0, 0]
        reach = np.prod(np.minimum(1.0, far[moved] / np.abs(point.theta[moved])))
        for k, name in enumerate(names):
            yield DensityCorner(
                point=label,
                parameter=name,
                shift=float(point.shift[0, k]),
                shift_error=float(np.sqrt(spread[0, 0, k])),
                extra=float(extra[k]),
                extra_error=float(np.sqrt(max(variance[k], 0.0))),
                reach=float(reach),
                width=float(point.width[0, k]),
                width_error=float(np.sqrt(width[k])),
            )
