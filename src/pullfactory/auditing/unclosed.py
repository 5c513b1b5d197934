"""Noise of samples that a morphing does not go through.

Templates that are sums go through the mean of up and down of a free parameter only by chance, and
smooth ones through no sample. What samples have more than that moves crossed estimates as much one
way as the other: it is in the mean of both, to first order.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.influence import centred, influence
from pullfactory.auditing.model import rates_and_slopes_at
from pullfactory.auditing.prediction import ErrorModel
from pullfactory.auditing.tally import GROUPS
from pullfactory.likelihoods.auxiliary import constraint_information

_Groups = dict[str, NDArray[np.float64]]
"""What groups of events add to the rates, by family of samples, shape (groups, bins)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnclosedNoise:
    """Standard errors from it, in the unit of the parameter.

    Attributes:
        up: Of its estimate one step up.
        down: One step down.
        offset: Of the mean over these and the nominal point.
    """

    up: float
    down: float
    offset: float


def unclosed_noise(model: ErrorModel, parameter: str) -> UnclosedNoise:
    """By how much such noise moves the estimates of a parameter.

    Args:
        model: Of the observables taken as independent.
        parameter: Name.
    """
    audit = model.audit
    likelihood, config = audit.likelihood, audit.expected.config
    (k,) = likelihood.positions(parameter)
    step = next(one.step for one in config.parameter if one.name == parameter)
    theta = np.tile(likelihood.init, (2, 1))
    theta[:, k] = step, -step
    rates, slopes = rates_and_slopes_at(likelihood, theta)
    penalty = constraint_information(likelihood)
    moved = []
    for theta_rates, theta_slopes, groups in zip(
        rates, slopes, _left(model, parameter), strict=True
    ):
        score = theta_slopes / theta_rates[:, None]
        inverse = np.linalg.pinv(theta_slopes.T @ score + penalty, hermitian=True)
        moved.append({name: centred(each) @ score @ inverse[:, k] for name, each in groups.items()})
    up, down = moved
    both = [one + down[name] for name, one in up.items()]
    return UnclosedNoise(up=_root(up.values()), down=_root(down.values()), offset=_root(both) / 3.0)


def _root(families: Iterable[NDArray[np.float64]]) -> float:
    """Standard error of a sum from what groups of each family add to it."""
    return float(np.sqrt(sum(np.sum(each**2) for each in families)))


def _left(model: ErrorModel, parameter: str) -> tuple[_Groups, _Groups]:
    """What groups add to samples up and down, less what they add to the model there."""
    config = model.audit.expected.config
    free = next(one.free for one in config.parameter if one.name == parameter)
    straight = free and config.workspace.morphing != "multiplicative"
    up, down = _change(model, parameter, 1), _change(model, parameter, -1)
    left: tuple[_Groups, _Groups] = ({}, {})
    for family in {**up, **down}:
        nothing = np.zeros((GROUPS, len(model.rates)))
        one, other = up.get(family, nothing), down.get(family, nothing)
        half = (one - other) / 2
        for into, change, turned in zip(left, (one, other), (half, -half), strict=True):
            into[family] = change - _smooth(model, turned if straight else change)
    return left


def _change(model: ErrorModel, parameter: str, side: int) -> _Groups:
    """What groups add to the difference of samples on one side from the nominal ones."""
    found: _Groups = {}
    for process in model.audit.expected.processes:
        sample = process.at({parameter: side})
        if sample is None:
            continue
        families = {one.role: one.family for one in (process.nominal, *process.varied)}
        terms = process.terms(sample)
        for role in {**terms, process.nominal.role: 0}:
            times = terms.get(role, 0) - (role == process.nominal.role)
            moved = found.setdefault(families[role], np.zeros((GROUPS, len(model.rates))))
            channels = influence(model.audit.expected, role)
            for where, each in zip(model.audit.channels.slices, channels, strict=True):
                moved[:, where] += times * each
    return found


def _smooth(model: ErrorModel, groups: NDArray[np.float64]) -> NDArray[np.float64]:
    found = groups.copy()
    for o, where in enumerate(model.audit.channels.slices):
        found[:, where] = model.audit.smoothing.project(o, groups[:, where])
    return found
