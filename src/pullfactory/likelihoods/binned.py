"""The HistFactory likelihood of any pyhf model, batched.

The rates are pyhf's, traced once (`_trace`). Around them stand the terms that HistFactory
defines (arXiv:1007.1727 for the Asimov set, CERN-OPEN-2012-016 for the model): a Poisson term a
bin and a Gaussian or Poisson term an auxiliary value, with pyhf's own constants, so that `nll`
is minus pyhf's `logpdf`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pyhf
from jax.scipy.special import gammaln
from numpy.typing import NDArray

from pullfactory._jax import jax, jnp
from pullfactory.calibration import Calibration
from pullfactory.calibration.binning import count_events
from pullfactory.likelihoods._likelihood import Expansion, Likelihood, Method
from pullfactory.likelihoods._trace import Program, trace_rates
from pullfactory.simulation.toys import ToyBlock
from pullfactory.workspace import build_workspace

__all__ = ["BinnedLikelihood", "binned_method"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BinnedLikelihood(Likelihood):
    """The likelihood of a pyhf model. Data: main then auxiliary data in pyhf's order.

    Attributes:
        constants: Arrays of the traced rates.
        init: Initial parameters, shape (parameters,).
        limits: Bounds of the parameters, shape (parameters, 2).
        held: Parameters fixed in the measurement, shape (parameters,).
        aux_sigma: Widths of the Gaussian auxiliary terms, shape (auxdata,); 1 where Poisson.
        nominal_aux: Auxiliary data of the model, shape (auxdata,).
        program: The traced rates.
        names: Names of the parameters, components counted as `name[0]`.
        channels: Name and number of bins of each channel, in the order of the data.
        aux_names: Parameter of each auxiliary value.
        aux_poisson: Whether an auxiliary term is Poisson.
    """

    constants: tuple[jax.Array, ...]
    init: NDArray[np.float64]
    limits: NDArray[np.float64]
    held: NDArray[np.bool_]
    aux_sigma: NDArray[np.float64]
    nominal_aux: NDArray[np.float64]
    program: Program = field(metadata={"static": True})
    names: tuple[str, ...] = field(metadata={"static": True})
    channels: tuple[tuple[str, int], ...] = field(metadata={"static": True})
    aux_names: tuple[str, ...] = field(metadata={"static": True})
    aux_poisson: tuple[bool, ...] = field(metadata={"static": True})

    @classmethod
    def from_pyhf(cls, source: pyhf.Model | pyhf.Workspace) -> Self:
        """Make a likelihood of an unmodified pyhf model.

        Args:
            source: A model, or a workspace, of which the default measurement is used.
        """
        model = source.model() if isinstance(source, pyhf.Workspace) else source
        config = model.config
        program, constants = trace_rates(model)
        poisson: list[bool] = []
        sigma: list[float] = []
        aux_names: list[str] = []
        for name in config.auxdata_order:
            terms = config.param_set(name)
            is_poisson = terms.pdf_type == "poisson"
            poisson += [is_poisson] * terms.n_parameters
            sigma += list(getattr(terms, "sigmas", [1.0] * terms.n_parameters))
            aux_names += [
                name if terms.is_scalar else f"{name}[{i}]" for i in range(terms.n_parameters)
            ]
        return cls(
            constants=constants,
            init=np.array(config.suggested_init(), dtype=np.float64),
            limits=np.array(config.suggested_bounds(), dtype=np.float64),
            held=np.array(config.suggested_fixed(), dtype=bool),
            aux_sigma=np.where(poisson, 1.0, np.array(sigma, dtype=np.float64)),
            nominal_aux=np.array(config.auxdata, dtype=np.float64),
            program=program,
            names=tuple(config.par_names),
            channels=tuple((name, config.channel_nbins[name]) for name in config.channels),
            aux_names=tuple(aux_names),
            aux_poisson=tuple(poisson),
        )

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters, in pyhf's order."""
        return self.names

    @property
    def start(self) -> NDArray[np.float64]:
        """Initial parameters of the measurement."""
        return self.init

    @property
    def bounds(self) -> NDArray[np.float64]:
        """Bounds of the measurement, shape (parameters, 2)."""
        return self.limits

    @property
    def fixed(self) -> NDArray[np.bool_]:
        """Parameters that the measurement fixes."""
        return self.held

    @property
    def n_main(self) -> int:
        """Number of bins of all channels."""
        return sum(bins for _, bins in self.channels)

    def expected(self, theta: jax.Array) -> jax.Array:
        """Rates of the bins, then expected auxiliary data; shape (bins + auxdata,)."""
        return self.program(self.constants, theta)[0]

    def nll(self, theta: jax.Array, data: jax.Array) -> jax.Array:
        """Minus pyhf's logpdf; theta of shape (parameters,), data of shape (bins + auxdata,)."""
        return self._sum(self.expected(theta), data)

    def expansion(self, theta: jax.Array, data: jax.Array) -> Expansion:
        """Gauss-Newton: exact gradient, a curvature without the rates' second derivatives.

        With rates lambda, observed n and J = d lambda / d theta the gradient of a Poisson term is
        J^T (1 - n / lambda) and its curvature J^T diag(n / lambda^2) J.
        """
        rates = self.expected(theta)
        jacobian = jax.jacfwd(self.expected)(theta)
        counts, values = self._split
        seen = data[counts] / _log_argument(rates[counts], data[counts])
        width = jnp.asarray(self.aux_sigma)[values - self.n_main]
        slope = jnp.concatenate([1.0 - seen, (rates[values] - data[values]) / width**2])
        weight = jnp.concatenate([seen**2 / jnp.where(seen > 0, data[counts], 1.0), width**-2.0])
        ordered = jacobian[np.concatenate([counts, values])]
        return Expansion(
            self._sum(rates, data), ordered.T @ slope, (ordered * weight[:, None]).T @ ordered
        )

    def data(
        self,
        channels: Mapping[str, NDArray[np.float64]],
        aux: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> NDArray[np.float64]:
        """Put counts and auxiliary values into the order of the model.

        Args:
            channels: Counts per channel, each of shape (toys, bins).
            aux: Auxiliary values per parameter, each of shape (toys,); others are nominal.

        Returns:
            Shape (toys, bins + auxdata).
        """
        main = np.concatenate([channels[name] for name, _ in self.channels], axis=1)
        values = np.tile(self.nominal_aux, (len(main), 1))
        for name, column in (aux or {}).items():
            values[:, self.aux_names.index(name)] = column
        return np.concatenate([main, values], axis=1)

    @property
    def _split(self) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
        """Positions of the Poisson and of the Gaussian terms in the data."""
        poisson = np.array([True] * self.n_main + list(self.aux_poisson))
        return np.flatnonzero(poisson), np.flatnonzero(~poisson)

    def _sum(self, rates: jax.Array, data: jax.Array) -> jax.Array:
        counts, values = self._split
        n, rate = data[counts], rates[counts]
        width = jnp.asarray(self.aux_sigma)[values - self.n_main]
        pulls = (data[values] - rates[values]) / width
        total: jax.Array = (
            jnp.sum(rate - n * jnp.log(_log_argument(rate, n)) + gammaln(n + 1.0))
            + jnp.sum(0.5 * pulls**2 + jnp.log(width))
            + 0.5 * len(values) * np.log(2 * np.pi)
        )
        return total


def _log_argument(rate: jax.Array, n: jax.Array) -> jax.Array:
    """The rate where something was counted, else 1: n log(rate) is 0 with derivative 0 there."""
    return jnp.where(n > 0, rate, 1.0)


def binned_method(calibration: Calibration) -> Method:
    """The method `binned` of a study: the pyhf workspace made of its templates.

    Args:
        calibration: Gives the templates; the truth is not looked at.
    """
    study = calibration.study
    likelihood = BinnedLikelihood.from_pyhf(pyhf.Workspace(build_workspace(calibration)))
    constrained = [p.name for p in study.parameter if p.constraint == "normal"]

    def observe(block: ToyBlock) -> NDArray[np.float64]:
        counts = {
            name: count_events(block.events[..., o], calibration.edges[o], block.event_weights)
            for o, name in enumerate(study.observable_names)
        }
        return likelihood.data(counts, dict(zip(constrained, block.aux.T, strict=True)))

    return Method(name="binned", likelihood=likelihood, observe=observe)
