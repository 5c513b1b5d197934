"""How location and scale of the observables depend on the parameters."""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.settings.study import Study


class Response(NamedTuple):
    """Location mu_o(theta) = mu_o * prod_k (1 + s_ok theta_k), and the same form for the scale.

    The product form is that of the poster study, section "Calibration". Arrays are numpy's or
    JAX's; as a tuple of arrays a response can be an argument of a compiled function.

    Attributes:
        mu: Location at theta = 0, shape (observables,), in the observables' units.
        mu_slopes: Relative slopes of the location, shape (observables, parameters).
        sigma: Scale at theta = 0, shape (observables,), in the observables' units.
        sigma_slopes: Relative slopes of the scale, shape (observables, parameters).
    """

    mu: NDArray[np.float64]
    mu_slopes: NDArray[np.float64]
    sigma: NDArray[np.float64]
    sigma_slopes: NDArray[np.float64]

    @classmethod
    def from_study(cls, study: Study) -> Self:
        """The true response of a study."""
        names = study.parameter_names

        def slopes(key: str) -> NDArray[np.float64]:
            rows = (getattr(observable, key) for observable in study.observable)
            return np.array([[row.get(name, 0.0) for name in names] for row in rows])

        return cls(
            mu=np.array([observable.mu for observable in study.observable]),
            mu_slopes=slopes("mu_slopes"),
            sigma=np.array([observable.sigma for observable in study.observable]),
            sigma_slopes=slopes("sigma_slopes"),
        )

    def __call__(self, theta: Any) -> tuple[Any, Any]:
        """Location and scale at theta.

        Args:
            theta: Shape (..., parameters), in the parameters' units.

        Returns:
            Location and scale, each of shape (..., observables), in the observables' units.
        """
        steps = theta[..., None, :]
        return (
            self.mu * (1.0 + self.mu_slopes * steps).prod(-1),
            self.sigma * (1.0 + self.sigma_slopes * steps).prod(-1),
        )
