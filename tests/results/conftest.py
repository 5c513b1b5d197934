"""Toys in parts of one block, for tests of what is kept of them."""

import pytest

import pullfactory as pf


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pullfactory.runs.toys._TOGETHER", 1)


@pytest.fixture(scope="session")
def likelihood() -> pf.BinnedLikelihood:
    return pf.BinnedLikelihood.from_pyhf(pf.read_workspace("workspaces/poster.json"))
