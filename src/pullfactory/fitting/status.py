"""How a fit ended."""

from enum import IntEnum


class FitStatus(IntEnum):
    """One enumeration everywhere; files hold the names in lower case."""

    CONVERGED = 0
    """The gradient vanishes and the Hessian is positive definite beyond rounding."""
    RECOVERED = 1
    """The batched fit failed, Minuit found a valid minimum."""
    AT_BOUND = 2
    """Converged with at least one parameter at its bound; that one has no error."""
    NOT_POSITIVE_DEFINITE = 3
    """The gradient vanishes, but the Hessian gives no covariance: it has a direction that rounding
    alone may have made, or an error larger than the range of its parameter."""
    ITERATION_LIMIT = 4
    """Still moving after the last iteration."""
    NON_FINITE = 5
    """The likelihood is not finite where the fit starts, or no finite step goes down."""

    @property
    def label(self) -> str:
        """The name as written in files."""
        return self.name.lower()
