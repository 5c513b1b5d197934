"""The files around the package agree with each other."""

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import pullfactory

ROOT = Path(__file__).parents[1]
SEMANTIC_VERSION = re.compile(r"\d+\.\d+\.\d+")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads(read("pyproject.toml"))


@pytest.fixture(scope="module")
def lock() -> list[str]:
    lines = read("requirements.lock").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def pins(lock: list[str]) -> list[Requirement]:
    return [Requirement(line) for line in lock]


def requirements(pyproject: dict[str, Any]) -> list[Requirement]:
    """All that pyproject.toml asks for: to build, to run, to test and to develop."""
    groups = pyproject["dependency-groups"].values()
    texts = [
        *pyproject["build-system"]["requires"],
        *pyproject["project"]["dependencies"],
        *(entry for group in groups for entry in group if isinstance(entry, str)),
    ]
    return [Requirement(text) for text in texts]


def test_lock_says_how_it_is_made() -> None:
    comments = [line for line in read("requirements.lock").splitlines() if line.startswith("#")]
    assert "make lock" in "".join(comments)


@pytest.mark.parametrize("sign", ["/", "\\", "@", "file:", "http"])
def test_lock_holds_no_address_and_no_path(sign: str) -> None:
    assert sign not in read("requirements.lock")


def test_lock_holds_no_options(lock: list[str]) -> None:
    assert not [line for line in lock if line.startswith("-")]


def test_lock_pins_exact_versions(pins: list[Requirement]) -> None:
    assert not [str(pin) for pin in pins if not re.fullmatch(r"==[^,*]+", str(pin.specifier))]


def test_lock_names_each_package_once(pins: list[Requirement]) -> None:
    names = [canonicalize_name(pin.name) for pin in pins]
    assert len(names) == len(set(names))


def test_lock_satisfies_every_requirement(
    pyproject: dict[str, Any], pins: list[Requirement]
) -> None:
    versions = {canonicalize_name(pin.name): str(pin.specifier).lstrip("=") for pin in pins}
    for requirement in requirements(pyproject):
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} but {version}"


def test_jax_is_plain(pins: list[Requirement]) -> None:
    assert not [pin.name for pin in pins if re.search("cuda|nvidia|rocm|pjrt", pin.name)]


def test_dependencies_have_lower_bounds_only(pyproject: dict[str, Any]) -> None:
    for text in pyproject["project"]["dependencies"]:
        assert {bound.operator for bound in Requirement(text).specifier} <= {">="}
    assert pyproject["project"]["requires-python"] == ">=3.11"


@pytest.mark.parametrize("tool", ["ruff", "mypy"])
def test_hook_and_lock_use_the_same_version(tool: str, pins: list[Requirement]) -> None:
    hooks = read(".pre-commit-config.yaml")
    revisions = re.findall(rf"repo: \S*/\S*{tool}\S*\n\s+rev: v(\S+)", hooks)
    assert [str(pin.specifier) for pin in pins if pin.name == tool] == [f"=={revisions[0]}"]


def test_version_has_one_source(pyproject: dict[str, Any]) -> None:
    assert "version" not in pyproject["project"]
    source = read(pyproject["tool"]["hatch"]["version"]["path"])
    assert SEMANTIC_VERSION.findall(source) == [pullfactory.__version__]


def test_installed_version_is_the_current_one() -> None:
    assert metadata.version("pullfactory") == pullfactory.__version__


def test_citation_names_the_current_version() -> None:
    stated = re.findall(r"^version: (\S+)$", read("CITATION.cff"), flags=re.MULTILINE)
    assert stated == [pullfactory.__version__]


def test_changelog_begins_with_the_current_version() -> None:
    stated = re.findall(r"^## \[(\S+)\]", read("CHANGELOG.md"), flags=re.MULTILINE)
    assert stated[0] == pullfactory.__version__
