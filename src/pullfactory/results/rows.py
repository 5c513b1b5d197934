"""Rows of a summary, where they come from, and how they are read back."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pullfactory.errors import OutputError
from pullfactory.files import read_json

_VERSION = 2  # keys may come to files of one version, and none may go or mean something else
_READ = (1, _VERSION)
_VERSIONS = ("pullfactory", "pyhf", "jax", "numpy", "scipy", "iminuit", "boost-histogram")


def schema_name(kind: str) -> str:
    """What the key `schema` of a file of numbers says.

    Args:
        kind: Name of the file without ending, such as "summary".
    """
    return f"pullfactory-{kind}/{_VERSION}"


def read_summary(folder: str | Path) -> dict[str, Any]:
    """Read the summary in an output folder.

    Args:
        folder: What `StudyResult.write` or `ToysResult.write` wrote.

    Raises:
        OutputError: If there is no summary of ours.
    """
    return read_numbers(folder, "summary")


def read_numbers(folder: str | Path, *kinds: str) -> dict[str, Any]:
    """Read the numbers in an output folder.

    Args:
        folder: What the `write` of a result wrote.
        kinds: What the result may be, such as "summary" for `summary.json`; one is there.

    Raises:
        OutputError: If there are no numbers of ours.
    """
    paths = [Path(folder) / f"{kind}.json" for kind in kinds]
    path = next((path for path in paths if path.exists()), paths[0])
    try:
        numbers = read_json(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OutputError(
            f"'{path}' is no {path.stem} of a run ({reason}); give the folder of one"
        ) from None
    schema = numbers.get("schema")
    kind, _, number = str(schema).partition("/")
    if kind == f"pullfactory-{path.stem}" and number.isdecimal() and int(number) > _VERSION:
        raise OutputError(
            f"'{path}' was written by a newer pullfactory (schema {schema!r:.60}); upgrade this one"
        )
    if schema not in [f"pullfactory-{path.stem}/{version}" for version in _READ]:
        raise OutputError(
            f"'{path}' is no {path.stem} of a run (schema {schema!r:.60}, not "
            f"{schema_name(path.stem)!r}); "
            "give the folder of one"
        )
    return numbers


def write_numbers(folder: Path, content: dict[str, Any]) -> None:
    """Write numbers into a folder that is being filled; the schema names the file."""
    kind = content["schema"].partition("/")[0].removeprefix("pullfactory-")
    text = json.dumps(content, indent=1, allow_nan=False)
    (folder / f"{kind}.json").write_text(text + "\n", encoding="utf-8")


def installed_versions() -> dict[str, str]:
    """Version of each package that numbers made now depend on."""
    return {name: version(name) for name in _VERSIONS}


def provenance(seed: int, versions: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Where numbers come from: seed, versions, and digests of the input.

    Args:
        seed: Of all random numbers.
        versions: Of packages; None for those that are installed.
        more: Digests of what was run, and who else made toys of it.
    """
    return {"seed": seed, "versions": dict(versions or installed_versions()), **more}
