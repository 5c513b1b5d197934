"""What the optimal combinations of a study share: weights of its own events are not for few."""

from pullfactory.errors import LikelihoodError
from pullfactory.likelihoods.optimal import Directions
from pullfactory.settings.study import Study

_EVENTS = 50  # for each direction: with fewer the noise of the weights widens the pulls


def refuse_few(method: str, study: Study, directions: Directions) -> None:
    """Refuse weights that are noise.

    Args:
        method: Its name.
        study: Says how the scores are weighed.
        directions: Of the scores.

    Raises:
        LikelihoodError: If toys have too few events to be weighed by these alone.
    """
    events, wanted = study.ensemble.n_events, _EVENTS * directions.number
    if study.own_weights and events < wanted:
        raise LikelihoodError(
            f"method {method!r}: ensemble.n_events = {events} are too few for optimal.weights = "
            f'"own", which need {_EVENTS} for each of {directions.number} independent elements, '
            f'{wanted} in all; use "expected"'
        )
