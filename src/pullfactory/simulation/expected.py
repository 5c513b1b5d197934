"""A toy without fluctuations, where the events have no distribution in closed form."""

import numpy as np

from pullfactory.settings.study import Study
from pullfactory.simulation.model import EventModel
from pullfactory.simulation.toys import ToyBlock

_SAMPLE = 2**20  # values simulated
_SEED_STEP = 1  # the sample is none of the toys'


def expected_toy(study: Study, rho: float) -> ToyBlock:
    """Many light events at the centre of the truth; nothing is measured beside these.

    Args:
        study: Its true response and dependence give the events.
        rho: Factor of the off-diagonal part of the correlation matrix.
    """
    model, truth, wanted = EventModel.of(study), study.truth_mean[None], study.ensemble.n_events
    n_events = max(_SAMPLE // len(model.observables), wanted)
    events = model.draw(truth, n_events, study.seed + _SEED_STEP).correlate(study.cholesky(rho))
    return ToyBlock(
        theta_true=truth,
        aux=np.empty((1, 0)),
        events=events,
        event_weights=None,
        multiplicity=np.full(events.shape[:2], wanted / n_events),
    )
