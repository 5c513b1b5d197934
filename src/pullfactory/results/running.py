"""What describes a run in progress, in the folder that its toys are kept in."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pullfactory.files import read_json, replace_text
from pullfactory.results.command import Command

CAMPAIGN = "campaign.json"
"""The file."""

_SCHEMA = "pullfactory-campaign/1"
_MOST = 10**12  # toys, as in a study
_DAMAGED = (AttributeError, LookupError, OSError, TypeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What a run is of, and what became of it.

    Attributes:
        n_toys: Toys that were asked for.
        block: Toys of a part.
        started: When it was begun, or gone on with, in seconds of the system's clock.
        identity: What decides the numbers.
        failed: Why blocks failed for good, by their numbers.
        command: What was asked for; None where it was in Python, or by an earlier version.
        before: Toys that were there then.
    """

    n_toys: int
    block: int
    started: float
    identity: Mapping[str, Any]
    failed: Mapping[int, str] = field(default_factory=dict)
    command: Command | None = None
    before: int = 0

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the file.

        Args:
            folder: Of the run.

        Raises:
            OSError, ValueError, LookupError, TypeError: If there is none, or it is damaged.
        """
        told = read_json(folder / CAMPAIGN)
        failed = told.get("failed", {})
        n_toys, block = int(told["n_toys"]), int(told["block"])
        if not (0 <= n_toys <= _MOST and block >= 1):
            raise ValueError(f"{CAMPAIGN}: {n_toys} toys in blocks of {block}")
        return cls(
            n_toys=n_toys,
            block=block,
            started=float(told["started"]),
            identity=told["identity"],
            failed={int(block): str(why) for block, why in failed.items()},
            command=Command.of(told.get("command")),
            before=int(told.get("before", 0)),
        )

    @classmethod
    def found(cls, folder: Path) -> Self | None:
        """As `read`, but None if there is none, or it is damaged.

        Args:
            folder: Of the run.
        """
        with suppress(*_DAMAGED):
            return cls.read(folder)
        return None

    @classmethod
    def begin(
        cls,
        folder: Path,
        identity: str,
        n_toys: int,
        block: int,
        command: Command | None,
        before: int,
    ) -> None:
        """Write what a run is of, and that it begins now.

        Args:
            folder: Of the run.
            identity: From `identity_of`.
            n_toys: Toys that are asked for.
            block: Toys of a part.
            command: What was asked for.
            before: Toys that are there.
        """
        cls(
            n_toys=n_toys,
            block=block,
            started=time.time(),
            identity=json.loads(identity),
            command=command,
            before=before,
        ).write(folder)

    def write(self, folder: Path) -> None:
        """Write the file, whole or not at all.

        Args:
            folder: Of the run.

        Raises:
            OSError: If it cannot be written.
        """
        content: dict[str, Any] = {
            "schema": _SCHEMA,
            "n_toys": self.n_toys,
            "block": self.block,
            "started": self.started,
            "before": self.before,
            "failed": dict(self.failed),
            "command": self.command and self.command.to_dict(),
            "identity": self.identity,
        }
        replace_text(folder / CAMPAIGN, f"{json.dumps(content, indent=1)}\n")
