"""The files around the package agree with each other."""

import re
import subprocess
import sys
import tomllib
import zipfile
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
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


def test_citation_and_changelog_begin_with_the_current_version_and_its_date() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    stated = re.findall(r"^## \[(\S+)\] - (\S+)$", read("CHANGELOG.md"), flags=re.MULTILINE)
    version, day = stated[0]
    assert version == citation["version"] == pullfactory.__version__
    assert date.fromisoformat(day) == date.fromisoformat(citation["date-released"])


def test_security_names_the_current_version() -> None:
    minor = pullfactory.__version__.rpartition(".")[0]
    assert re.search(rf"^\| {re.escape(minor)} +\| yes", read("SECURITY.md"), flags=re.MULTILINE)


# --- releases ---------------------------------------------------------------------------------


def workflow(name: str) -> dict[str, Any]:
    """A workflow, all values texts: YAML's own reading of the key `on` is true."""
    text = read(f".github/workflows/{name}.yml")
    return dict(yaml.load(text, Loader=yaml.BaseLoader))


def used(job: dict[str, Any]) -> list[str]:
    """The actions of a job, without versions."""
    return [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]


@pytest.mark.parametrize("name", ["ci", "release"])
def test_only_actions_of_github_itself_are_named_by_version(name: str) -> None:
    steps = [step for job in workflow(name)["jobs"].values() for step in job["steps"]]
    for action in [step["uses"] for step in steps if "uses" in step]:
        pattern = r"v\d+" if action.startswith("actions/") else r"[0-9a-f]{40}"
        assert re.fullmatch(pattern, action.partition("@")[2]), action


def test_a_release_is_built_and_checked_then_signed_then_published() -> None:
    release = workflow("release")
    assert release["on"]["release"] == {"types": ["published"]}
    jobs = release["jobs"]
    assert [(name, job.get("needs")) for name, job in jobs.items()] == [
        ("build", None),
        ("sign", "build"),
        ("publish", "sign"),
    ]
    commands = "".join(step.get("run", "") for step in jobs["build"]["steps"])
    for command in ("python -m build", "twine check --strict", 'pip" install dist/*.whl'):
        assert command in commands
    assert jobs["sign"]["if"] == "github.event_name == 'release'"
    assert "actions/attest-build-provenance" in used(jobs["sign"])
    assert used(jobs["publish"])[-1] == "pypa/gh-action-pypi-publish"


def test_a_release_has_no_password_and_few_rights() -> None:
    release = workflow("release")
    assert release["permissions"] == {}
    assert {name: job["permissions"] for name, job in release["jobs"].items()} == {
        "build": {"contents": "read"},
        "sign": {"attestations": "write", "contents": "write", "id-token": "write"},
        "publish": {"id-token": "write"},
    }
    assert not re.search(r"secrets\.|password:", read(".github/workflows/release.yml"))


def test_wheel_holds_everything_that_is_beside_the_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.iterdir()
    assert wheel.name.startswith(f"pullfactory-{pullfactory.__version__}-py3-")
    source = ROOT / "src"
    beside = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    assert {"pullfactory/py.typed", "pullfactory/settings/presets/poster.toml"} <= beside
    assert beside <= held
