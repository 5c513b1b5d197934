"""How to cite the package."""

from pullfactory._version import __version__

__all__ = ["CITATION"]

CITATION = f"""\
@software{{pullfactory,
  title   = {{pullfactory: pulls of profile-likelihood fits to correlated observables}},
  author  = {{{{pullfactory developers}}}},
  version = {{{__version__}}},
  license = {{BSD-3-Clause}}
}}"""
