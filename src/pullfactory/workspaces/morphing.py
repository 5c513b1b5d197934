"""Templates of one process to the samples of a HistFactory channel.

Two families of morphing:

Additive: one sample is the nominal template, with a `histosys` for every constrained parameter.
pyhf gives every histosys a unit Gaussian, so a free parameter is a sample of its own instead:
(T(+1) - T(-1)) / 2, which is negative in some bins, times a `normfactor` with init 0. With
`additive_cross` the products of two parameters are carried too: of a free and a constrained one
by `histosys` modifiers on the sample of the free one, of two free ones by a sample with both
normfactors.

Multiplicative: every bin is a sample, `NAME_bin7`, with a `normsys` for every parameter, so that
parameters multiply: products of exponentials close for densities whose log is linear in what the
parameters change. pyhf gives every normsys a unit Gaussian.

Such products do not keep the number of events between the templates. Where that number is fixed the
likelihood of a channel is multinomial, and a Poisson likelihood with a free factor of the whole
channel is just that: its maximum over the factor, total observed / total expected, leaves
sum n log(rate / total). The factor is a `normfactor`, `total_CHANNEL`, on every sample.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.settings.blocks import Morphing
from pullfactory.settings.document import total_name


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Process:
    """Templates of one process in all channels.

    Attributes:
        name: Of its sample.
        template: From the position of a channel and template steps (-1 or 1 of each parameter
            that is not nominal) to expected events, shape (bins,).
        errors: From the position of a channel to the statistical errors of the nominal template,
            shape (bins,); None for a process without `staterror`.
        parameters: What its templates depend on.
        free: Those of them that are samples of their own: no constraint, additive only.
        morphing: How parameters combine.
        aliases: What the sample of a free parameter is called, if not as the parameter.
        factors: Further modifiers of all its samples, such as a normalisation.
    """

    name: str
    template: Callable[[int, Mapping[str, int]], NDArray[np.float64]]
    errors: Callable[[int], NDArray[np.float64]] | None
    parameters: tuple[str, ...]
    free: tuple[str, ...]
    morphing: Morphing
    aliases: Mapping[str, str]
    factors: tuple[dict[str, Any], ...] = ()

    def samples(self, channel: int, channel_name: str) -> Iterator[dict[str, Any]]:
        """The samples of this process in one channel, as in a pyhf workspace.

        Args:
            channel: Position of the channel.
            channel_name: Names its `staterror`.
        """
        if self.morphing == "multiplicative":
            yield from _bin_samples(self, channel, channel_name)
        else:
            yield from _template_samples(self, channel, channel_name)


def assemble(
    name: str,
    channels: Mapping[str, NDArray[np.float64]],
    processes: tuple[Process, ...],
    poi: str,
    parameters: list[dict[str, Any]],
    *,
    free_totals: bool,
    statement: str | None = None,
) -> dict[str, Any]:
    """Put processes together into a pyhf workspace.

    Args:
        name: Of the measurement.
        channels: Observed events of each channel, each of shape (bins,), in the order of the
            processes' templates.
        processes: At least one.
        poi: Parameter of interest.
        parameters: Settings of the measurement, as in the workspace.
        free_totals: Whether the total of each channel is a free parameter, so that the likelihood
            is that of a fixed number of events.
        statement: Name of a second measurement, which says something; None for none.

    Returns:
        Plain data, valid against pyhf's workspace schema.
    """
    return {
        "channels": [
            {
                "name": channel,
                "samples": [
                    _with_total(sample, channel) if free_totals else sample
                    for process in processes
                    for sample in process.samples(o, channel)
                ],
            }
            for o, channel in enumerate(channels)
        ],
        "observations": [
            {"name": channel, "data": plain_numbers(counts)} for channel, counts in channels.items()
        ],
        "measurements": [
            {"name": one, "config": {"poi": poi, "parameters": parameters}}
            for one in (name, statement)
            if one is not None
        ],
        "version": "1.0.0",
    }


def _with_total(sample: dict[str, Any], channel: str) -> dict[str, Any]:
    return {**sample, "modifiers": [*sample["modifiers"], _normfactor(total_name(channel))]}


def plain_numbers(values: NDArray[np.float64]) -> list[float]:
    """Rounded to 12 significant digits: the file is the same on machines that round differently.

    Args:
        values: Shape (bins,).
    """
    return [float(f"{value:.12g}") for value in values]


def _bin_samples(process: Process, channel: int, channel_name: str) -> Iterator[dict[str, Any]]:
    """One sample for each bin, with factors."""
    nominal = process.template(channel, {})
    factors = {}
    for name in process.parameters:
        up, down = (process.template(channel, {name: sign}) for sign in (1, -1))
        factors[name] = zip(plain_numbers(up / nominal), plain_numbers(down / nominal), strict=True)
    errors = process.errors(channel) if process.errors else None
    for b, events in enumerate(plain_numbers(nominal)):
        modifiers = [_normsys(name, *next(pairs)) for name, pairs in factors.items()]
        if errors is not None:
            alone = np.arange(len(nominal)) == b
            modifiers.append(_staterror(channel_name, np.where(alone, errors, 0.0)))
        yield {
            "name": f"{process.name}_bin{b}",
            "data": [*[0.0] * b, events, *[0.0] * (len(nominal) - b - 1)],
            "modifiers": [*modifiers, *process.factors],
        }


def _template_samples(
    process: Process, channel: int, channel_name: str
) -> Iterator[dict[str, Any]]:
    """The nominal template with shifts, and the samples of what the free parameters add."""
    cross = process.morphing == "additive_cross"

    def template(steps: Mapping[str, int]) -> NDArray[np.float64]:
        return process.template(channel, steps)

    def slope(free: str, steps: Mapping[str, int]) -> NDArray[np.float64]:
        return (template({free: 1, **steps}) - template({free: -1, **steps})) / 2

    constrained = [name for name in process.parameters if name not in process.free]
    nominal: list[dict[str, Any]] = [
        _histosys(name, template({name: 1}), template({name: -1})) for name in constrained
    ]
    if process.errors:
        nominal.append(_staterror(channel_name, process.errors(channel)))
    yield {
        "name": process.name,
        "data": plain_numbers(template({})),
        "modifiers": [*nominal, *process.factors],
    }
    for name in process.free:
        modifiers = [_normfactor(name)]
        if cross:
            modifiers += [
                _histosys(other, slope(name, {other: 1}), slope(name, {other: -1}))
                for other in constrained
            ]
        yield {
            "name": _sample_name(process, name),
            "data": plain_numbers(slope(name, {})),
            "modifiers": [*modifiers, *process.factors],
        }
    for first, second in itertools.combinations(process.free if cross else (), 2):
        product = (slope(first, {second: 1}) - slope(first, {second: -1})) / 2
        yield {
            "name": f"{_sample_name(process, first)}_{second}",
            "data": plain_numbers(product),
            "modifiers": [_normfactor(first), _normfactor(second), *process.factors],
        }


def _sample_name(process: Process, parameter: str) -> str:
    return f"{process.name}_{process.aliases.get(parameter, parameter)}"


def _normfactor(name: str) -> dict[str, Any]:
    return {"name": name, "type": "normfactor", "data": None}


def _histosys(name: str, up: NDArray[np.float64], down: NDArray[np.float64]) -> dict[str, Any]:
    data = {"hi_data": plain_numbers(up), "lo_data": plain_numbers(down)}
    return {"name": name, "type": "histosys", "data": data}


def _normsys(name: str, up: float, down: float) -> dict[str, Any]:
    return {"name": name, "type": "normsys", "data": {"hi": up, "lo": down}}


def _staterror(channel: str, errors: NDArray[np.float64]) -> dict[str, Any]:
    name = f"staterror_{channel}"
    return {"name": name, "type": "staterror", "data": plain_numbers(errors)}
