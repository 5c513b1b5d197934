"""What is measured, one module each; nothing heavy is imported before it is needed."""

from importlib import import_module

from benchmarks.measure import Settings
from benchmarks.rows import Row

SECTIONS = {
    "toys": "Toys of a workspace, against loops of pyhf.infer.mle.fit",
    "unbinned": "Unbinned fits, against loops of Minuit",
    "flow": "A flow, beside the product, the copula and flowjax",
    "study": "Whole studies, against the floor",
    "events": "Events from files, against uproot and boost-histogram",
    "memory": "Peak memory",
    "parts": "Toys in parts, and workers",
    "scaling": "Time against size",
    "large": "Large models",
    "startup": "Start-up",
    "commands": "Whole commands",
}


def measure(section: str, settings: Settings) -> list[Row]:
    """Rows of one section."""
    rows: list[Row] = import_module(f"benchmarks.{section}").measure(settings)
    return rows
