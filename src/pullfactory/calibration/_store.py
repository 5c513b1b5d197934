"""Calibrations that were made before, in the user's cache folder."""

from pullfactory._jax import accelerator
from pullfactory.files import digest_of
from pullfactory.settings.study import Study

_WORTH = 2_000_000  # simulated events below which making is as fast as reading
_IDLE = ("name", "poi", "figures")  # keys that no sample depends on


def digest(study: Study, replica: int) -> str | None:
    """Of all that the samples and what is learnt of them depend on.

    Args:
        study: What is calibrated.
        replica: Which of its repetitions.

    Returns:
        None where making the calibration is as fast as reading it.
    """
    simulated = study.calibration.source == "simulated"
    if not simulated or study.calibration.events_per_point * len(study.observable) < _WORTH:
        return None
    settings = {key: value for key, value in study.to_dict().items() if key not in _IDLE}
    if study.learns_correlation:
        settings["ensemble"] = {**settings["ensemble"], "n_toys": None}
    else:
        settings.update(ensemble=None, methods=None, joint=None)
        settings.pop("flow", None)
    return digest_of([settings, replica, accelerator()])
