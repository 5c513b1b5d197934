"""How the pages of docs/ and notebooks/ become html: `make docs`.

The source folder is the root of the repository, so that links between docs/ and notebooks/ are
the same on the forge and in the html.
"""

import os
import re
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # a remark of the kernel
os.environ.setdefault("JUPYTER_COLUMNS", "126")  # the width of a table of pulls

project = "pullfactory"
default_role = "code"  # single backticks in docstrings
smartquotes_action = "q"  # dashes would spoil --options
highlight_language = "text"
author = "pullfactory developers"
copyright = author  # noqa: A001 - the name that Sphinx reads
release = version = installed("pullfactory")

root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "notebooks/*.ipynb",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "reference/README.md",
]
exclude_patterns = [".*", "build", "dist", "results", "src", "tests", "**/.ipynb_checkpoints"]
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
]

html_theme = "furo"
html_title = f"pullfactory {release}"
html_show_sourcelink = False
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_math_renderer = "mathml"  # needs no script from elsewhere

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

autodoc_typehints = "signature"
python_maximum_signature_line_length = 120
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

LARGEST = {"N_TOYS": 1000, "EVENTS_PER_POINT": 500_000, "N_SIMULATED": 200_000, "EPOCHS": 10}
"""What a number in the cell tagged `parameters` of a notebook may be here."""
NOTE = "This page was made with {here} instead of {there}: your own numbers will be less coarse."


def shrink(_app: "Sphinx", name: str, source: list[str]) -> None:
    """Make a notebook small, and say so below its title."""
    if not name.startswith("notebooks/"):
        return
    notebook: Any = nbformat.reads(source[0], as_version=4)  # type: ignore[no-untyped-call]
    (cell,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", ()))
    for line in cell.source.splitlines():
        key, value = line.split(" = ")
        if int(value) > LARGEST[key]:
            here = f"{key} = {LARGEST[key]}"
            cell.source = cell.source.replace(line, here)
            note = NOTE.format(here=f"`{here}`", there=f"`{value}`")
            notebook.cells[0].source += f"\n\n```{{note}}\n{note}\n```"
    source[0] = nbformat.writes(notebook)  # type: ignore[no-untyped-call]


def redirect(app: "Sphinx", error: Exception | None) -> None:
    """Let the folder itself open the first page."""
    if error is None and app.builder.name == "html":
        page = f'<!doctype html><meta http-equiv="refresh" content="0; url={root_doc}.html">\n'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def visit_math(translator: "HTML5Translator", node: "nodes.math | nodes.math_block") -> None:
    """Write a formula as MathML."""
    # A subscript would go below an accent.
    formula = re.sub(r"(\\(?:hat|tilde) \w)(?=['_])", r"\1{}", node.astext())
    block = node.tagname == "math_block"
    translator.body.append(tex2mathml(formula, as_block=block))
    raise SkipNode


def keep_columns(_app: "Sphinx", _context: object, lines: list[str]) -> None:
    """Show the examples of a command as they are typed."""
    kept = [line.removeprefix("|").removeprefix(" ") for line in lines]
    lines[:] = [
        "Examples:",
        "",
        ".. code-block:: text",
        "",
        *(line for line in kept if line.startswith(" ")),
        "",
    ]


def setup(app: "Sphinx") -> None:
    """Connect the functions above."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
    app.connect("source-read", shrink)
    app.connect("build-finished", redirect)
    app.connect("sphinx-click-process-epilog", keep_columns)
