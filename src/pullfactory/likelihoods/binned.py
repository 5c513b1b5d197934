"""The HistFactory likelihood of any pyhf model, batched.

The rates are pyhf's, traced once (`_trace`). Around them stand the terms that HistFactory
defines (arXiv:1007.1727 for the Asimov set, CERN-OPEN-2012-016 for the model): a Poisson term a
bin and a Gaussian or Poisson term an auxiliary value, with pyhf's own constants, so that `nll`
is minus pyhf's `logpdf`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Self

import numpy as np
from jax.scipy.special import gammaln
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jnp, require_double_precision
from pullfactory.errors import LikelihoodError, WorkspaceError, printable
from pullfactory.likelihoods._bends import kinked, one_sided
from pullfactory.likelihoods._compact import compact
from pullfactory.likelihoods._expanding import Rates, expand_rates, expand_weighted, plain_rates
from pullfactory.likelihoods._likelihood import Expansion, Likelihood
from pullfactory.likelihoods._terms import Auxiliary, auxiliary_terms
from pullfactory.likelihoods._trace import Program, trace_rates
from pullfactory.likelihoods.arrow import Arrow, Layout
from pullfactory.likelihoods.structure import Constants, Structure, read_structure
from pullfactory.workspaces._pyhf import PYHF_LOCK, pyhf
from pullfactory.workspaces.checking import refuse_bad
from pullfactory.workspaces.reading import build_model, refuse_rates
from pullfactory.workspaces.rotation import Rotation, stated_rotation

_BLOCK_VALUES = 2**22  # numbers held at once, a few times over: 32 MB
_MAX_BLOCK = 256
_DENSE_VALUES = _BLOCK_VALUES // _MAX_BLOCK  # more of them, and structure is worth its overhead
_CURVATURES = 6  # of one toy: steps, corrections, Hessians, the covariance
_BATCH_VALUES = 2**26  # numbers in the curvatures of the toys that are fitted at once: 512 MB
_ABREAST_VALUES = 2**16  # numbers of the toys that are computed side by side: within a cache
_SHOWN = 60  # letters of a name
_OFF_KINK = 0.01  # derivatives at a kink, exactly 0, are not those of either side


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BinnedLikelihood(Likelihood):
    """The likelihood of a pyhf model. Data: main then auxiliary data in pyhf's order.

    Attributes:
        constants: Arrays of the traced rates.
        units: What 1 in the model means in the unit of each parameter here, shape
            (parameters,).
        init: Initial parameters, shape (parameters,).
        limits: Bounds of the parameters, shape (parameters, 2).
        held: Parameters that do not move in a fit, shape (parameters,).
        one_sided: Parameters whose templates for up and down do not differ from the nominal ones
            in opposite directions, shape (parameters,).
        observed: Observed main and auxiliary data, shape (bins + auxdata,); NaN in the bins if
            the model came without observations.
        aux_factor: Expected auxiliary value per unit of its parameter, shape (auxdata,): tau for
            a Poisson term, 1 for a Gaussian one, both divided by `units`.
        aux_sigma: Widths of the Gaussian terms, shape (auxdata,); 1 for a Poisson term.
        aux_used: 1 for a term of the likelihood, 0 for one that was dropped; shape (auxdata,).
        source: Digest of the model that it was made of, shape (32,).
        numbers: What `structure` is called with, or None.
        program: The traced rates.
        structure: Which parameter moves what in a large model; None for others, which are
            differentiated as a whole.
        order: Position of the parameter that each argument of `program` is.
        names: Names of the parameters, components counted as `name[0]`.
        poi: Name of the parameter of interest, or None.
        channels: Name and number of bins of each channel, in the order of the data.
        aux_index: Position of the parameter of each auxiliary value.
        aux_poisson: Whether an auxiliary term is Poisson.
        kinked: Positions of parameters whose interpolation has a kink at 0.
        model_names: What the model calls the parameters.
        rotation: From the parameters to those of the model, which are independent where these are
            correlated; shape (parameters, parameters). None where they are the same.
        coupling: Inverse correlation of the auxiliary values, less 1, shape (auxdata, auxdata);
            None where all are independent.
    """

    constants: tuple[jax.Array, ...]
    units: NDArray[np.float64]
    init: NDArray[np.float64]
    limits: NDArray[np.float64]
    held: NDArray[np.bool_]
    one_sided: NDArray[np.bool_]
    observed: NDArray[np.float64]
    aux_factor: NDArray[np.float64]
    aux_sigma: NDArray[np.float64]
    aux_used: NDArray[np.float64]
    source: NDArray[np.uint8]
    numbers: Constants | None
    program: Program = field(metadata={"static": True})
    structure: Structure | None = field(metadata={"static": True})
    order: tuple[int, ...] = field(metadata={"static": True})
    names: tuple[str, ...] = field(metadata={"static": True})
    poi: str | None = field(metadata={"static": True})
    channels: tuple[tuple[str, int], ...] = field(metadata={"static": True})
    aux_index: tuple[int, ...] = field(metadata={"static": True})
    aux_poisson: tuple[bool, ...] = field(metadata={"static": True})
    kinked: tuple[int, ...] = field(metadata={"static": True})
    model_names: tuple[str, ...] = field(metadata={"static": True})
    rotation: NDArray[np.float64] | None = None
    coupling: NDArray[np.float64] | None = None

    @classmethod
    def from_pyhf(
        cls,
        source: pyhf.Model | pyhf.Workspace,
        *,
        measurement: str | None = None,
        modifier_settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Make a likelihood of an unmodified pyhf model.

        A workspace that says of which correlated parameters its own are made (`build_workspace`)
        gives a likelihood of these.

        Args:
            source: A model, or a workspace.
            measurement: Which measurement of a workspace; None for the first.
            modifier_settings: Interpolation codes for the model of a workspace, such as
                {"normsys": "code1"}; pyhf's defaults otherwise.

        Raises:
            WorkspaceError: If the measurement or a code is unknown, or pyhf refuses the model.
            LikelihoodError: If the model is batched, or has settings of its own.
        """
        require_double_precision()
        with PYHF_LOCK:
            made = cls._from_pyhf(source, measurement, modifier_settings)
        told = stated_rotation(source) if isinstance(source, pyhf.Workspace) else None
        return made if told is None else made.rotated(told)

    @classmethod
    def _from_pyhf(
        cls,
        source: pyhf.Model | pyhf.Workspace,
        measurement: str | None,
        modifier_settings: Mapping[str, str] | None,
    ) -> Self:
        if isinstance(source, pyhf.Workspace):
            model = build_model(
                source, measurement=measurement, modifier_settings=modifier_settings
            )
        elif measurement is not None or modifier_settings is not None:
            raise LikelihoodError(
                "a model has its measurement and settings; give them with a workspace instead"
            )
        elif source.batch_size is not None:
            raise LikelihoodError("a batched model cannot be traced; build it without batch_size")
        else:
            model = source
            refuse_bad(model.spec, "model")
            refuse_rates(model)
        config = model.config
        arranged, order = compact(model)
        program, constants = trace_rates(arranged)
        structure = None
        if program.size * config.npars > _DENSE_VALUES:
            structure = read_structure(arranged, order, config.npars)
        terms = auxiliary_terms(config)
        bins = [config.channel_nbins[name] for name in config.channels]
        auxdata = np.array(config.auxdata, dtype=np.float64)
        counts = (
            np.array(source.data(model, include_auxdata=False), dtype=np.float64)
            if isinstance(source, pyhf.Workspace)
            else np.full(config.nmaindata, np.nan)
        )
        return cls(
            constants=constants,
            units=np.ones(config.npars),
            init=np.array(config.suggested_init(), dtype=np.float64),
            limits=np.array(config.suggested_bounds(), dtype=np.float64).reshape(-1, 2),
            held=np.array(config.suggested_fixed(), dtype=bool),
            one_sided=one_sided(model),
            observed=np.concatenate([counts, auxdata]),
            aux_factor=np.array([term.factor for term in terms], dtype=np.float64),
            aux_sigma=np.array([term.sigma for term in terms], dtype=np.float64),
            aux_used=np.ones(len(terms)),
            source=_digest(model),
            numbers=None if structure is None else structure[1],
            program=program,
            structure=None if structure is None else structure[0],
            order=tuple(order.tolist()),
            names=_shown(config.par_names),
            poi=None if config.poi_name is None else printable(config.poi_name),
            channels=tuple(zip(_shown(config.channels), bins, strict=True)),
            aux_index=tuple(term.position for term in terms),
            aux_poisson=tuple(term.poisson for term in terms),
            kinked=kinked(model),
            model_names=_shown(config.par_names),
        )

    def rotated(self, told: Rotation) -> Self:
        """The likelihood of correlated parameters, of which those of the model are made.

        Args:
            told: By the workspace.

        Raises:
            WorkspaceError: If the model has not all of its own, or one of them has no Gaussian
                constraint of width 1 around 0, or is fixed.
        """
        names, shown = list(self.names), dict(zip(told.independent, told.parameters, strict=True))
        where = []
        for name in set(told.parameters).difference(told.independent).intersection(names):
            raise WorkspaceError(
                f"the workspace has a parameter {name!r}, and says that it is made of others; "
                f"leave out the measurement {told.statement[:_SHOWN]!r}"
            )
        for name in told.independent:
            k = names.index(name) if name in names else -1
            terms = [term for term, position in enumerate(self.aux_index) if position == k]
            plain = [
                term
                for term in terms
                if not self.aux_poisson[term]
                and self.aux_sigma[term] == 1.0
                and self.observed[self.n_main + term] == 0.0
            ]
            if not plain or self.held[k]:
                raise WorkspaceError(
                    f"the workspace says that {', '.join(told.parameters)} are made of {name!r}, "
                    "which is no parameter with a unit Gaussian constraint around 0; leave out "
                    f"the measurement {told.statement[:_SHOWN]!r}"
                )
            where.append((k, plain[0]))
        at, used = (np.array(part) for part in zip(*where, strict=True))
        rotation, coupling = np.eye(len(names)), np.zeros((len(self.aux_index),) * 2)
        rotation[np.ix_(at, at)] = np.linalg.inv(told.root)
        inverse = np.linalg.inv(told.root @ told.root.T)
        coupling[np.ix_(used, used)] = inverse - np.eye(len(used))
        one_sided = self.one_sided.copy()
        one_sided[at] = False
        return replace(
            self,
            names=tuple(shown.get(name, name) for name in names),
            one_sided=one_sided,
            rotation=rotation,
            coupling=coupling,
            structure=None,
            numbers=None,
        )

    @property
    def start(self) -> NDArray[np.float64]:
        """Initial parameters; a little off the kinks of the interpolation."""
        start = self.init.copy()
        at_kink = np.zeros(len(start), dtype=bool)
        at_kink[list(self.kinked)] = True
        return np.where(at_kink & (start == 0) & ~self.held, _OFF_KINK, start)

    @property
    def fixed(self) -> NDArray[np.bool_]:
        """Parameters that the measurement or `fix` holds."""
        return self.held

    @property
    def folded(self) -> tuple[int, ...]:
        """One-sided parameters that move."""
        return tuple(np.flatnonzero(self.one_sided & ~self.held).tolist())

    @property
    def block(self) -> int:
        """Toys of one stream: what differentiating their rates holds in memory is bounded."""
        per_toy = self.program.size * len(self.names)
        return min(_MAX_BLOCK, 1 << max(_BLOCK_VALUES // per_toy, 1).bit_length() - 1)

    @property
    def batch(self) -> int:
        """Toys fitted at once: what their curvatures hold in memory is bounded."""
        if self.structure is None:
            return self.block
        per_toy = _CURVATURES * len(self.names) ** 2
        return min(_MAX_BLOCK, 1 << max(_BATCH_VALUES // per_toy, 1).bit_length() - 1)

    @property
    def abreast(self) -> int | None:
        """Toys computed side by side: few of a large model, one that is larger than a cache."""
        if self.structure is None:
            return None
        per_toy = self.structure.size
        return 1 << max(_ABREAST_VALUES // per_toy, 1).bit_length() - 1

    @property
    def layout(self) -> Layout | None:
        """That of a large model."""
        return None if self.structure is None else self.structure.layout

    @property
    def digest(self) -> str:
        """Of everything that was given and decides toys and fits."""
        found = sha256(self.source.tobytes())
        for values in (self.init, self.limits, self.held, self.observed, self.aux_used, self.units):
            found.update(values.tobytes())
        if self.rotation is not None:
            found.update(self.rotation.tobytes())
        return found.hexdigest()

    def channel_slice(self, name: str) -> slice:
        """Where the bins of a channel are.

        Args:
            name: Of the channel.

        Raises:
            LikelihoodError: If there is no such channel.
        """
        first = 0
        for known, bins in self.channels:
            if known == name:
                return slice(first, first + bins)
            first += bins
        names = ", ".join(known for known, _ in self.channels)
        raise LikelihoodError(f"{name!r} is no channel of the model; known: {names}")

    @property
    def n_main(self) -> int:
        """Number of bins of all channels."""
        return sum(bins for _, bins in self.channels)

    def expected(self, theta: Array) -> jax.Array:
        """Rates of the bins, shape (bins,), for theta of shape (parameters,)."""
        require_double_precision()
        values = jnp.asarray(theta) / self.units
        if self.rotation is not None:
            values = jnp.asarray(self.rotation @ values)
        return self.program(self.constants, values[np.array(self.order)])[0]

    def model_values(self, theta: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Values of the parameters of the model, by the names that it has for them.

        Args:
            theta: Shape (..., parameters).
        """
        values = theta / self.units
        if self.rotation is not None:
            values = values @ self.rotation.T
        return dict(zip(self.model_names, np.moveaxis(values, -1, 0), strict=True))

    def slopes(self, theta: Array) -> jax.Array:
        """Derivatives of the rates, shape (bins, parameters), for theta of shape (parameters,)."""
        differentiate = jax.jacrev if self.n_main < len(self.names) else jax.jacfwd
        return jnp.asarray(differentiate(self.expected)(jnp.asarray(theta)))

    def expected_aux(self, theta: Array) -> jax.Array:
        """Expected auxiliary data, shape (auxdata,), for theta of shape (parameters,)."""
        return self.auxiliary.expected(jnp.asarray(theta))

    def nll(self, theta: Array, data: Array) -> jax.Array:
        """Minus pyhf's logpdf; theta of shape (parameters,), data of shape (bins + auxdata,)."""
        counts, values = self._split(data)
        auxiliary = self.auxiliary.nll(jnp.asarray(theta), values)
        return _poisson_nll(self.expected(theta), counts) + auxiliary + self.constant(data)

    def constant(self, data: Array) -> jax.Array:
        """Normalisation of the Poisson and Gaussian terms; data of shape (bins + auxdata,)."""
        counts, values = self._split(data)
        return jnp.sum(gammaln(counts + 1.0)) + self.auxiliary.constant(values)

    def expansion(self, theta: Array, data: Array) -> Expansion:
        """Gauss-Newton: exact gradient, a curvature without the rates' second derivatives.

        With rates lambda, observed n and J = d lambda / d theta the gradient is
        J^T (1 - n / lambda) and the curvature J^T diag(n / lambda^2) J; the terms of the
        auxiliary data, each of one parameter, are added exactly.
        """
        if self.structure is not None:
            nll, gradient, curvature = self.outline(theta, data)
            return Expansion(nll, gradient, curvature.dense())
        counts, values = self._split(data)
        rates = self.expected(theta)
        jacobian = self.slopes(theta)
        seen = counts / _log_argument(rates, counts)
        weight = seen**2 / jnp.where(seen > 0, counts, 1.0)
        penalty, slope, bend = self.auxiliary.expansion(jnp.asarray(theta), values)
        return Expansion(
            _poisson_nll(rates, counts) + penalty,
            jacobian.T @ (1.0 - seen) + slope,
            (jacobian * weight[:, None]).T @ jacobian + jnp.diag(bend) + self.coupled_information,
        )

    def outline(self, theta: Array, data: Array) -> Expansion:
        """The same, in a large model with an arrow as curvature; arguments as in `nll`."""
        if self.structure is None or self.numbers is None:
            return self.expansion(theta, data)
        at = jnp.asarray(theta)
        rates = expand_rates(self.structure, self.numbers, at, self.units)
        return self._outlined(rates, self.structure.layout, at, data)

    def outlined_rates(self, theta: Array) -> jax.Array:
        """`expected` of theta; in a large model by structure, which is differentiated faster."""
        if self.structure is None or self.numbers is None:
            return self.expected(theta)
        require_double_precision()
        return plain_rates(self.structure, self.numbers, jnp.asarray(theta), self.units)

    def outlined_hessian(self, theta: Array, data: Array) -> jax.Array | Arrow:
        """Observed information, in a large model an arrow; arguments as in `nll`."""
        if self.structure is None or self.numbers is None:
            return Likelihood.hessian(self, jnp.asarray(theta), data)
        counts, _ = self._split(data)

        def weigh(rates: jax.Array) -> jax.Array:
            return 1.0 - counts / _log_argument(rates, counts)

        at = jnp.asarray(theta)
        rates, bends = expand_weighted(self.structure, self.numbers, at, self.units, weigh)
        curvature: Arrow = self._outlined(rates, self.structure.layout, at, data).curvature
        total: Arrow = jax.tree.map(jnp.add, curvature, bends)
        return total

    def hessian(self, theta: Array, data: Any) -> jax.Array:
        """Observed information; arguments as in `nll`."""
        found = self.outlined_hessian(theta, data)
        return found.dense() if isinstance(found, Arrow) else found

    def _outlined(self, rates: Rates, layout: Layout, theta: jax.Array, data: Array) -> Expansion:
        """Gauss-Newton, of rates with their derivatives."""
        counts, values = self._split(data)
        seen = counts / _log_argument(rates.rates, counts)
        weight = seen**2 / jnp.where(seen > 0, counts, 1.0)
        penalty, slope, bend = self.auxiliary.expansion(jnp.asarray(theta), values)
        corner_bend, inner_bend = layout.split(bend, 1.0)
        weighed = weight * rates.inner
        inner = weighed[:, None] * rates.inner
        layers = np.eye(len(inner))[:, :, None]
        return Expansion(
            _poisson_nll(rates.rates, counts) + penalty,
            layout.join(rates.corner @ (1.0 - seen), rates.inner * (1.0 - seen)) + slope,
            Arrow(
                corner=(rates.corner * weight) @ rates.corner.T + jnp.diag(corner_bend),
                edge=rates.corner * weighed[:, None],
                inner=inner + layers * inner_bend,
                layout=layout,
            ),
        )

    def data(
        self,
        channels: Mapping[str, NDArray[np.float64]],
        aux: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> NDArray[np.float64]:
        """Put counts and auxiliary values into the order of the model.

        Args:
            channels: Counts per channel, each of shape (toys, bins).
            aux: Auxiliary values per parameter, each of shape (toys,); others are as observed.

        Returns:
            Shape (toys, bins + auxdata).
        """
        main = np.concatenate([channels[name] for name, _ in self.channels], axis=1)
        values = np.tile(self.observed[self.n_main :], (len(main), 1))
        for name, column in (aux or {}).items():
            values[:, self.aux_index.index(self.names.index(name))] = column
        return np.concatenate([main, values], axis=1)

    def fix(self, values: Mapping[str, float | None]) -> Self:
        """Hold parameters in the fits.

        Args:
            values: Where each is held; None for its initial value. A name of several components
                holds them all.

        Raises:
            LikelihoodError: If a name is no parameter, or a value is outside its bounds.
        """
        init, held = self.init.copy(), self.held.copy()
        for name, value in values.items():
            for k in self.positions(name):
                held[k] = True
                if value is not None:
                    self.check_bounds(k, value)
                    init[k] = value
        return replace(self, init=init, held=held)

    def free(self, names: Iterable[str]) -> Self:
        """Drop the constraint of parameters, and let them move.

        A plain pyhf fit of the same workspace would not do this.

        Args:
            names: Constrained parameters; a name of several components frees them all.

        Raises:
            LikelihoodError: If a name is no constrained parameter, or its constraint is correlated
                with others.
        """
        used, held = self.aux_used.copy(), self.held.copy()
        for name in names:
            for k in self.positions(name):
                if k in self.coupled:
                    raise LikelihoodError(
                        f"the constraint of {name!r} is correlated with others, and cannot be "
                        "dropped alone; keep it, or make a workspace without the correlation"
                    )
                if k not in self.aux_index:
                    raise LikelihoodError(
                        f"parameter {name!r} has no constraint that could be dropped"
                    )
                used[self.aux_index.index(k)] = 0.0
                held[k] = False
        return replace(self, aux_used=used, held=held)

    def in_units(self, units: Mapping[str, float]) -> Self:
        """Read parameters in other units than the model does.

        Args:
            units: What 1 in the model means in the new unit, such as {"m_t": 3.0} for a modifier
                whose templates are at +-3 GeV.

        Raises:
            LikelihoodError: If a name is no parameter.
        """
        factors = np.ones(len(self.names))
        for name, unit in units.items():
            factors[list(self.positions(name))] = unit
        return replace(
            self,
            units=self.units * factors,
            init=self.init * factors,
            limits=self.limits * factors[:, None],
            aux_factor=self.aux_factor / factors[self._aux_positions],
        )

    def positions(self, name: str) -> tuple[int, ...]:
        """Positions of a parameter, or of all components of one.

        Args:
            name: Of the parameter, or what stands before the brackets of its components.

        Raises:
            LikelihoodError: If there is no such parameter.
        """
        found = tuple(
            k for k, known in enumerate(self.names) if known == name or known.startswith(f"{name}[")
        )
        if not found:
            raise LikelihoodError(
                f"{name!r} is no parameter of the model; known: {', '.join(self.names)}"
            )
        return found

    def check_bounds(self, position: int, value: float) -> None:
        """Refuse a value outside the bounds of a parameter.

        Args:
            position: Of the parameter.
            value: In its unit.

        Raises:
            LikelihoodError: If it is.
        """
        low, high = self.limits[position]
        if not low <= value <= high:
            raise LikelihoodError(
                f"parameter {self.names[position]!r} = {value:g} is outside its bounds "
                f"[{low:g}, {high:g}]"
            )

    @property
    def auxiliary(self) -> Auxiliary:
        """The terms of the auxiliary data."""
        return Auxiliary(
            position=self._aux_positions,
            factor=self.aux_factor,
            sigma=self.aux_sigma,
            used=self.aux_used,
            poisson=np.array(self.aux_poisson, dtype=bool),
            coupling=self.coupling,
            parameters=len(self.names),
        )

    @property
    def aux_slopes(self) -> NDArray[np.float64]:
        """Derivatives of the expected auxiliary values, shape (auxdata, parameters)."""
        return self.auxiliary.slopes

    @property
    def aux_root(self) -> NDArray[np.float64] | None:
        """As in `Auxiliary`: factor of the correlation of the auxiliary values."""
        return self.auxiliary.root

    @property
    def aux_precision(self) -> NDArray[np.float64]:
        """As in `Auxiliary`: inverse covariance of the auxiliary values."""
        return self.auxiliary.precision

    @property
    def coupled(self) -> tuple[int, ...]:
        """Positions of the parameters with correlated constraints."""
        return self.auxiliary.coupled

    @property
    def coupled_information(self) -> NDArray[np.float64] | float:
        """As in `Auxiliary`: what correlated constraints know beyond independent ones."""
        return self.auxiliary.coupled_information

    @property
    def _aux_positions(self) -> NDArray[np.int_]:
        return np.array(self.aux_index, dtype=int)

    def _split(self, data: Array) -> tuple[jax.Array, jax.Array]:
        values = jnp.asarray(data)
        return values[: self.n_main], values[self.n_main :]


def _shown(names: Sequence[str]) -> tuple[str, ...]:
    """Names as tables, figures and options have them."""
    shown = tuple(map(printable, names))
    for name in shown:
        if shown.count(name) > 1:
            raise WorkspaceError(f"two names of the model are both shown as {name!r}; rename one")
    return shown


def _digest(model: pyhf.Model) -> NDArray[np.uint8]:
    """Of what pyhf makes a model of."""
    config = model.config
    content = json.dumps([model.spec, config.poi_name, config.modifier_settings], sort_keys=True)
    return np.frombuffer(sha256(content.encode()).digest(), np.uint8)


def _poisson_nll(rates: jax.Array, counts: jax.Array) -> jax.Array:
    total: jax.Array = jnp.sum(rates - counts * jnp.log(_log_argument(rates, counts)))
    return total


def _log_argument(rate: jax.Array, n: jax.Array) -> jax.Array:
    """The rate where something was counted, else 1: n log(rate) is 0 with derivative 0 there."""
    return jnp.where(n > 0, rate, 1.0)
