"""What an audit tells of an optimal combination of its observables."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal, Self

from pullfactory.described import Count, Later, Part, Size, row_of
from pullfactory.numbers import finite_or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimalRow:
    """One parameter in an optimal combination of the observables.

    Attributes:
        parameter: Name.
        claimed_error: Error that the combination is expected to have, in the parameter's unit,
            without the noise of the templates.
        product_error: Actual error of the product of the observables; None where it is withheld.
        template_noise: What the finite number of nominal events adds to the estimates.
        slope: What the estimate moves for each unit of truth, with templates as noisy as they are.
        slope_error: Its error.
        whole_error: Spread of estimate - truth, with the noise of the templates; None where that
            hides it, as `calibrated_error`.
        calibrated_error: Error of the estimate divided by its slope; None for a constrained
            parameter.
        estimate: From the data; None without, as what follows.
        error: Of the estimate, its own.
        sandwich_error: The same from the events of the data, as a check.
        blinded: There where a hidden offset is in the estimate.
    """

    parameter: str
    claimed_error: Size | None
    product_error: Size | None
    template_noise: Size | None
    slope: float | None
    slope_error: Size | None
    whole_error: Size | None
    calibrated_error: Size | None
    estimate: float | None = None
    error: Size | None = None
    sandwich_error: Size | None = None
    blinded: Annotated[Literal[True] | None, Later] = None

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `audit.json`; no NaN."""
        row = finite_or_none(asdict(self))
        return row if self.blinded else {k: v for k, v in row.items() if k != "blinded"}

    def withheld(self) -> Self:
        """The same where actual errors are kept back."""
        return replace(self, product_error=None, whole_error=None, calibrated_error=None)

    def moved(self, by: float, *, blinded: bool) -> Self:
        """The same with an offset in its estimate.

        Args:
            by: Added to it.
            blinded: Whether it hides the estimate.
        """
        at = None if self.estimate is None else self.estimate + by
        return replace(self, estimate=at, blinded=True if blinded else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimalWeight:
    """How much one observable counts for one parameter.

    Attributes:
        parameter: Name.
        observable: Name, or "constraint" for what the auxiliary value of the parameter adds.
        product: Part of a shift of the parameter that the estimate of the product learns from it;
            those of a parameter add up to 1.
        optimal: The same in the optimal combination.
    """

    parameter: str
    observable: str
    product: float
    optimal: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimalFit:
    """The observables combined optimally, beside their product.

    Attributes:
        method: `binned_optimal` or `unbinned_optimal`.
        reason: Why there is none; None where there is one.
        elements: Independent combinations of bins or scores that are measurements.
        null: Those that always have the same value, and are left out.
        status: How the fit of the data ended; None without, as what follows.
        chi_square: Of what was observed beyond the fitted expectation.
        degrees: Its degrees of freedom.
        p_value: Probability of a larger one.
        rows: Of the parameters; empty where there is none.
        weights: How much each observable counts for each parameter; absent in earlier audits.
    """

    method: str
    reason: str | None
    elements: Count = 0
    null: Count = 0
    status: str | None = None
    chi_square: Size | None = None
    degrees: Count | None = None
    p_value: Part | None = None
    rows: tuple[OptimalRow, ...] = ()
    weights: Annotated[tuple[OptimalWeight, ...], Later] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in `audit.json`."""
        own = {key: getattr(self, key) for key in self.__slots__}
        weights = [asdict(row) for row in self.weights]
        return {
            **finite_or_none(own),
            "rows": [row.to_dict() for row in self.rows],
            "weights": weights,
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """As it was before it was written.

        Args:
            row: From `to_dict`.
        """
        rows = tuple(row_of(OptimalRow, one) for one in row["rows"])
        weights = tuple(row_of(OptimalWeight, one) for one in row.get("weights", ()))
        return cls(**{**row, "rows": rows, "weights": weights})
