"""Workspaces whose channels are histograms of the same events."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Spec = dict[str, Any]


def same_events(observables: int, *, events: int = 4000, bins: int = 5) -> Spec:
    """As in the analysis grand challenge: observables of the same events, each a channel.

    Args:
        observables: How many.
        events: Simulated, of each process; half as many are expected.
        bins: Of each channel.
    """
    rng = np.random.default_rng(5)
    latent = rng.standard_normal((2, events, 1)) + np.array([0.0, 0.5])[:, None, None]
    values = 0.8 * latent + 0.6 * rng.standard_normal((2, events, observables))
    edges = np.linspace(-3.0, 3.5, bins + 1)

    def counted(shift: float, process: int, o: int) -> NDArray[np.float64]:
        inside = np.clip(values[process, :, o] + shift, -2.99, 3.49)
        return 0.5 * np.histogram(inside, edges)[0].astype(np.float64)

    channels, observations = [], []
    for o in range(observables):
        samples = []
        for process, name in enumerate(("background", "signal")):
            nominal = counted(0.0, process, o)
            scale = {"hi_data": counted(0.1, process, o), "lo_data": counted(-0.1, process, o)}
            modifiers: list[Spec] = [
                {
                    "name": "scale",
                    "type": "histosys",
                    "data": {key: side.tolist() for key, side in scale.items()},
                },
                {
                    "name": f"staterror_channel{o}",
                    "type": "staterror",
                    "data": np.sqrt(0.5 * nominal).tolist(),
                },
            ]
            if name == "signal":
                modifiers.append({"name": "mu", "type": "normfactor", "data": None})
            else:
                modifiers.append(
                    {"name": "rate", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
                )
            samples.append({"name": name, "data": nominal.tolist(), "modifiers": modifiers})
        channels.append({"name": f"channel{o}", "samples": samples})
        total = counted(0.0, 0, o) + counted(0.0, 1, o)
        observations.append({"name": f"channel{o}", "data": np.round(total).tolist()})
    return workspace(channels, observations)


def workspace(channels: list[Spec], observations: list[Spec], *parameters: Spec) -> Spec:
    """A workspace whose parameter of interest is mu.

    Args:
        channels: Of it.
        observations: Of each.
        parameters: Settings of the measurement.
    """
    config = {"poi": "mu", "parameters": list(parameters)}
    return {
        "channels": channels,
        "observations": observations,
        "measurements": [{"name": "all", "config": config}],
        "version": "1.0.0",
    }


def copies(number: int, rates: NDArray[np.float64]) -> Spec:
    """The same histogram of one process with a free rate in several channels.

    Args:
        number: Of channels.
        rates: Of each bin.
    """
    signal = {
        "name": "signal",
        "data": rates.tolist(),
        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
    }
    names = [f"channel{i}" for i in range(number)]
    return workspace(
        [{"name": name, "samples": [signal]} for name in names],
        [{"name": name, "data": rates.tolist()} for name in names],
    )
