"""How to cite the package."""

from importlib.metadata import version

CITATION = f"""\
@software{{pullfactory,
  title   = {{pullfactory: pulls of profile-likelihood fits to correlated observables}},
  author  = {{{{pullfactory developers}}}},
  version = {{{version("pullfactory")}}},
  license = {{BSD-3-Clause}}
}}"""
