"""Errors that carry the value, the place and the remedy in one line."""

_LONGEST = 1000  # letters of a line


class PullfactoryError(Exception):
    """Base of every error that pullfactory raises on bad input.

    Args:
        message: One line; what does not print in it is escaped, and of a very long one the
            middle is left out.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.args = (_one_line(message),)

    @property
    def lines(self) -> tuple[str, ...]:
        """What is told to people, a line for each reason."""
        return (str(self),)


def _one_line(text: str) -> str:
    """As it is told: nothing that does not print, and of a very long text beginning and end."""
    shown = printable(text)
    if len(shown) <= _LONGEST:
        return shown
    half = (_LONGEST - 5) // 2
    return f"{shown[:half]} ... {shown[-half:]}"


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


class RunError(PullfactoryError, RuntimeError):
    """Work that failed on its way, though nothing that was asked for is wrong."""


class OutputWarning(UserWarning):
    """A picture, a format or a page that could not be made; the numbers are there."""


def printable(text: str) -> str:
    r"""Text of others, fit to be shown: every letter escaped that does not print, such as `\x1b`.

    Names in a workspace, of files and of columns may hold anything: sequences that a terminal
    obeys, line breaks, letters that turn the direction of writing.

    Args:
        text: Of others.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def printable_lines(text: str) -> str:
    """The same, line by line.

    Args:
        text: Of others, in lines of ours.
    """
    return "\n".join(map(printable, text.split("\n")))
