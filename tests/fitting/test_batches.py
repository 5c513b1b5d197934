"""Blocks give random numbers, batches are what is fitted at once: one does not touch the other."""

from pathlib import Path

import numpy as np
import pytest

from pullfactory import BinnedLikelihood, fit_toys, read_workspace, throw_toys

WORKSPACES = Path(__file__).parents[2] / "workspaces"
TOYS = 600  # two blocks and a part of one
CLOSE = 1e-9  # of an error: rounding, where the minimiser stops within 4e-5


def batch_of(size: int) -> property:
    return property(lambda _likelihood: size)


@pytest.mark.parametrize("size", [64, 1024])
@pytest.mark.parametrize("name", ["poster", "poster_multiplicative"])
def test_toys_and_fits_do_not_depend_on_the_batch(
    name: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    likelihood = BinnedLikelihood.from_pyhf(read_workspace(WORKSPACES / f"{name}.json"))
    toys = throw_toys(likelihood, TOYS, 3)
    fits = fit_toys(likelihood, toys.data)
    monkeypatch.setattr(BinnedLikelihood, "batch", batch_of(size))
    assert likelihood.batch != likelihood.block
    again = throw_toys(likelihood, TOYS, 3)
    np.testing.assert_array_equal(again.data, toys.data)
    np.testing.assert_array_equal(again.truth, toys.truth)
    other = fit_toys(likelihood, toys.data)
    np.testing.assert_array_equal(other.status, fits.status)
    far = np.abs(other.estimate - fits.estimate) / fits.error
    assert np.nanmax(far) < CLOSE
    np.testing.assert_allclose(other.error, fits.error, rtol=CLOSE)
    np.testing.assert_allclose(other.nll, fits.nll, rtol=CLOSE)


def test_a_batch_is_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last digits depend on the shape that fits are compiled for."""
    likelihood = BinnedLikelihood.from_pyhf(read_workspace(WORKSPACES / "poster.json"))
    assert likelihood.batch == likelihood.block
    monkeypatch.setattr(BinnedLikelihood, "block", batch_of(32))
    assert likelihood.batch == 32
