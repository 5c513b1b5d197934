"""What asks a command to stop: Ctrl-C, and what batch systems and closing terminals send."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SOON = 0.05  # seconds
_PATIENCE = 1.0  # seconds; what comes sooner is the same wish, and clean-up goes on
_EXIT = 128  # what is added to the number of a signal


class Stop:
    """A wish to stop, which interrupts what is done as Ctrl-C does."""

    def __init__(self) -> None:
        self._number = int(signal.SIGINT)
        self._raised = -_PATIENCE

    @property
    def exit_code(self) -> int:
        """Of a command that was stopped."""
        return _EXIT + self._number

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal.

        Args:
            number: Of the signal.

        Raises:
            KeyboardInterrupt: Once for all that come together.
        """
        if monotonic() - self._raised < _PATIENCE:
            return
        self._number, self._raised = number, monotonic()
        raise KeyboardInterrupt

    def repeat_lost(self, lost: "sys.UnraisableHookArgs") -> None:
        """Take again what came while the garbage collector called back, and went nowhere.

        Args:
            lost: What was raised there.
        """
        if lost.exc_type is KeyboardInterrupt:
            self._raised = -_PATIENCE
            again = signal.pthread_kill, (threading.main_thread().ident, self._number)
            threading.Timer(_SOON, *again).start()
        else:
            sys.__unraisablehook__(lost)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Be stopped by every signal that asks for it, unless it is ignored, as by `nohup`."""
    stop = Stop()
    hook, sys.unraisablehook = sys.unraisablehook, stop.repeat_lost
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in _ASKING:
            handler = signal.getsignal(number)
            if handler in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, stop)
    try:
        yield stop
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def be_deaf() -> None:
    """Take no more signals that ask to stop: this is the end."""
    for number in _ASKING:
        signal.signal(number, signal.SIG_IGN)
