"""Projections of derivatives of templates, and the information that they lose."""

from typing import Any

import numpy as np
import pytest

from pullfactory import audit
from pullfactory.auditing import Expected
from pullfactory.auditing.reading import read_events
from pullfactory.auditing.smoothing import Smoothing, projection
from pullfactory.settings.audit import AuditConfig
from tests.auditing.known_truth import config, samples
from tests.auditing.test_units import model_of


def smoothing_of(settings: dict[str, Any], tables: dict[str, Any]) -> Smoothing:
    checked = AuditConfig.from_dict(settings)
    return Smoothing.of(Expected.of(checked, read_events(checked, tables)))


@pytest.mark.parametrize("degree", [5, 7])
def test_projection(degree: int) -> None:
    """Smooth changes stay as they are, totals too, and what is left is orthogonal in 1 / r."""
    rng = np.random.default_rng(1)
    rates = rng.uniform(10, 100, 20)
    onto = projection(rates, degree)
    rank = (np.cumsum(rates) - rates / 2) / rates.sum()
    smooth = rates * np.polynomial.Polynomial(rng.standard_normal(degree + 1))(rank)
    np.testing.assert_allclose(onto @ smooth, smooth, rtol=1e-9, atol=1e-9 * abs(smooth).max())
    change = rng.standard_normal(20)
    assert (onto @ change).sum() == pytest.approx(change.sum())
    np.testing.assert_allclose(onto @ onto, onto, atol=1e-10)
    rest = change - onto @ change
    assert rest / rates @ smooth == pytest.approx(0.0, abs=1e-9 * abs(smooth).max())
    assert np.trace(onto) == pytest.approx(degree + 1)


def test_templates_have_it() -> None:
    """Slopes of the fit are in the span of smooth functions, with the same totals."""
    tables = samples(np.random.default_rng(2), 20_000, 0.0)
    bare = model_of(config(), tables)
    settings = config(workspace={"smooth": 5})
    smoothing = smoothing_of(settings, tables)
    result = audit(settings, tables)
    for channel in result.workspace["channels"]:
        o = ["a", "b"].index(channel["name"])
        onto = smoothing.projections["m", o]
        (mass,) = (
            np.array(sample["data"])
            for sample in channel["samples"]
            if any(one["type"] == "normfactor" for one in sample["modifiers"])
        )
        np.testing.assert_allclose(onto @ mass, mass, atol=1e-8 * abs(mass).max())
        (k,) = bare.audit.likelihood.positions("m")
        before = bare.slopes[bare.audit.channels.slices[o], k]
        np.testing.assert_allclose(onto @ before, mass, atol=1e-8 * abs(mass).max())
        assert mass.sum() == pytest.approx(before.sum(), abs=1e-8 * abs(mass).max())


def test_less_noise() -> None:
    """With 6 functions in place of 19 and 19 of 20 bins the slope is nearer 1 by that."""
    tables = samples(np.random.default_rng(3), 20_000, 0.0)
    away = []
    for smooth in ("none", 5):
        (row,) = (
            row
            for row in audit(config(workspace={"smooth": smooth}), tables).rows
            if row.parameter == "m"
        )
        assert row.slope is not None
        away.append(1 - row.slope)
    # (5 functions beside the total) / 19; the other parameter's noise is smoothed as well
    assert away[1] / away[0] == pytest.approx(5 / 19, abs=0.1)


def test_lost_information_is_discerned() -> None:
    """A narrow peak on 90 % other events is no polynomial: nothing is projected in its observable.

    Its rank moves in one bin of twenty.
    """
    rng = np.random.default_rng(4)
    tables = samples(rng, 50_000, 0.0)
    for mass, table in zip((0.0, 1.0, -1.0), tables.values(), strict=True):
        peak = rng.random(50_000) < 0.1
        broad, narrow = 30.0 * rng.standard_normal(50_000), 1.5 * rng.standard_normal(50_000)
        table["a"] = 170.0 + np.where(peak, narrow + mass, broad)
    smoothing = smoothing_of(config(workspace={"smooth": 5}), tables)
    looked = [loss for loss in smoothing.losses if (loss.parameter, loss.observable) == ("m", 0)]
    assert [loss.degree for loss in looked] == [5, 7, 9]
    assert looked[0].lost > 0.5
    assert ("m", 0) not in smoothing.projections
    assert ("m", 1) in smoothing.projections


def test_nothing_lost_by_a_shift() -> None:
    """Pulls of the lost information of a Gaussian shift, of which degree 5 loses 1 / 200.

    They are sums of squares: the mean is compared with its own error, and none is discerned.
    """
    pulls = []
    for seed in range(12):
        tables = samples(np.random.default_rng(100 + seed), 10_000, 0.0)
        smoothing = smoothing_of(config(workspace={"smooth": 5}), tables)
        pulls += [x.lost / x.error for x in smoothing.losses if x.parameter == "m"]
    assert abs(np.mean(pulls)) < 4 * np.std(pulls) / np.sqrt(len(pulls)) + 0.2
    assert len(pulls) == 24  # none was raised
