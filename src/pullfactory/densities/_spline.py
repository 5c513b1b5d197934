"""A density whose log is a cubic spline: any smooth shape, as fitted to a sample."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pullfactory._jax import jax, jnp
from pullfactory.errors import StudyError

from ._family import Family, FloatArray
from ._spline_table import SplineTable, spline_quantile, spline_table

_FEWEST_KNOTS = 3
_KNOTS_AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Spline(Family):
    """log f(u) is a natural cubic spline between the outermost knots, linear beyond them.

    It is twice continuously differentiable, and its tails are exponential (Stone 1990,
    doi:10.1214/aos/1176347628; Kooperberg and Stone 1991,
    doi:10.1016/0167-9473(91)90115-I).
    mu and sigma are those with which the sample was standardised, not mean and standard
    deviation. The family has no shape parameters that a study file could name; `fit_spline`
    makes its members.

    Attributes:
        knots: Positions of the knots in u, increasing.
        values: Log density at the knots, up to a constant that the normalisation determines.
    """

    name: ClassVar[str] = "spline"

    knots: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse knots and values that are no density.

        Raises:
            StudyError: If there are too few knots, their number is not that of the values, one
                is no finite number, knots do not increase, or a tail does not fall.
        """
        if len(self.knots) < _FEWEST_KNOTS or len(self.knots) != len(self.values):
            raise StudyError(
                f"density 'spline': {len(self.knots)} knots and {len(self.values)} values; give "
                f"a value to each of at least {_FEWEST_KNOTS} knots"
            )
        for label, numbers in (("knots", self.knots), ("values", self.values)):
            for position, number in enumerate(numbers):
                if not math.isfinite(number):
                    raise StudyError(
                        f"density 'spline': {label}[{position}] = {number!r} must be a finite "
                        "number; give one"
                    )
        for position, step in enumerate(np.diff(self.knots), start=1):
            if step <= 0.0:
                raise StudyError(
                    f"density 'spline': knots[{position}] = {self.knots[position]!r} must be "
                    "greater than the knot before; sort the knots and drop repeated ones"
                )
        slopes = self._table.polynomials[1]
        for end, sign, slope in (("below", 1.0, slopes[0]), ("above", -1.0, slopes[-1])):
            if not sign * slope > 0.0:
                raise StudyError(
                    f"density 'spline': the slope of the log density {end} the knots is "
                    f"{slope:.3g}, and the density cannot be normalised; lower the outermost value"
                )

    @property
    def mean(self) -> float:
        """Mean of u, by quadrature between the knots and in closed form beyond."""
        return self._table.moments()[0]

    @property
    def std(self) -> float:
        """Standard deviation of u, likewise."""
        return self._table.moments()[1]

    def log_density(self, u: jax.Array) -> jax.Array:
        """Normalised log f(u), twice continuously differentiable; see `Family.log_density`."""
        x, (c0, c1, c2, c3) = self._polynomial(u)
        return ((c3 * x + c2) * x + c1) * x + c0

    def derivatives(self, u: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """All three from the coefficients of one interval; see `Family.derivatives`."""
        x, (c0, c1, c2, c3) = self._polynomial(u)
        value = ((c3 * x + c2) * x + c1) * x + c0
        slope = (3.0 * c3 * x + 2.0 * c2) * x + c1
        return value, slope, 6.0 * c3 * x + 2.0 * c2

    def tail(self, u: jax.Array) -> tuple[jax.Array, jax.Array]:
        """As seen from the median, about 1e-14 relative; see `Family.tail`."""
        table = self._table
        edges = jnp.asarray(table.edges)
        last = len(table.edges) - 2
        panel = jnp.clip(jnp.searchsorted(edges, u, side="right") - 1, 0, last)
        x = jnp.clip((u - edges[panel]) / (edges[panel + 1] - edges[panel]), 0.0, 1.0)
        part = jnp.zeros_like(x)
        for column in table.integral[::-1]:
            part = (part + jnp.asarray(column)[panel]) * x
        above = u > table.middle
        inside = jnp.where(
            above, jnp.asarray(table.upper)[panel] - part, jnp.asarray(table.lower)[panel] + part
        )
        beyond = jnp.where(
            above,
            table.polynomials[1, -1] * jnp.maximum(u - table.edges[-1], 0.0),
            table.polynomials[1, 0] * jnp.minimum(u - table.edges[0], 0.0),
        )
        return inside * jnp.exp(beyond), above

    def cdf(self, u: FloatArray) -> FloatArray:
        """Cumulative distribution, from the tail that is smaller; see `Family.cdf`."""
        below, above = self._table.tails(u)
        return np.where(below < above, below, 1.0 - above)

    def from_normal(self, z: FloatArray) -> FloatArray:
        """Interpolation in a table, exponential tails beyond; see `Family.from_normal`."""
        return spline_quantile(self.knots, self.values, z)

    @property
    def _table(self) -> SplineTable:
        return spline_table(self.knots, self.values)

    def _polynomial(self, u: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        """Distance from the origin of the interval, and the coefficients there.

        Comparing with every knot is faster than any search for as few knots as these; a sum over
        more than 32 at once would no longer be one loop over the events.
        """
        table = self._table
        groups = np.split(table.knots, range(_KNOTS_AT_ONCE, len(table.knots), _KNOTS_AT_ONCE))
        interval = jnp.zeros(jnp.shape(u), dtype=jnp.int64)
        for group in groups:
            interval += jnp.sum(u[..., None] >= jnp.asarray(group), axis=-1)
        x = u - jnp.asarray(table.origins)[interval]
        return x, tuple(jnp.asarray(column)[interval] for column in table.polynomials)
