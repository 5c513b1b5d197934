"""What pyhf says of the auxiliary values of a model."""

from typing import Any, NamedTuple


class Term(NamedTuple):
    """One auxiliary value: a measurement of one parameter."""

    position: int
    poisson: bool
    factor: float
    sigma: float


def auxiliary_terms(config: Any) -> list[Term]:
    """The auxiliary terms of a model, in the order of its auxiliary data.

    Args:
        config: That of a pyhf model.
    """
    terms: list[Term] = []
    for name in config.auxdata_order:
        parameter = config.param_set(name)
        n = parameter.n_parameters
        poisson = parameter.pdf_type == "poisson"
        first = config.par_slice(name).start
        factors = parameter.factors if poisson else [1.0] * n
        sigmas = [1.0] * n if poisson else getattr(parameter, "sigmas", [1.0] * n)
        terms += [Term(first + i, poisson, float(factors[i]), float(sigmas[i])) for i in range(n)]
    return terms
