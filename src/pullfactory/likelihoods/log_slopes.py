"""How the logarithms of rates change with the parameters."""

from pullfactory._jax import jax, jit, jnp
from pullfactory.likelihoods.binned import BinnedLikelihood


@jit
def log_slopes(likelihood: BinnedLikelihood, theta: jax.Array) -> jax.Array:
    """Derivatives of the logarithms of the rates, 0 where there is no rate.

    Args:
        likelihood: Of the rates.
        theta: Shape (toys, parameters).

    Returns:
        Shape (toys, bins, parameters).
    """

    def one(at: jax.Array) -> jax.Array:
        rates = likelihood.expected(at)[:, None]
        slopes = likelihood.slopes(at)
        return jnp.where(rates > 0, slopes / jnp.where(rates > 0, rates, 1.0), 0.0)

    return jax.vmap(one)(theta)
