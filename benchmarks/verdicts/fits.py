"""The fit that an audit has built, from its pyhf workspace alone, with numpy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.verdicts.lines import Line

_STEPS = 6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """An additive workspace: signal and background, in the bins of all observables.

    Parameters are those of the line, the rate of the background and the factors of the bins.

    Attributes:
        edges: Inner edges of the bins of each observable.
        signal: Templates of the signal, shape (bins,).
        other: Of the background, same shape.
        slopes: What a step of each free parameter adds, by name.
        sides: Templates down and up of each constrained parameter, by name.
        errors: Relative errors of the templates with a factor for each bin; None without.
        names: Of all parameters but these factors.
        units: Of the parameters of the line, in its order.
    """

    edges: tuple[NDArray[np.float64], ...]
    signal: NDArray[np.float64]
    other: NDArray[np.float64]
    slopes: dict[str, NDArray[np.float64]]
    sides: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    errors: NDArray[np.float64] | None
    names: tuple[str, ...]
    units: NDArray[np.float64]

    @classmethod
    def of(cls, line: Line, spec: dict[str, Any], edges: Sequence[NDArray[np.float64]]) -> "Fit":
        """From the templates of a pyhf workspace.

        Args:
            line: Kind of the audit.
            spec: The workspace.
            edges: Of the bins of each observable.
        """
        channels = {channel["name"]: channel["samples"] for channel in spec["channels"]}
        parts: dict[str, list[NDArray[np.float64]]] = {}

        def put(key: str, values: Sequence[float]) -> None:
            parts.setdefault(key, []).append(np.array(values))

        free = {knob.name for knob in line.knobs if knob.free}
        for name in line.names:
            for sample in channels[name]:
                kinds = {one["name"]: one for one in sample["modifiers"]}
                moved = free.intersection(kinds)
                put(moved.pop() if moved else sample["name"], sample["data"])
                for one in kinds.values():
                    if one["type"] == "histosys":
                        put(f"{one['name']}.down", one["data"]["lo_data"])
                        put(f"{one['name']}.up", one["data"]["hi_data"])
                    elif one["type"] == "staterror":
                        put("errors", np.array(one["data"]) / sample["data"])
        all_bins = {key: np.concatenate(values) for key, values in parts.items()}
        signal = all_bins["signal"]
        return cls(
            edges=tuple(each[1:-1] for each in edges),
            signal=signal,
            other=all_bins.get("q", np.zeros_like(signal)),
            slopes={name: all_bins[name] for name in sorted(free)},
            sides={
                knob.name: (all_bins[f"{knob.name}.down"], all_bins[f"{knob.name}.up"])
                for knob in line.knobs
                if not knob.free
            },
            errors=all_bins.get("errors"),
            names=(*(knob.name for knob in line.knobs), *(["q"] if "q" in all_bins else [])),
            units=np.array([knob.step for knob in line.knobs]),
        )

    @property
    def penalty(self) -> NDArray[np.float64]:
        """Information of the constraints, shape (parameters,)."""
        own = [float(name in self.sides) for name in self.names]
        return np.array([*own, *(() if self.errors is None else 1.0 / self.errors**2)])

    @property
    def start(self) -> NDArray[np.float64]:
        """Initial parameters, and auxiliary values, shape (parameters,)."""
        own = [float(name == "q") for name in self.names]
        return np.array([*own, *(() if self.errors is None else np.ones(len(self.signal)))])

    def rates(self, theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rates and their derivatives, as HistFactory interpolates.

        Args:
            theta: Shape (toys, parameters).

        Returns:
            Shapes (toys, bins) and (toys, bins, parameters).
        """
        at = dict(zip(self.names, theta.T[:, :, None], strict=False))
        signal = np.tile(self.signal, (len(theta), 1))
        more = np.zeros_like(signal)
        columns: dict[str, NDArray[np.float64]] = {}
        for name, (down, up) in self.sides.items():
            shift, slope = _shift(at[name], down, self.signal, up)
            signal, columns[name] = signal + shift, slope
        for (name, slope), unit in zip(self.slopes.items(), self.units, strict=False):
            more, columns[name] = (
                more + at[name] * slope / unit,
                np.tile(slope / unit, (len(theta), 1)),
            )
        if "q" in self.names:
            more, columns["q"] = more + at["q"] * self.other, np.tile(self.other, (len(theta), 1))
        found = np.stack([columns[name] for name in self.names], axis=2)
        if self.errors is None:
            return signal + more, found
        factors = theta[:, len(self.names) :]
        constrained = [self.names.index(name) for name in self.sides]
        found[:, :, constrained] *= factors[:, :, None]
        own = signal[:, :, None] * np.eye(signal.shape[1])
        return signal * factors + more, np.concatenate([found, own], axis=2)

    def nominal(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rates and derivatives where fits begin, shapes (bins,) and (bins, parameters)."""
        rates, slopes = self.rates(self.start[None])
        return rates[0], slopes[0]

    def fit(self, counts: NDArray[np.float64], aux: NDArray[np.float64]) -> NDArray[np.float64]:
        """Most likely masses.

        Args:
            counts: Shape (toys, bins).
            aux: Auxiliary values of the parameters of the line, shape (toys, parameters of it).
        """
        theta = np.tile(self.start, (len(counts), 1))
        values = theta.copy()
        values[:, : aux.shape[1]] = aux
        penalty = self.penalty
        for _ in range(_STEPS):
            rates, slopes = self.rates(theta)
            rates = np.maximum(rates, 1e-3)
            score = np.einsum("tbk,tb->tk", slopes, counts / rates - 1) + (values - theta) * penalty
            weighed = slopes * (counts / rates**2)[:, :, None]
            bend = weighed.transpose(0, 2, 1) @ slopes + np.diag(penalty)
            theta += np.linalg.solve(bend, score[..., None])[..., 0]
        return np.asarray(theta[:, 0])

    def count(self, owner: NDArray[np.intp], values: NDArray[np.float64], sets: int) -> Any:
        """Counts of data sets, shape (sets, bins).

        Args:
            owner: Number of the data set of each event.
            values: Of the observables, shape (observables, events).
            sets: How many data sets.
        """
        found = []
        for inner, own in zip(self.edges, values, strict=True):
            size = len(inner) + 1
            where = owner * size + np.searchsorted(inner, own, side="right")
            found.append(np.bincount(where, minlength=sets * size).reshape(sets, size))
        return np.concatenate(found, axis=1).astype(np.float64)


def _shift(
    alpha: NDArray[np.float64],
    down: NDArray[np.float64],
    nominal: NDArray[np.float64],
    up: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interpolation of `histosys`, code 4p, and its derivative; alpha of shape (toys, 1)."""
    above, below = up - nominal, nominal - down
    mean, bend = (above + below) / 2, (above - below) / 16
    inside = alpha * mean + alpha**2 * (15 - 10 * alpha**2 + 3 * alpha**4) * bend
    slope = mean + alpha * (30 - 40 * alpha**2 + 18 * alpha**4) * bend
    far = np.abs(alpha) > 1
    side = np.where(alpha > 0, above, below)
    return np.where(far, alpha * side, inside), np.where(far, side, slope)
