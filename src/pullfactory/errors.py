"""Errors that carry the value, the place and the remedy in one line."""

from pullfactory._text import printable

__all__ = [
    "CalibrationError",
    "EventsError",
    "LikelihoodError",
    "OutputError",
    "PullfactoryError",
    "StudyError",
    "WorkspaceError",
]


class PullfactoryError(Exception):
    """Base of every error that pullfactory raises on bad input.

    Args:
        message: One line; what does not print in it is escaped.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.args = (printable(message),)


class StudyError(PullfactoryError, ValueError):
    """A study, or a part of one, that cannot be run."""


class CalibrationError(PullfactoryError, ValueError):
    """Calibration samples from which nothing can be learnt, or of another study."""


class EventsError(PullfactoryError, ValueError):
    """Event files or tables that cannot be used."""


class WorkspaceError(PullfactoryError, ValueError):
    """A workspace that cannot be built or read."""


class LikelihoodError(PullfactoryError, ValueError):
    """Data or settings that do not fit a likelihood."""


class OutputError(PullfactoryError, OSError):
    """An output that cannot be written or read back."""
