"""Random numbers: the register of all streams, by who draws from them."""

from enum import Enum

import numpy as np


class Stream(Enum):
    """Independent streams of random numbers.

    The value says who draws, and how the spawn key of `numpy.random.SeedSequence` begins; blocks,
    samples and replicas follow in it, so numbers depend on neither order nor workers. Streams of
    one seed that are drawn from for one result differ in their keys.
    """

    TRUTH = ("study", 0)
    EVENTS = ("study", 1)
    AUXDATA = ("study", 2)
    N_EVENTS = ("study", 3)
    CALIBRATION = ("study", 4)
    HIDDEN = ("study", 5)
    CLOSURE = ("study", 6)
    REPLICAS = ("study", 7)
    JOINT = ("study", 8)
    BOOTSTRAP = ("study", 9)
    HELD_OUT = ("study", 10)
    INTEGRAL = ("study", 11)

    MODEL_TRUTH = ("toys of a model", 0)
    MODEL_COUNTS = ("toys of a model", 1)
    MODEL_AUXDATA = ("toys of a model", 2)

    AUDIT_EVENTS = ("toys of an audit", 1)
    AUDIT_AUXDATA = ("toys of an audit", 2)
    AUDIT_BINS = ("bins of an audit",)
    AUDIT_GROUPS = ("errors of an audit", 1)
    AUDIT_DATA = ("data of an audit", 2)
    AUDIT_CLOSURE = ("closure of an audit", 2)
    AUDIT_FITTED = ("goodness of an audit", 3)
    AUDIT_BLINDING = ("blinding of an audit", 4)
    SHARING = ("audit of a workspace",)

    @property
    def key(self) -> tuple[int, ...]:
        """How the spawn key begins."""
        _who, *key = self.value
        return tuple(key)


def generator(seed: int, stream: Stream, *block: int) -> np.random.Generator:
    """The random numbers of one stream in one block, which may have several numbers.

    Args:
        seed: Of the study, the audit or the toys.
        stream: Who draws.
        block: Which part of the stream.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(*stream.key, *block))
    return np.random.Generator(np.random.SFC64(sequence))
