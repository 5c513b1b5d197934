"""Calibrations that were made before, in the user's cache folder."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from pullfactory._cache import find_cache, machine, sources
from pullfactory.settings.study import Study

__all__ = ["keep", "recall"]

_WORTH = 2_000_000  # simulated events below which making is as fast as reading
_IDLE = ("name", "poi", "figures")  # keys that no sample depends on
_KEPT = 50  # files; the oldest go first


def recall(study: Study, replica: int) -> dict[str, Any] | None:
    """What was kept of the same calibration by the same package, or None.

    Args:
        study: What is calibrated.
        replica: Which of its repetitions.
    """
    file = _file(study, replica)
    if file is None:
        return None
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def keep(study: Study, replica: int, content: Mapping[str, Any]) -> None:
    """Keep a calibration, if making it took long; a disk that is full keeps none.

    Args:
        study: What was calibrated.
        replica: Which of its repetitions.
        content: Plain data, as they are written to a file of their own.
    """
    file = _file(study, replica)
    if file is None:
        return
    with suppress(OSError):
        descriptor, name = tempfile.mkstemp(dir=file.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(content, stream)
            Path(name).replace(file)
        finally:
            Path(name).unlink(missing_ok=True)
        known = sorted(file.parent.iterdir(), key=lambda path: path.stat().st_mtime)
        for old in known[:-_KEPT]:
            old.unlink(missing_ok=True)


def _file(study: Study, replica: int) -> Path | None:
    """Where a calibration is kept; None for one that is not."""
    simulated = study.calibration.source == "simulated"
    if not simulated or study.calibration.events_per_point * len(study.observable) < _WORTH:
        return None
    key = f"numpy-{np.__version__}-{machine()}-{sources()}"
    folder = find_cache("calibrations", key).folder
    return folder and folder / f"{_digest(study, replica)}.json"


def _digest(study: Study, replica: int) -> str:
    """Of all that the samples and what is learnt of them depend on."""
    settings = {key: value for key, value in study.to_dict().items() if key not in _IDLE}
    if study.learns_correlation:
        settings["ensemble"] = {**settings["ensemble"], "n_toys": None}
    else:
        settings.update(ensemble=None, methods=None, joint=None)
    text = json.dumps([settings, replica], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
