"""The package as a whole: light to import, and with the names it promises."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import pullfactory

HEAVY = {"jax", "matplotlib", "numpy", "pyarrow", "pydantic", "pyhf", "rich", "scipy"}


def loaded_by(*arguments: str) -> set[str]:
    """Packages that a Python with these arguments has imported when it ends."""
    outcome = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    times = [line for line in outcome.stderr.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip().split(".")[0] for line in times}


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "import pullfactory"),
        ("-m", "pullfactory", "--version"),
        ("-m", "pullfactory", "--cite"),
        ("-m", "pullfactory", "--help"),
        ("-m", "pullfactory", "run", "--help"),
    ],
)
def test_light_to_start(arguments: tuple[str, ...]) -> None:
    loaded = loaded_by(*arguments)
    assert "pullfactory" in loaded
    assert not loaded & HEAVY


def test_starts_as_a_module_and_as_a_command() -> None:
    outcomes = [
        subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        for command in (
            [sys.executable, "-m", "pullfactory"],
            [Path(sys.executable).with_name("pullfactory")],
        )
    ]
    assert [outcome.stdout for outcome in outcomes] == 2 * [
        f"pullfactory {pullfactory.__version__}\n"
    ]


@pytest.mark.parametrize("name", pullfactory.__all__)
def test_public_name_is_there(name: str) -> None:
    value = getattr(pullfactory, name)
    assert getattr(value, "__name__", name) == name
    assert value is getattr(pullfactory, name)


def test_public_names_are_those_with_a_home() -> None:
    assert dir(pullfactory) == pullfactory.__all__ == sorted(pullfactory.__all__)
    assert set(pullfactory.__all__) == {"__version__", *pullfactory._HOMES}


def test_no_module_has_the_name_of_a_public_object() -> None:
    modules = {module.name for module in pkgutil.iter_modules(pullfactory.__path__)}
    assert "settings" in modules
    assert not modules & set(pullfactory.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'pullfactory' has no attribute 'Pull'"):
        _ = pullfactory.Pull
