"""The package as a whole: light to import, and with the names it promises."""

import ast
import dataclasses
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pullfactory
from pullfactory import plots

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


def test_only_modules_that_export_others_names_list_them() -> None:
    listing = []
    for path in sorted(Path(pullfactory.__path__[0]).rglob("*.py")):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        sources = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
        imported = {name.asname or name.name for node in sources for name in node.names}
        for node in body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                exported = set(ast.literal_eval(node.value))
                listing += [] if path.name == "__init__.py" or exported & imported else [path]
    assert listing == []


def test_no_module_has_the_name_of_a_public_object() -> None:
    modules = {module.name for module in pkgutil.iter_modules(pullfactory.__path__)}
    assert "settings" in modules
    assert not modules & set(pullfactory.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'pullfactory' has no attribute 'Pull'"):
        _ = pullfactory.Pull


# --- docstrings -------------------------------------------------------------------------------


def public_functions() -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """Name, text and code of all that can be called; a method inherits text, too."""
    for home in (pullfactory, plots):
        for name in home.__all__:
            value = getattr(home, name)
            if inspect.isfunction(value):
                yield name, inspect.getdoc(value) or "", value
            elif inspect.isclass(value):
                yield from public_methods(name, value)


def public_methods(owner: str, kind: type) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    own = [base for base in kind.__mro__ if base.__module__.startswith("pullfactory.")]
    for name in sorted({name for base in own for name in vars(base) if not name.startswith("_")}):
        found = [inspect.getattr_static(base, name, None) for base in own]
        codes = [getattr(one, "__func__", getattr(one, "fget", one)) for one in found]
        functions = [code for code in codes if inspect.isfunction(code)]
        if functions:
            texts = [inspect.cleandoc(code.__doc__ or "") for code in functions]
            assert texts[0], f"{owner}.{name} has no docstring"
            yield f"{owner}.{name}", "\n".join(texts), functions[0]


def test_every_argument_and_error_of_a_public_function_is_documented() -> None:
    missing = []
    for name, text, function in public_functions():
        if not re.search("[Aa]rguments as in `", text):
            arguments = inspect.signature(function).parameters.keys() - {"self", "cls"}
            missing += [f"{name}({a})" for a in arguments if not re.search(rf"\b{a}\b", text)]
        raises = re.search(r"^\s*raise \w", inspect.getsource(function), flags=re.MULTILINE)
        missing += [f"{name} raises"] if raises and "Raises:" not in text else []
    assert missing == []


def test_every_attribute_of_a_public_class_is_documented() -> None:
    missing = []
    for name in pullfactory.__all__:
        kind = getattr(pullfactory, name)
        if inspect.isclass(kind) and dataclasses.is_dataclass(kind):
            text = "\n".join(base.__doc__ or "" for base in kind.__mro__)
            told = re.findall(r"^ +(\w+): ", text, flags=re.MULTILINE)
            missing += [f"{name}.{a.name}" for a in dataclasses.fields(kind) if a.name not in told]
    assert missing == []


def named(body: list[ast.stmt], place: str) -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    """Functions and classes without an underscore, and what is in such classes."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield f"{place}: {node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from named(node.body, f"{place}: {node.name}")


def test_whatever_has_no_underscore_is_documented() -> None:
    missing = []
    for path in sorted(Path(pullfactory.__path__[0]).rglob("*.py")):
        for place, node in named(ast.parse(path.read_text(encoding="utf-8")).body, str(path)):
            text = ast.get_docstring(node) or ""
            missing += [] if text else [place]
            is_command = any("command(" in ast.unparse(one) for one in node.decorator_list)
            if isinstance(node, ast.FunctionDef) and not is_command and "see `" not in text:
                raises = [one for one in ast.walk(node) if isinstance(one, ast.Raise) and one.exc]
                missing += [f"{place} raises"] if raises and "Raises:" not in text else []
    assert missing == []
