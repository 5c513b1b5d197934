"""What may be wrong where events do not make a histogram of a workspace, in words."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pullfactory.numbers import plain
from pullfactory.sharing.templates import DATA, Histogram, Histograms

EXACT = 1e-6
"""Part of a template up to which events may differ from it."""
_FLOAT32 = 1e-4
_LEAST = 3  # bins that make a shape
_TWICE = 1.5


def agree(found: Histogram, right: Histogram, tolerance: float) -> bool:
    """Whether two histograms are the same.

    Args:
        found: One.
        right: The other.
        tolerance: Part of its bins.
    """
    if len(found) != len(right):
        return False
    return bool((np.abs(found - right) <= tolerance * np.maximum(np.abs(right), 1e-3)).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What events of a sample make, and what they should.

    Attributes:
        sample: Its name, or "data".
        given: What they make, by channel.
        wanted: Histograms of the workspace, by sample and channel.
        counted: Numbers of simulated events, by sample and channel.
        source: Sample whose files the data are read from, if there is one.
    """

    sample: str
    given: Histograms
    wanted: Mapping[str, Histograms]
    counted: Mapping[str, Histograms]
    source: str | None

    def right(self, channel: str) -> Histogram:
        """What is in the workspace.

        Args:
            channel: Name of a channel.
        """
        return self.wanted[self.sample].get(channel, np.zeros(len(self.given[channel])))

    def cause(self, channel: str) -> str:
        """What may be wrong, and what to do, in words.

        Args:
            channel: Whose histogram is not that of the workspace.
        """
        found, right = self.given[channel], self.right(channel)
        if not np.isfinite(found).all():
            return "the weight of an event is no finite number: select it away, or mend it"
        if not found.any():
            return "no event is in it: look at its selection, its edges and its tree"
        if self.sample != DATA and agree(found, right, _FLOAT32):
            return (
                f"they agree to {_FLOAT32:g}, as numbers in single precision do: tolerate "
                f"{_FLOAT32:g}"
            )
        own = {self.sample: self.wanted[self.sample]}
        return (
            self._elsewhere(channel, found, own)
            or self._simulated(channel)
            or self._elsewhere(channel, found, self.wanted)
            or self._by_shape(channel) + self._unweighted(channel)
        )

    def _unweighted(self, channel: str) -> str:
        """What is said beside the cause where whole numbers are given, and a template is not."""
        found, right = self.given[channel], self.right(channel)
        if self.sample == DATA or not np.array_equal(found, self.counted[self.sample][channel]):
            return ""
        whole = np.array_equal(right, np.round(right))
        return "" if whole else ", or the events lack their weight: all have 1"

    def _by_shape(self, channel: str) -> str:
        """What may be wrong with a histogram that is nowhere else."""
        found, right = self.given[channel], self.right(channel)
        factor = self._factor(channel)
        if self.sample == DATA and factor < _TWICE:  # without weights
            factor = 1.0
        if abs(factor - 1.0) < _FLOAT32:
            return self._scaled_elsewhere(channel) or _by_sums(found, right)
        if agree(found, factor * right, _FLOAT32):
            return self._by_factor(factor)
        rest = found / factor
        other = self._elsewhere(channel, rest, self.wanted) or _by_sums(rest, right)
        return f"{self._by_factor(factor)}; beside that, {other}"

    def _simulated(self, channel: str) -> str | None:
        """Whether data are simulated events."""
        found, right = self.given[channel], self.right(channel)
        if self.sample != DATA or found.sum() == right.sum():  # all events of the data are there
            return None
        name = self.source
        for sample, channels in self.counted.items():
            if np.array_equal(found, channels[channel]):
                name = sample
        for sample, histograms in self.wanted.items():
            other = histograms.get(channel, np.zeros(0))
            if sample != DATA and _constant(found, other) is not None:
                name = name or sample
        own = _constant(found, right)
        if name is None or (own is not None and name != self.source):
            return None
        return f"they are simulated events of {name!r}: give those of the data"

    def _factor(self, channel: str) -> float:
        """That most bins are off by: of the channel, or of the others of its sample."""
        own = _common(self.given[channel], self.right(channel))
        if own is not None:
            return own
        others = (_common(found, self.right(name)) for name, found in self.given.items())
        known = [one for one in others if one is not None]
        same = known and max(known) - min(known) < _FLOAT32 * abs(known[0])
        return known[0] if same else 1.0

    def _by_factor(self, factor: float) -> str:
        much = f"all bins are {plain(factor)} times what they should be"
        if self.sample == DATA:
            return f"{much}: files are there twice"
        whole = factor > _TWICE and abs(factor - round(factor)) < _FLOAT32
        often = f"a file is there {round(factor)} times, or " if whole else ""
        return f"{much}: {often}the weight lacks a factor"

    def _elsewhere(
        self, channel: str, found: Histogram, wanted: Mapping[str, Histograms]
    ) -> str | None:
        """Where a histogram is the right one."""
        for name, channels in wanted.items():
            for other, right in channels.items():
                if (name, other) == (self.sample, channel) or not right.any():
                    continue
                if agree(found, right, EXACT) and (name == self.sample or other == channel):
                    return self._exchanged(name, other, "")
        return None

    def _scaled_elsewhere(self, channel: str) -> str | None:
        """Where a histogram is the right one but for a factor."""
        for name, channels in self.wanted.items():
            for other, right in channels.items():
                if (name, other) == (self.sample, channel) or DATA in {self.sample, name}:
                    continue
                factor = _constant(self.given[channel], right)
                if factor is not None and (name == self.sample or other == channel):
                    said = self._exchanged(name, other, f"{plain(factor)} times ")
                    return f"{said}, and the weight lacks a factor"
        return None

    def _exchanged(self, name: str, other: str, times: str) -> str:
        if name == self.sample:
            return f"it is {times}what channel {other!r} has: the two are exchanged"
        whose = "the data" if name == DATA else repr(name)
        return f"it is {times}what {whose} has: exchange them"


def _common(found: Histogram, right: Histogram) -> float | None:
    """The factor that most bins are off by, if there is one."""
    if len(found) != len(right):
        return None
    usable = np.abs(right) > 0
    if not usable.any() or not np.isfinite(found).all():
        return None
    ratios = found[usable] / right[usable]
    middle = float(np.sort(ratios)[len(ratios) // 2])
    away = np.abs(ratios - middle) / abs(middle) if middle else np.full(len(ratios), np.inf)
    if (away <= _FLOAT32).all():
        return middle if middle > 0 else None
    same = away <= EXACT  # two of a few bins may agree to single precision by chance
    least = len(ratios) if len(ratios) < _LEAST else max(_LEAST - 1, (len(ratios) + 1) // 2)
    return middle if middle > 0 and same.sum() >= least else None


def _constant(found: Histogram, right: Histogram) -> float | None:
    """The factor between two histograms that have the same shape."""
    if len(found) != len(right) or np.count_nonzero(right) < _LEAST or not right.sum():
        return None
    factor = float(found.sum() / right.sum())
    return factor if factor > 0 and agree(found, factor * right, EXACT) else None


def _by_sums(found: Histogram, right: Histogram) -> str:
    """What may be wrong with a histogram that is nowhere else."""
    if not right.any():
        return "the workspace has none there: leave the sample out of this channel"
    if abs(found.sum() - right.sum()) <= EXACT * abs(right.sum()):
        return "all events are there, in other bins: an edge is moved, or it is another observable"
    return _by_ends(found, right) or _by_signs(found - right, right)


def _by_ends(found: Histogram, right: Histogram) -> str | None:
    """What may be wrong if only the outermost bins are."""
    size, excess = len(found), found - right
    for inner, end, flow, edge in (
        (slice(1, None), 0, "underflow", "lower"),
        (slice(None, -1), -1, "overflow", "upper"),
    ):
        if size > 1 and agree(found[inner], right[inner], EXACT):
            much = f"much: it has {flow}" if excess[end] > 0 else f"little: it lacks {flow}"
            which = "first" if end == 0 else "last"
            return f"only the {which} bin has too {much}, or its {edge} edge is another"
    if right[1:-1].any() and agree(found[1:-1], right[1:-1], EXACT):
        if (excess[[0, -1]] > 0).all():
            return "the outermost bins have too much: they have what is beyond the edges"
        if (excess[[0, -1]] < 0).all():
            return "the outermost bins have too little: they lack what is beyond the edges"
    return None


def _by_signs(excess: Histogram, right: Histogram) -> str:
    """What may be wrong with a histogram that is nowhere else, and has another sum."""
    if (excess >= -EXACT * np.abs(right)).all():
        return "all bins have too much: a selection is missing, or a sample has files too many"
    if (excess <= EXACT * np.abs(right)).all():
        return "all bins have too little: a selection is too tight, or a file is missing"
    return (
        "it is another weight, another tree, a variation, edges are moved, or several of these at "
        "once"
    )
