"""Answers of many audits whose truth is known: `python -m benchmarks.verdicts`.

Rates, slopes and pairs of bins are integrals of the densities that the events are drawn from, made
here and not by the package, so that of every audit it is known what its fit as built really does in
fresh data: the slope of its estimate, its error, and how often what is recommended covers.
"""

from benchmarks.verdicts.audits import Audited, audited
from benchmarks.verdicts.figures import ANSWERS, MATTERS, Figures, run_line
from benchmarks.verdicts.lines import LINES, Knob, Line
from benchmarks.verdicts.truth import Truth, truth_of

__all__ = [
    "ANSWERS",
    "LINES",
    "MATTERS",
    "Audited",
    "Figures",
    "Knob",
    "Line",
    "Truth",
    "audited",
    "run_line",
    "truth_of",
]
