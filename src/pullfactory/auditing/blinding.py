"""Blinding: estimates with an offset that nobody knows until it is asked for.

It keeps eyes from a result while choices are made, and hides nothing from whoever computes the
offset, or fits the workspace again.
"""

import hashlib

import numpy as np

from pullfactory.random import Stream, generator
from pullfactory.settings.audit import AuditConfig

_REACH = 10.0  # steps, to either side


def blind_offset(config: AuditConfig, parameter: str) -> float:
    """What is added to a blinded estimate, in the unit of the parameter.

    It depends on the name and the seed of the audit and on the name of the parameter alone, so it
    is the same for every fit, and for an audit that is run again.

    Args:
        config: Of the audit.
        parameter: Name; the rate of a process has a step of 1.
    """
    text = f"{config.name}\n{parameter}".encode()
    words = np.frombuffer(hashlib.sha256(text).digest(), dtype="<u4")
    rng = generator(config.seed, Stream.AUDIT_BLINDING, *map(int, words))
    steps = {one.name: one.step for one in config.parameter}
    return steps.get(parameter, 1.0) * float(rng.uniform(-_REACH, _REACH))
