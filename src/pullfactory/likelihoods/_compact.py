"""The same rates from fewer numbers.

pyhf computes every modifier for every sample in every bin, also where the sample is absent. A
model whose samples live in few bins, such as one with a sample for each bin, is therefore traced
in another arrangement: bins with the same samples become a channel, and the samples of a channel
are numbered, so that no more are computed than the fullest bin has. It is a pyhf model like any
other and gives the same rates in the same order.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.workspaces._pyhf import pyhf

_PER_BIN = ("staterror", "shapesys", "shapefactor")
_GAIN = 2  # times fewer numbers make it worth the while


class _Group(NamedTuple):
    """Consecutive bins of one channel with the same samples."""

    channel: dict[str, Any]
    bins: slice
    live: list[dict[str, Any]]


def compact(model: pyhf.Model) -> tuple[pyhf.Model, NDArray[np.int_]]:
    """Arrange a model so that its rates need less computing.

    Args:
        model: Any pyhf model.

    Returns:
        A model with the same rates in the same order, or the model itself, and for each of its
        parameters the position of the same one in the model that was given.
    """
    config = model.config
    groups = [group for channel in _channels(model) for group in _groups(channel)]
    width = max(len(group.live) for group in groups)
    if _GAIN * width > len(config.samples):
        return model, np.arange(config.npars)
    components: dict[str, NDArray[np.int_]] = {}
    channels = [_channel(config, i, group, components) for i, group in enumerate(groups)]
    if not any(sample["modifiers"] for channel in channels for sample in channel["samples"]):
        return model, np.arange(config.npars)  # nothing moves a rate, and pyhf wants a parameter
    scalars = [entry for entry in model.spec.get("parameters", []) if _is_scalar(config, entry)]
    arranged = pyhf.Model(
        {"channels": channels, "parameters": scalars},
        poi_name=None,
        modifier_settings=config.modifier_settings,
        validate=False,
    )
    positions = np.arange(config.npars)
    order = [
        components[name] if name in components else positions[config.par_slice(name)]
        for name in arranged.config.par_order
    ]
    return arranged, np.concatenate(order)


def _channels(model: pyhf.Model) -> Iterator[dict[str, Any]]:
    """Channels in pyhf's order, which is not that of the JSON."""
    by_name = {channel["name"]: channel for channel in model.spec["channels"]}
    for name in model.config.channels:
        yield by_name[name]


def _groups(channel: dict[str, Any]) -> Iterator[_Group]:
    samples = channel["samples"]
    live = np.array([_live_bins(sample) for sample in samples])
    starts = np.flatnonzero(np.any(np.diff(live, axis=1), axis=0)) + 1
    for low, high in zip([0, *starts], [*starts, live.shape[1]], strict=True):
        some = [sample for sample, here in zip(samples, live[:, low], strict=True) if here]
        yield _Group(channel, slice(int(low), int(high)), some or samples[:1])


def _live_bins(sample: dict[str, Any]) -> NDArray[np.bool_]:
    """Where a sample can give events."""
    live = np.array(sample["data"]) != 0
    for modifier in sample["modifiers"]:
        if modifier["type"] == "histosys":
            for side in ("hi_data", "lo_data"):
                live |= np.array(modifier["data"][side]) != 0
    return np.asarray(live)


def _channel(
    config: Any, index: int, group: _Group, components: dict[str, NDArray[np.int_]]
) -> dict[str, Any]:
    """A group as a channel; notes which components its modifiers with one for each bin have."""

    def modified(modifier: dict[str, Any]) -> dict[str, Any]:
        name, kind, data = modifier["name"], modifier["type"], modifier["data"]
        if kind == "histosys":
            return {**modifier, "data": {side: row[group.bins] for side, row in data.items()}}
        if kind not in _PER_BIN:
            return modifier
        new = f"{name}#{index}"
        components[new] = np.arange(config.npars)[config.par_slice(name)][group.bins]
        return {"name": new, "type": kind, "data": None if data is None else data[group.bins]}

    return {
        "name": f"{index:09d}",
        "samples": [
            {
                "name": f"{slot:09d}",
                "data": sample["data"][group.bins],
                "modifiers": [modified(modifier) for modifier in sample["modifiers"]],
            }
            for slot, sample in enumerate(group.live)
        ],
    }


def _is_scalar(config: Any, entry: dict[str, Any]) -> bool:
    return entry["name"] in config.par_map and config.param_set(entry["name"]).is_scalar
