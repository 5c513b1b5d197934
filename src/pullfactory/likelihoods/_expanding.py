"""Rates of a structured model with their derivatives, for one toy."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pullfactory._jax import Array, jax, jnp
from pullfactory.likelihoods.arrow import Arrow
from pullfactory.likelihoods.structure import Constants, Structure

_TINY = 1e-100  # for a factor that is 0: its logarithm has a derivative, and squares are finite


class _Parts(NamedTuple):
    """The parts of the rates and their derivatives, in units of the model's parameters.

    Attributes:
        cells: What each sample gives, shape (samples, bins).
        product: Of all its factors and gammas, same shape.
        shape: First derivatives of the rows, shape (rows, bins).
        shape_bend: Second ones.
        tilt: Derivatives of the logarithms of the factors, shape (corner, samples x blocks).
        factor_bend: Second derivatives of the factors over the factors, shape (factors,).
        gammas: Shape (layers, bins).
        dead: Whether a factor is 0, shape (samples, bins).
    """

    cells: jax.Array
    product: jax.Array
    shape: jax.Array
    shape_bend: jax.Array
    tilt: jax.Array
    factor_bend: jax.Array
    gammas: jax.Array
    dead: jax.Array


class Rates(NamedTuple):
    """Rates of one toy with their derivatives.

    Attributes:
        rates: Shape (bins,).
        corner: Derivatives along the parameters of the corner, shape (corner, bins).
        inner: Along each gamma in its bin, shape (layers, bins).
    """

    rates: jax.Array
    corner: jax.Array
    inner: jax.Array


def expand_rates(
    structure: Structure, constants: Constants, theta: jax.Array, units: Array
) -> Rates:
    """Rates and first derivatives.

    Args:
        structure: Which parameter moves what.
        constants: Numbers of the model.
        theta: Shape (parameters,).
        units: What 1 in the model means in the unit of each parameter, same shape.
    """
    parts = _parts(structure, constants, theta / units, _first)
    return _slopes(structure, parts, units)


def plain_rates(
    structure: Structure, constants: Constants, theta: jax.Array, units: Array
) -> jax.Array:
    """Rates alone, shape (bins,), which JAX can differentiate in any way.

    Args:
        structure: Which parameter moves what.
        constants: Numbers of the model.
        theta: Shape (parameters,).
        units: What 1 in the model means in the unit of each parameter, same shape.
    """
    at = theta / units
    rows = structure.shapes(constants.shapes, at[structure.shape_parameter])[0]
    own = at[structure.factor_parameter]
    some = structure.factors(constants.factors, own[: structure.interpolated])[0][:, 0]
    every = jnp.concatenate([some, own[structure.interpolated :], jnp.ones(1)])
    product = jnp.prod(every[structure.factors_of_cells], axis=2)[:, structure.block]
    _, gammas = structure.layout.split(at, 1.0)
    for touched, gamma in zip(structure.touches, gammas, strict=True):
        product = product * jnp.where(touched, gamma, 1.0)
    templates = jnp.asarray(constants.nominal).at[structure.shape_sample].add(rows)
    return jnp.sum(templates * product, axis=0)


def expand_weighted(
    structure: Structure,
    constants: Constants,
    theta: jax.Array,
    units: Array,
    weigh: Callable[[jax.Array], jax.Array],
) -> tuple[Rates, Arrow]:
    """Rates, and the second derivatives of their weighted sum.

    Args:
        structure: Which parameter moves what.
        constants: Numbers of the model.
        theta: Shape (parameters,).
        units: What 1 in the model means in the unit of each parameter, same shape.
        weigh: From the rates to their weights, both of shape (bins,).
    """
    parts = _parts(structure, constants, theta / units, _second)
    found = _slopes(structure, parts, units)
    return found, _bends(structure, parts, units, weigh(found.rates))


def _first(function: Callable[[Any], jax.Array], at: jax.Array) -> tuple[jax.Array, ...]:
    """Value and derivatives, where each output depends on one input."""
    value, slope = jax.jvp(function, (at,), (jnp.ones_like(at),))
    return value, slope, jnp.zeros_like(slope)


def _second(function: Callable[[Any], jax.Array], at: jax.Array) -> tuple[jax.Array, ...]:
    def both(where: jax.Array) -> tuple[jax.Array, jax.Array]:
        value, slope, _ = _first(function, where)
        return value, slope

    (value, slope), (_, bend) = jax.jvp(both, (at,), (jnp.ones_like(at),))
    return value, slope, bend


def _parts(
    structure: Structure,
    constants: Constants,
    theta: jax.Array,
    derive: Callable[..., tuple[jax.Array, ...]],
) -> _Parts:
    samples = len(constants.nominal)
    shape = derive(
        lambda at: structure.shapes(constants.shapes, at)[0], theta[structure.shape_parameter]
    )
    templates = jnp.asarray(constants.nominal).at[structure.shape_sample].add(shape[0])
    own = theta[structure.factor_parameter]
    n = structure.interpolated
    factor = derive(lambda at: structure.factors(constants.factors, at)[0][:, 0], own[:n])
    zero = jnp.zeros_like(own[n:])
    value = jnp.concatenate([factor[0], own[n:]])
    slope = jnp.concatenate([factor[1], zero + 1.0])
    bend = jnp.concatenate([factor[2], zero])
    safe = jnp.where(value == 0, _TINY, value)
    table = (samples, structure.blocks)
    factors = jnp.ones(table).at[structure.factor_at].multiply(safe)[:, structure.block]
    dead = jnp.zeros(table, dtype=bool).at[structure.factor_at].max(value == 0)
    dead = dead[:, structure.block]
    _, gammas = structure.layout.split(theta, 1.0)
    product = factors
    for touched, gamma in zip(structure.touches, gammas, strict=True):
        dead |= touched & (gamma == 0)
        product = product * jnp.where(touched, jnp.where(gamma == 0, _TINY, gamma), 1.0)
    at = np.ravel_multi_index(structure.factor_at, table)
    tilt = jnp.zeros((len(structure.layout.corner), samples * structure.blocks))
    return _Parts(
        cells=product * templates,
        product=product,
        shape=shape[1],
        shape_bend=shape[2],
        tilt=tilt.at[structure.factor_corner, at].add(slope / safe),
        factor_bend=bend / safe,
        gammas=jnp.where(gammas == 0, _TINY, gammas),
        dead=dead,
    )


def _slopes(structure: Structure, parts: _Parts, units: Array) -> Rates:
    corner, inner = structure.layout.split(jnp.asarray(units), 1.0)
    touched = jnp.where(structure.touches, parts.cells, 0.0).sum(axis=1)
    return Rates(
        jnp.where(parts.dead, 0.0, parts.cells).sum(axis=0),
        _along(structure, parts, parts.cells, parts.product) / corner[:, None],
        touched / (parts.gammas * inner),
    )


def _along(structure: Structure, parts: _Parts, cells: jax.Array, product: jax.Array) -> jax.Array:
    """Derivatives of the rates along the parameters of the corner, shape (corner, bins)."""
    bins = len(structure.block)
    inside = structure.block == np.arange(structure.blocks)[:, None]
    spread = jnp.where(inside, cells[:, None], 0.0).reshape(-1, bins)
    slopes = parts.tilt @ spread
    moved = product[structure.shape_sample] * parts.shape
    return slopes.at[structure.shape_corner].add(moved)


def _bends(structure: Structure, parts: _Parts, units: Array, weight: jax.Array) -> Arrow:
    """Second derivatives of the weighted sum of the rates."""
    corner_unit, inner_unit = structure.layout.split(jnp.asarray(units), 1.0)
    corner = _corner_bend(structure, parts, weight)
    edges, pairs = [], []
    for touched, gamma in zip(structure.touches, parts.gammas, strict=True):
        cells = jnp.where(touched, parts.cells, 0.0)
        product = jnp.where(touched, parts.product, 0.0)
        edges.append(_along(structure, parts, cells, product) * (weight / gamma))
        both = jnp.where(structure.touches, cells, 0.0).sum(axis=1)
        pairs.append(both * weight / (gamma * parts.gammas))
    layers, bins = parts.gammas.shape
    edge = jnp.stack(edges) if edges else jnp.zeros((0, len(corner), bins))
    inner = jnp.stack(pairs) if pairs else jnp.zeros((0, 0, bins))
    inner = jnp.where(jnp.eye(layers, dtype=bool)[:, :, None], 0.0, inner)
    return Arrow(
        corner=corner / (corner_unit[:, None] * corner_unit),
        edge=edge / (corner_unit[:, None] * inner_unit[:, None]),
        inner=inner / (inner_unit[:, None] * inner_unit),
        layout=structure.layout,
    )


def _corner_bend(structure: Structure, parts: _Parts, weight: jax.Array) -> jax.Array:
    """Of the corner: products of two factors, of a factor and a shape, and second derivatives."""
    blocks = (structure.block[:, None] == np.arange(structure.blocks)).astype(np.float64)
    weighed = parts.product[structure.shape_sample] * weight
    samples = len(parts.cells)
    total = (parts.cells * weight) @ blocks
    crossed = jnp.zeros((len(parts.tilt), samples, structure.blocks))
    crossed = crossed.at[structure.shape_corner, structure.shape_sample].add(
        (weighed * parts.shape) @ blocks
    )
    crossed = crossed.reshape(parts.tilt.shape)
    half = parts.tilt @ (0.5 * parts.tilt * total.ravel() + crossed).T
    own = 2.0 * jnp.sum(parts.tilt * crossed, axis=1)
    own = own.at[structure.factor_corner].add(parts.factor_bend * total[structure.factor_at])
    own = own.at[structure.shape_corner].add(jnp.sum(weighed * parts.shape_bend, axis=1))
    return jnp.where(jnp.eye(len(own), dtype=bool), own, half + half.T)
