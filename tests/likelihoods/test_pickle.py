"""Likelihoods travel: one that arrives in another process fits as the one that left."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pullfactory as pf

WORKSPACES = Path(__file__).parents[2] / "workspaces"

ELSEWHERE = """
import pickle, sys
import pullfactory as pf
likelihood, data = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps(pf.fit_toys(likelihood, data).estimate))
"""


@pytest.mark.parametrize(
    "name",
    ["poster.json", pytest.param("poster_multiplicative.json", marks=pytest.mark.slow)],
)
def test_a_pickled_likelihood_fits_the_same(name: str) -> None:
    likelihood = pf.BinnedLikelihood.from_pyhf(pf.read_workspace(WORKSPACES / name))
    likelihood = likelihood.fix({"JRF": 0.5})
    data = pf.throw_toys(likelihood, 16, 1).data
    here = pf.fit_toys(likelihood, data).estimate
    copy = pickle.loads(pickle.dumps(likelihood))
    assert copy.program is likelihood.program  # so nothing is compiled again
    np.testing.assert_array_equal(pf.fit_toys(copy, data).estimate, here)
    sent = pickle.dumps((likelihood, data))
    command = [sys.executable, "-c", ELSEWHERE]
    found = subprocess.run(command, input=sent, capture_output=True, check=True)
    np.testing.assert_array_equal(pickle.loads(found.stdout), here)
