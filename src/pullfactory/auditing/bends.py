"""Noise of what templates bend by: where nuisances are away from nominal.

A `histosys` or `normsys` goes through the templates up, nominal and down, so that at alpha steps
the rates are

    r + alpha (up - down) / 2 + g(alpha) c,   c = (up + down) / 2 - r,

with an even g that is |alpha| beyond one step. Where the three are different events, c is mostly
noise, sqrt(3) times that of the slope. It is not in the information at the nominal point: away from
it the slope with respect to alpha is taken with the noise of c, and the fit goes where c makes up
for the noise of r. One step away the score moves by

    n = sum_u (C_u + R_u)^T W C_u

over what the groups u of simulated events contribute to c and r, and estimates by U n. Formulas of
first order know nothing of it. Where up and down are the nominal events, changed, it is next to
nothing.
"""

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.influence import centred, influence
from pullfactory.auditing.model import AuditModel
from pullfactory.auditing.tally import GROUPS
from pullfactory.settings.samples import ProcessSamples


def bend_scores(model: AuditModel, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much noise of bends moves the score of each parameter one step away, n.

    Args:
        model: Of the observables taken as independent.
        rates: Of all bins at the nominal point, shape (bins,).

    Returns:
        Shape (parameters,), in inverse squares of steps; 0 for parameters that are free.
    """
    expected, likelihood = model.expected, model.likelihood
    found = np.zeros(len(likelihood.names))
    nominal: dict[str, NDArray[np.float64]] = {}
    for process in expected.processes:
        family = process.nominal.family
        nominal[family] = nominal.get(family, 0.0) + _moved(model, process.nominal.role, None)
    for parameter in expected.config.parameter:
        if parameter.free:
            continue
        bends: dict[str, NDArray[np.float64]] = {}
        for process in expected.processes:
            if parameter.name not in process.parameters:
                continue
            for role, times in _mean(process, parameter.name).items():
                family = _family_of(process, role)
                moved = times * _moved(model, role, parameter.name)
                bends[family] = bends.get(family, 0.0) + moved
        own = {family: centred(groups) for family, groups in bends.items()}
        square = sum(float(np.sum(each**2 / rates)) for each in own.values())
        cross = sum(
            float(np.sum(centred(nominal[family]) * each / rates))
            for family, each in own.items()
            if family in nominal
        )
        (k,) = likelihood.positions(parameter.name)
        found[k] = max(square + cross, 0.0)
    return found


def _mean(process: ProcessSamples, parameter: str) -> dict[str, float]:
    """How often (up + down) / 2 - nominal has each sample."""
    found = {process.nominal.role: -1.0}
    for step in (1, -1):
        sample = process.at({parameter: step})
        assert sample is not None
        for role, times in process.terms(sample).items():
            found[role] = found.get(role, 0.0) + times / 2
    return {role: times for role, times in found.items() if times}


def _family_of(process: ProcessSamples, role: str) -> str:
    return next(one.family for one in (process.nominal, *process.varied) if one.role == role)


def _moved(model: AuditModel, role: str, parameter: str | None) -> NDArray[np.float64]:
    """What groups of a sample add to the bins, smoothed as templates of a parameter are."""
    found = np.zeros((GROUPS, model.likelihood.n_main))
    for o, groups in enumerate(influence(model.expected, role)):
        smooth = groups if parameter is None else model.smoothing.project(o, groups)
        found[:, model.channels.slices[o]] = smooth
    return found
