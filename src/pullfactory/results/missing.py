"""What of a result could not be made: told, listed, and no reason to lose the rest."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pullfactory.errors import OutputWarning, PullfactoryError, printable
from pullfactory.results.command import Command
from pullfactory.results.manifest import write_manifest

Warn = Callable[[str], None]
"""Called with one line on what is missing."""

_LENGTH = 160  # letters of a reason that are shown


def warn_in_python(line: str) -> None:
    """Warn as Python does.

    Args:
        line: What is missing.
    """
    warnings.warn(printable(line), OutputWarning, stacklevel=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Files of one folder that could not be made.

    Attributes:
        folder: That is being filled.
        warn: Is told of each.
        command: What made the rest, as in `write_manifest`.
        reasons: Why, by their paths in the folder.
    """

    folder: Path
    warn: Warn
    command: Command | None = None
    reasons: dict[str, str] = field(default_factory=dict)

    def miss(self, file: Path, error: Exception) -> None:
        """Note and tell that a file is missing.

        Args:
            file: In the folder.
            error: Why.
        """
        name = file.relative_to(self.folder).as_posix()
        self.reasons[name] = _told(error)
        self.warn(f"{name} is missing: {self.reasons[name]}")

    @contextmanager
    def noted(self, file: Path) -> Iterator[None]:
        """Go on without a file, or a folder of files, if the body fails.

        Args:
            file: What the body makes.
        """
        try:
            yield
        except Exception as error:  # noqa: BLE001
            with suppress(OSError):
                file.unlink()
            self.miss(file, error)

    def write_manifest(self, *dispensable: Path) -> None:
        """List what is in the folder; where no room is left for that, less is kept there.

        Args:
            dispensable: Files and folders of files that may go, the first first.

        Raises:
            OSError: If there is no room without these, either.
        """
        for file in dispensable:
            with suppress(OSError):
                file.rmdir()  # nothing came into it
            try:
                write_manifest(self.folder, self.reasons, self.command)
            except OSError as error:
                for one in sorted(file.iterdir()) if file.is_dir() else [file]:
                    if one.exists():
                        one.unlink()
                        self.miss(one, error)
            else:
                return
        write_manifest(self.folder, self.reasons, self.command)


def _told(error: Exception) -> str:
    """Why something failed, on one line that is the same in every folder."""
    if isinstance(error, PullfactoryError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = " ".join(str(error).split())[:_LENGTH]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
