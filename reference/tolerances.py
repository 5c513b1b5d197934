"""How far an answer may be from its reference: the only place that says so.

With the reference r and its standard error e_r, the answer a and its own e_a, and a scale s (the
size of r, or for an estimate the standard error of the fit), a is right if

    |a - r| <= errors sqrt(e_r^2 + e_a^2) + relative s.

The two numbers of a tier are derived below. Four standard errors: the reference has some 150
values with an error, and a right one is beyond 4 with a probability of 6e-5, so that all of them
stay within in 99 of 100 draws. A tier without an error in both programs has `errors` = 4 too,
which then multiplies 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["TIERS", "Tier"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One tolerance.

    Attributes:
        errors: Standard errors that are allowed.
        relative: Part of the scale that is allowed besides.
        why: Where the two come from.
    """

    errors: float
    relative: float
    why: str

    def allowed(self, error: float, scale: float) -> float:
        """The largest difference that passes.

        Args:
            error: Standard errors of reference and answer, added in quadrature.
            scale: What `relative` is a part of.
        """
        return self.errors * error + self.relative * abs(scale)


TIERS: Mapping[str, Tier] = MappingProxyType(
    {
        "same": Tier(
            errors=0.0,
            relative=0.0,
            why="yes or no, a name, or null: nothing lies between",
        ),
        "algebra": Tier(
            errors=4.0,
            relative=1e-6,
            why="the same finite sums in double precision (2e-16), through inverses of condition "
            "1e8 at most, or derivatives by differences, good to 1e-8",
        ),
        "minimum": Tier(
            errors=4.0,
            relative=2e-3,
            why="a minimum found twice: Minuit stops at an estimated distance of 2e-7 above the "
            "lowest value (tolerance 1e-4), which is sqrt(2 x 2e-7) = 6e-4 standard errors; its "
            "second derivatives by differences are good to 1e-3",
        ),
        "asymptotic": Tier(
            errors=4.0,
            relative=5e-3,
            why="the leading term of an expansion in 1 / events: at 1000 events the next one is a "
            "few 1e-3; also integrals over a density by 1e5 to 1e6 points",
        ),
        "sampling": Tier(
            errors=4.0,
            relative=0.01,
            why="widths of two independent sets of toys, or of replicas: what both leave out, such "
            "as fits that failed and observed against expected information, is below 1 %",
        ),
        "repaired": Tier(
            errors=3.0,
            relative=0.03,
            why="what the package promises of a corrected error: 3 % and 3 standard errors",
        ),
        "told": Tier(
            errors=4.0,
            relative=0.05,
            why="a formula to first order in the variance of a noise, beside toys that have all "
            "orders: the second is below 5 % where the first is below 50 %",
        ),
        "closure": Tier(
            errors=4.0,
            relative=0.02,
            why="a width predicted without toys beside that of toys: 0.02 at widths near 1",
        ),
    }
)
