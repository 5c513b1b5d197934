"""Projections of derivatives of templates, and the information that they lose."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory import audit
from pullfactory._jax import double_precision
from pullfactory.auditing import Expected
from pullfactory.auditing.reading import read_events
from pullfactory.auditing.smoothing import Smoothing, projection
from pullfactory.errors import CalibrationError
from pullfactory.results.audit import AuditResult
from pullfactory.settings.audit import AuditConfig
from pullfactory.workspaces.reading import read_workspace
from tests.auditing.known_truth import config, samples
from tests.auditing.test_units import model_of, with_background


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
        onto = smoothing.projections[o]
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


def with_peak(rng: np.random.Generator) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Samples in which the mass moves a narrow peak, on 90 % other events, in one observable."""
    tables = samples(rng, 50_000, 0.0)
    for mass, table in zip((0.0, 1.0, -1.0), tables.values(), strict=True):
        peak = rng.random(50_000) < 0.1
        broad, narrow = 30.0 * rng.standard_normal(50_000), 1.5 * rng.standard_normal(50_000)
        table["a"] = 170.0 + np.where(peak, narrow + mass, broad)
    return tables


def test_lost_information_is_discerned() -> None:
    """A narrow peak on 90 % other events is no polynomial: nothing is projected in its observable.

    Its rank moves in one bin of twenty.
    """
    tables = with_peak(np.random.default_rng(4))
    smoothing = smoothing_of(config(workspace={"smooth": 5}), tables)
    looked = [loss for loss in smoothing.losses if (loss.parameter, loss.observable) == ("m", 0)]
    assert [loss.degree for loss in looked] == [5, 7, 9]
    assert looked[0].lost > 0.5
    assert set(smoothing.projections) == {1}


def test_an_observable_has_one_degree() -> None:
    """The mass moves a narrow peak, the scale everything: both stay as they are in it."""
    tables = with_peak(np.random.default_rng(6))
    smoothing = smoothing_of(config(workspace={"smooth": 5}), tables)
    assert any(one.parameter == "j" and one.tolerated for one in smoothing.losses)
    assert set(smoothing.projections) == {1}


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


def expected_at(spec: Mapping[str, Any], theta: Mapping[str, float]) -> NDArray[np.float64]:
    """Rates of all bins of a workspace in plain pyhf; parameters that are not named at init."""
    model = read_workspace(spec).model(poi_name=None)
    at = model.config.suggested_init()
    for name, value in theta.items():
        at[model.config.par_slice(name)] = [value]
    return np.asarray(model.expected_actualdata(at))


@double_precision
@pytest.mark.parametrize("morphing", ["additive", "additive_cross", "multiplicative"])
def test_every_morphing(morphing: str) -> None:
    """At the samples the workspace has the nominal templates and what is projected of changes.

    With a background, and a mirror image for one parameter.
    """
    settings = config(n_events_law="poisson", workspace={"morphing": morphing, "n_bins": 12})
    tables = with_background(settings, np.random.default_rng(5))
    settings["parameter"][1]["symmetrise"] = True
    del settings["samples"]["j"]["down"]
    settings["samples"]["j"]["up"] = {"in_memory": True}
    tables["j.up"] = samples(np.random.default_rng(6), 4000, 0.3)["m.up"]
    tables["j.up"]["w"] = tables["nominal"]["w"]
    around: list[dict[str, int]] = [{}]
    if morphing == "additive_cross":
        settings["parameter"][1]["symmetrise"] = False
        moved = {"observables": {"a": "a + 0.7", "b": "b + 0.4"}}
        back = {"observables": {"a": "a - 0.7", "b": "b - 0.4"}}
        settings["samples"]["j"] = {"up": moved, "down": back}
        del tables["j.up"]
        around += [{"j": 1}, {"j": -1}]
    spec = audit(settings, tables).workspace
    checked = AuditConfig.from_dict(settings)
    expected = Expected.of(checked, read_events(checked, tables))
    smoothing = Smoothing.of(expected)
    assert set(smoothing.projections) == {0, 1}
    ways = [({"m": 1, **rest}, {"m": -1, **rest}) for rest in around]
    for first, second in [*ways, ({"j": 1}, {}), ({"j": -1}, {})]:
        change = expected_at(spec, first) - expected_at(spec, second)
        for o, found in enumerate(np.split(change, 2)):
            up, down = (
                sum(point.template(o) for point in expected.at(at)) for at in (first, second)
            )
            wanted = smoothing.projections[o] @ (up - down)
            np.testing.assert_allclose(found, wanted, atol=1e-8)
            assert np.abs(wanted - (up - down)).max() > 1.0


def test_what_is_fitted_is_what_is_written(tmp_path: Path) -> None:
    """Claimed errors, pulls and the whole error are those of the workspace in the folder."""
    settings = config(toys={"n_toys": 64, "unbinned": "none"}, n_events_law="poisson")
    tables = samples(np.random.default_rng(7), 20_000, 0.3)
    result = audit(settings, tables)
    folder = result.write(tmp_path / "audit", figures=())
    spec = json.loads((folder / "workspaces" / "known.json").read_text(encoding="utf-8"))
    step = 1e-3
    theta = [{name: sign * step} for name in "mj" for sign in (1, -1)]
    rates = [expected_at(spec, each) for each in theta]
    slopes = np.stack([(rates[i] - rates[i + 1]) / (2 * step) for i in (0, 2)], axis=1)
    information = slopes.T @ (slopes / expected_at(spec, {})[:, None]) + np.diag([0.0, 1.0])
    claimed = np.sqrt(np.diag(np.linalg.inv(information)))
    np.testing.assert_allclose([row.claimed_error for row in result.rows], claimed, rtol=1e-4)
    for row, pulls in zip(result.rows, result.pulls, strict=True):
        assert row.factor
        assert pulls.pulls.claimed_error
        assert row.whole_error == pytest.approx(row.factor * row.claimed_error)
        # of the toys' own fits, each with counts that scatter
        assert pulls.pulls.claimed_error == pytest.approx(row.claimed_error, rel=0.02)


@pytest.mark.parametrize("bins", [6, 7])
def test_few_bins_stay(bins: int) -> None:
    """As many functions as bins have nothing to smooth."""
    tables = samples(np.random.default_rng(9), 5_000, 0.0)
    smoothing = smoothing_of(config(workspace={"n_bins": bins}), tables)
    assert bool(smoothing.projections) == (bins == 7)


def test_lost_information_is_told() -> None:
    """A note names parameter, observable, what is lost, and what is done instead."""
    tables = with_peak(np.random.default_rng(4))
    bare = audit(config(workspace={"smooth": "none"}), tables)
    assert not any("smoothed" in note for note in bare.notes)
    (note,) = (note for note in audit(config(), tables).notes if "smoothed" in note)
    assert "degree 5" in note
    assert "m in a (" in note
    assert "% lost: single bins)" in note
    assert "m in b" not in note


def test_no_smoothing_before_there_was_any(tmp_path: Path) -> None:
    """The configuration of a folder without the key was not smoothed."""
    result = audit(config(), samples(np.random.default_rng(2), 2000, 0.0))
    assert result.config.workspace.smooth == 5
    folder = result.write(tmp_path / "audit", figures=())
    assert AuditResult.read(folder).config.workspace.smooth == 5
    path = folder / "audit.json"
    numbers = json.loads(path.read_text(encoding="utf-8"))
    del numbers["config"]["workspace"]["smooth"]
    path.write_text(json.dumps(numbers), encoding="utf-8")
    assert AuditResult.read(folder).config.workspace.smooth == "none"


def test_empty_bins_are_named(recwarn: pytest.WarningsRecorder) -> None:
    """They are refused with the channel's name, before anything is divided by them."""
    given = {"name": "a", "edges": [0.0, 1.0, *range(150, 192, 4)]}
    settings = config(observable=[given, {"name": "b"}])
    with pytest.raises(CalibrationError, match="channel 'a'"):
        audit(settings, samples(np.random.default_rng(2), 2000, 0.0))
    assert not recwarn
