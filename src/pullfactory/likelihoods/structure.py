"""Which parameter moves what in a HistFactory model.

A rate is a sum over samples of (nominal + shapes) x factors. Every number that pyhf interpolates
depends on one parameter, so that one tangent of ones gives the derivatives of all of them; what is
left are sums and products. A shape is a row: what one `histosys` adds to one sample in all bins. A
factor is one number for a sample in a block of bins, which is a channel. A gamma of a `staterror`,
`shapesys` or `shapefactor` moves one bin; one that moves several is a factor, and every bin a
block.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jnp
from pullfactory.likelihoods._trace import Traced, jax_backend, trace
from pullfactory.likelihoods.arrow import Layout
from pullfactory.workspaces._pyhf import PYHF_LOCK, pyhf

_SCALAR = ("normfactor", "lumi")
_PER_BIN = ("staterror", "shapesys", "shapefactor")
_KNOWN = ("histosys", "normsys", *_SCALAR, *_PER_BIN)

Mask = NDArray[np.bool_]
Index = NDArray[np.int_]


class Constants(NamedTuple):
    """The numbers of a model, beside its structure.

    Attributes:
        nominal: Rates of the samples, shape (samples, bins).
        shapes: Of the interpolation of the shapes.
        factors: Of the interpolation of the factors.
    """

    nominal: Any
    shapes: tuple[Any, ...]
    factors: tuple[Any, ...]


class Structure:
    """Which parameter moves what; compared by identity, a static argument.

    Attributes:
        shapes: Interpolation of the rows, of the parameter of each.
        factors: Interpolation of the interpolated factors, of the parameter of each.
        layout: Which parameters are gammas.
        block: Of each bin, shape (bins,).
        touches: Whether a gamma multiplies a sample in its bin, shape (layers, samples, bins).
        shape_parameter: Of each row, and `shape_corner` its position in the corner.
        shape_sample: Of each row.
        factor_parameter: Of each factor, and `factor_corner` its position in the corner.
        factor_at: Sample and block of each factor.
        interpolated: How many factors are interpolated; the others are their parameters.
        source: What it is read of again where a pickled one arrives.
    """

    def __init__(self, entries: "_Entries", shapes: Traced, factors: Traced) -> None:
        self.shapes, self.factors = shapes, factors
        self.layout, self.block, self.touches = entries.layout, entries.block, entries.touches
        self.shape_parameter, self.shape_sample = entries.shape_parameter, entries.shape_sample
        self.factor_parameter, self.factor_at = entries.factor_parameter, entries.factor_at
        self.interpolated = entries.interpolated
        self.shape_corner = self.layout.place[self.shape_parameter]
        self.factor_corner = self.layout.place[self.factor_parameter]
        self.source: tuple[Any, ...] = ()

    @property
    def blocks(self) -> int:
        """How many there are."""
        return int(self.block.max()) + 1

    @property
    def factors_of_cells(self) -> Index:
        """Which factors a sample has in a block, and for the rest one behind them all.

        Shape (samples, blocks, most).
        """
        shape = (self.touches.shape[1], self.blocks)
        cells = np.ravel_multi_index(self.factor_at, shape)
        order = np.argsort(cells, kind="stable")
        numbers = np.bincount(cells, minlength=shape[0] * shape[1])
        first = np.cumsum(numbers) - numbers
        found = np.full((len(numbers), max(int(numbers.max(initial=0)), 1)), len(cells))
        found[cells[order], np.arange(len(cells)) - first[cells[order]]] = order
        return found.reshape(*shape, -1)

    @property
    def size(self) -> int:
        """Numbers in the largest arrays that one evaluation makes."""
        bins, corner = len(self.block), len(self.layout.corner)
        return max(corner * bins, len(self.shape_sample) * bins, corner**2)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for models that differ in numbers alone."""
        layout = self.layout
        tables: list[NDArray[Any]] = [
            layout.corner,
            layout.inner,
            self.block,
            self.touches,
            self.shape_parameter,
            self.shape_sample,
            self.factor_parameter,
            *self.factor_at,
        ]
        described = tuple((table.shape, table.tobytes()) for table in tables)
        return described, layout.size, self.shapes.key, self.factors.key

    def __reduce__(self) -> tuple[Any, ...]:
        return _read_again, self.source


_STRUCTURES: dict[tuple[Any, ...], Structure] = {}  # so that equal models share a compilation


def read_structure(
    model: pyhf.Model, order: Index, size: int
) -> tuple[Structure, Constants] | None:
    """Find out which parameter moves what.

    Args:
        model: As `compact` arranges it.
        order: Position of each of its parameters in the likelihood.
        size: Number of parameters of the likelihood.

    Returns:
        None for models with modifiers that pyhf does not come with, or with clipped rates.
    """
    main = model.main_model
    clipped = main.clip_sample_data is not None or main.clip_bin_data is not None
    if clipped or not set(main.modifiers_appliers).issubset(_KNOWN):
        return None
    entries = _entries(model, order, size)
    if entries is None:
        return None
    with jax_backend():
        shapes = _traced(model, "histosys", entries.shapes)
        factors = _traced(model, "normsys", entries.factors)
    structure = Structure(entries, shapes[0], factors[0])
    structure.source = dict(model.spec), model.config.modifier_settings, order, size
    nominal = _table(main, "_nominal_rates")[0, :, 0, :]
    with PYHF_LOCK:
        known = _STRUCTURES.setdefault(structure.key, structure)
    constants: Constants = jax.tree.map(jnp.asarray, Constants(nominal, shapes[1], factors[1]))
    return known, constants


def _read_again(
    spec: dict[str, Any], settings: dict[str, Any], order: Index, size: int
) -> Structure:
    """The structure of a model that was read elsewhere."""
    with PYHF_LOCK:
        model = pyhf.Model(spec, poi_name=None, modifier_settings=settings, validate=False)
        found = read_structure(model, order, size)
    if found is None:
        raise AssertionError("a model that had a structure has one")
    return found[0]


def _traced(
    model: pyhf.Model, kind: str, templates: NDArray[np.float64]
) -> tuple[Traced, tuple[Any, ...]]:
    """Pyhf's interpolation of rows of templates, shape (rows, 3, bins), as one function."""
    rows, _, bins = templates.shape
    if not rows:
        return trace(lambda alphas: [alphas[:, None] * np.ones(bins)], 0)
    code = model.main_model.modifiers_appliers[kind].interpcode
    interpolate = getattr(pyhf.interpolators, code)(templates[:, None], subscribe=False)
    return trace(lambda alphas: [interpolate(alphas[:, None])[:, 0, 0, :]], rows)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Entries:
    """What pyhf's modifiers do, in tables; see `Structure`.

    Attributes:
        shapes: Templates of the rows for -1, 0 and 1, shape (rows, 3, bins).
        factors: Those of the interpolated factors, shape (factors, 3, 1).
    """

    layout: Layout
    block: Index
    touches: Mask
    shape_parameter: Index
    shape_sample: Index
    shapes: NDArray[np.float64]
    factor_parameter: Index
    factor_at: tuple[Index, Index]
    factors: NDArray[np.float64]
    interpolated: int


def _entries(model: pyhf.Model, order: Index, size: int) -> _Entries | None:
    gammas = _gammas(model, order)
    shared, single = _divide(gammas)
    block = _blocks(model, bool(shared))
    touches, inner = _layers(single, size, (len(model.config.samples), len(block)))
    used = np.unique(inner[inner < size])
    corner = np.setdiff1d(np.arange(size), used)
    systematic = _factors(model, order, "normsys", block)
    plain = [entry for kind in _SCALAR for entry in _factors(model, order, kind, block)]
    plain += [(k, s, int(block[b]), None) for k, s, b in shared]
    factors = systematic + plain
    if len({entry[:3] for entry in factors}) < len(factors):
        return None  # a parameter twice in one product
    rows = _shapes(model, order)
    bins = len(block)
    templates = [row[2] for row in rows] or np.zeros((0, 3, bins))
    sides = [entry[3] for entry in systematic] or np.zeros((0, 3))
    return _Entries(
        layout=Layout(size, corner, inner),
        block=block,
        touches=touches,
        shape_parameter=np.array([row[0] for row in rows], dtype=int),
        shape_sample=np.array([row[1] for row in rows], dtype=int),
        shapes=np.array(templates, dtype=np.float64),
        factor_parameter=np.array([entry[0] for entry in factors], dtype=int),
        factor_at=(
            np.array([entry[1] for entry in factors], dtype=int),
            np.array([entry[2] for entry in factors], dtype=int),
        ),
        factors=np.array(sides, dtype=np.float64)[:, :, None],
        interpolated=len(systematic),
    )


def _modifiers(model: pyhf.Model, kind: str) -> tuple[list[str], Any, Mask]:
    """Names, what pyhf applies, and where: shape (names, samples, bins)."""
    names = [name for name, known in model.config.modifiers if known == kind]
    if not names:
        return [], None, np.zeros((0, 0, 0), dtype=bool)
    applier = model.main_model.modifiers_appliers[kind]
    return names, applier, _table(applier, f"_{kind}_mask").astype(bool)[:, :, 0, :]


def _table(owner: Any, name: str) -> NDArray[np.float64]:
    """An array of pyhf's own, as it was made: that of no backend."""
    return np.asarray(getattr(owner, name), dtype=np.float64)


def _gammas(model: pyhf.Model, order: Index) -> list[tuple[int, int, int]]:
    """Parameter, sample and bin of everything that is multiplied in one bin of one sample."""
    found = []
    for kind in _PER_BIN:
        names, applier, mask = _modifiers(model, kind)
        for m in range(len(names)):
            access = _table(applier, "_access_field").astype(int)[m, 0]
            for s, b in np.argwhere(mask[m]):
                found.append((int(order[access[b]]), int(s), int(b)))
    return found


def _divide(
    gammas: list[tuple[int, int, int]],
) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    """Those whose parameter moves several bins, and those whose moves one."""
    bins: dict[int, set[int]] = {}
    for k, _, b in gammas:
        bins.setdefault(k, set()).add(b)
    several = {k for k, moved in bins.items() if len(moved) > 1}
    return [g for g in gammas if g[0] in several], [g for g in gammas if g[0] not in several]


def _layers(
    single: list[tuple[int, int, int]], size: int, shape: tuple[int, int]
) -> tuple[Mask, Index]:
    """One gamma a bin in each layer: which samples it multiplies, and which parameter it is."""
    samples, bins = shape
    by_bin: dict[int, list[int]] = {}
    for k, _, b in single:
        own = by_bin.setdefault(b, [])
        if k not in own:
            own.append(k)
    layers = max(map(len, by_bin.values()), default=0)
    inner = np.full((layers, bins), size)
    touches = np.zeros((layers, samples, bins), dtype=bool)
    for b, own in by_bin.items():
        inner[: len(own), b] = own
    for k, s, b in single:
        touches[by_bin[b].index(k), s, b] = True
    return touches, inner


def _blocks(model: pyhf.Model, single: bool) -> Index:
    """The block of each bin: its channel, or itself."""
    bins = [model.config.channel_nbins[name] for name in model.config.channels]
    return np.arange(sum(bins)) if single else np.repeat(np.arange(len(bins)), bins)


def _factors(
    model: pyhf.Model, order: Index, kind: str, block: Index
) -> list[tuple[int, int, int, Any]]:
    """Parameter, sample, block and templates of the factors of one kind."""
    names, applier, mask = _modifiers(model, kind)
    sides = _table(applier, "_normsys_histoset") if names and kind == "normsys" else None
    first = np.unique(block, return_index=True)[1]
    found = []
    for m, name in enumerate(names):
        k = int(order[model.config.par_slice(name).start])
        for s, i in np.argwhere(mask[m][:, first]):
            found.append((k, int(s), int(i), None if sides is None else sides[m, s, :, first[i]]))
    return found


def _shapes(model: pyhf.Model, order: Index) -> list[tuple[int, int, NDArray[np.float64]]]:
    """Parameter, sample and templates of the rows; templates are 0 where there is no modifier."""
    names, applier, mask = _modifiers(model, "histosys")
    sides = _table(applier, "_histosys_histoset") if names else np.zeros(0)
    found = []
    for m, name in enumerate(names):
        k = int(order[model.config.par_slice(name).start])
        samples = np.flatnonzero(mask[m].any(axis=1))
        found += [(k, int(s), np.where(mask[m, s], sides[m, s], 0.0)) for s in samples]
    return found
