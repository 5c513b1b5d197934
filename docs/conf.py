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
os.environ.setdefault("JUPYTER_COLUMNS", "120")  # the width of a table of pulls

project = "pullfactory"
default_role = "code"  # single backticks in docstrings
smartquotes = False  # they spoil --options
author = "pullfactory developers"
copyright = author  # noqa: A001 - the name that Sphinx reads
release = version = installed("pullfactory")

root_doc = "docs/index"
include_patterns = ["docs/**.md", "notebooks/*.ipynb", "CHANGELOG.md", "CONTRIBUTING.md"]
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

SIZES = {"N_TOYS": 200, "EVENTS_PER_POINT": 100_000}
"""Sizes of the notebooks here, instead of those in the cell tagged `parameters`."""
NOTE = "On this page the lesson ran with {sizes}: its numbers are coarser than those of a real run."


def shrink(_app: "Sphinx", name: str, source: list[str]) -> None:
    """Make a notebook small, and say so below its title."""
    if not name.startswith("notebooks/"):
        return
    notebook: Any = nbformat.reads(source[0], as_version=4)  # type: ignore[no-untyped-call]
    (cell,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", ()))
    names = re.findall(r"^(\w+) =", cell.source, flags=re.MULTILINE)
    cell.source = "\n".join(f"{name} = {SIZES[name]:_}" for name in names)
    sizes = ", ".join(f"`{line}`" for line in cell.source.splitlines())
    notebook.cells[0].source += f"\n\n```{{note}}\n{NOTE.format(sizes=sizes)}\n```"
    source[0] = nbformat.writes(notebook)  # type: ignore[no-untyped-call]


def redirect(app: "Sphinx", error: Exception | None) -> None:
    """Let the folder itself open the first page."""
    if error is None and app.builder.name == "html":
        page = f'<!doctype html><meta http-equiv="refresh" content="0; url={root_doc}.html">\n'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def visit_math(translator: "HTML5Translator", node: "nodes.math | nodes.math_block") -> None:
    """Write a formula as MathML."""
    block = node.tagname == "math_block"
    translator.body.append(tex2mathml(node.astext(), as_block=block))
    raise SkipNode


def keep_columns(_app: "Sphinx", _context: object, lines: list[str]) -> None:
    """Show the examples of a command as they are typed."""
    kept = [line.removeprefix("|").removeprefix(" ") for line in lines]
    lines[:] = ["Examples:", "", "::", "", *(line for line in kept if line.startswith(" ")), ""]


def setup(app: "Sphinx") -> None:
    """Connect the functions above."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
    app.connect("source-read", shrink)
    app.connect("build-finished", redirect)
    app.connect("sphinx-click-process-epilog", keep_columns)
