"""The line for the paper of whole audits: what is printed, written, blinded and withheld."""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pullfactory as pf
from pullfactory.auditing import (
    AuditModel,
    ErrorModel,
    ErrorParts,
    Expected,
    LinearFit,
    Smoothing,
    build_audit_workspace,
    read_events,
)
from pullfactory.auditing.blinding import blind_offset
from pullfactory.numbers import rounded
from pullfactory.report.paper import paper_line, parts_sentence
from pullfactory.settings.audit import AuditConfig
from tests.auditing.fit_models import config, data, simulated, table
from tests.auditing.known_truth import config as known_config
from tests.auditing.known_truth import events as known_events
from tests.auditing.known_truth import samples as known_samples

QUICK = {"replicas": 20, "toys.n_toys": 0, "toys.unbinned": "none", "figures": []}
EVENTS = 1000.0


def tables(simulation: int, m: float = 0.0, tune: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    found: dict[str, Any] = simulated(rng, simulation, 2, 0.5, 0.3)
    return found | {"data": table(data(rng, 2, 0.5, EVENTS, part=0.3, m=m, tune=tune))}


def asked(**settings: Any) -> AuditConfig:
    """With a background whose rate is known to 10 %."""
    return AuditConfig.from_dict(config(2, EVENTS, 0.3)).with_settings(QUICK | settings)


ABSOLUTE = {"parameter.m.nominal": 172.5, "parameter.m.unit": "GeV"}


@pytest.fixture(scope="module")
def many() -> dict[str, Any]:
    """Enough simulated events that the estimate stands as it is."""
    return tables(200_000, m=0.5, tune=1.0)


@pytest.fixture(scope="module")
def few() -> dict[str, Any]:
    """So few that it is divided by its slope."""
    return tables(400, m=1.0)


@pytest.fixture(scope="module")
def shown(many: dict[str, Any]) -> pf.AuditResult:
    return pf.audit(asked(**ABSOLUTE), many)


@pytest.fixture(scope="module")
def divided(few: dict[str, Any]) -> pf.AuditResult:
    return pf.audit(asked(**ABSOLUTE, **{"workspace.smooth": "none"}), few)


def fitted(settings: AuditConfig, events: dict[str, Any]) -> tuple[LinearFit, AuditModel]:
    """The matrices of an audit, and its model."""
    expected = Expected.of(settings, read_events(settings, events))
    smoothing = Smoothing.of(expected)
    spec = build_audit_workspace(expected, expected.observed, smoothing=smoothing)
    model = AuditModel.of(expected, spec, smoothing)
    return LinearFit.of(ErrorModel.of(model)), model


def linear(settings: AuditConfig, events: dict[str, Any]) -> tuple[LinearFit, int]:
    """The matrices of an audit, and where the parameter of interest is."""
    fit, model = fitted(settings, events)
    return fit, model.likelihood.positions("m")[0]


def test_the_line_is_what_the_formula_gives(shown: pf.AuditResult, many: dict[str, Any]) -> None:
    """172.5 with the estimate, the square root of E, and what the fit of the data claims."""
    (row,), (fit,) = shown.paper, shown.data
    matrices, m = linear(shown.config, many)
    error, own = matrices.whole[m, m] ** 0.5, fit.estimates[0]
    assert row.error == pytest.approx(error, rel=1e-12)
    assert row.value == 172.5 + own["estimate"]
    assert not row.calibrated
    claims = rounded(own["claimed_error"], own["claimed_error"]).split(" ± ")[1]
    value = rounded(172.5 + own["estimate"], error)
    assert shown.lines[0] == f"m = {value} GeV (the fit claims {claims})"
    parts = {(part.source, part.parameter): part.size for part in row.parts}
    assert sum(size**2 for size in parts.values()) == pytest.approx(error**2, rel=1e-12)
    moved = matrices.claimed[m]
    statistics = (moved @ matrices.scatter @ moved) ** 0.5
    assert parts["statistics", None] == pytest.approx(statistics, rel=1e-12)
    assert {("nuisance", "tune"), ("nuisance", "norm_bkg"), ("templates", None)} <= set(parts)


def test_noisy_templates_divide_the_estimate(divided: pf.AuditResult, few: dict[str, Any]) -> None:
    (row,), (fit,) = divided.paper, divided.data
    matrices, m = linear(divided.config, few)
    (answer,) = (one for one in divided.rows if one.parameter == "m")
    assert answer.answer == "calibrate"
    assert row.calibrated
    estimate = fit.estimates[0]["estimate"] / matrices.slope[m, m]
    theta = np.zeros(len(matrices.free))
    theta[m] = estimate
    assert row.shift == pytest.approx(estimate, rel=1e-12)
    assert row.error == pytest.approx(matrices.calibrated(theta)[m], rel=1e-12)
    assert "slope" in {part.source for part in row.parts}
    assert "estimate divided by its slope" in divided.lines[0]


def test_without_a_nominal_value_the_shift_is_told(
    shown: pf.AuditResult, many: dict[str, Any]
) -> None:
    (row,) = pf.audit(asked(), many).paper
    assert row.nominal is None
    assert row.value is None
    assert (row.shift, row.error) == (shown.paper[0].shift, shown.paper[0].error)
    line = paper_line(row.to_dict(), "GeV")
    assert re.fullmatch(r"m = nominal \+ 0\.\d+ ± 0\.\d+ GeV \(the fit claims 0\.\d+\)", line)
    negative = {**row.to_dict(), "shift": -0.5, "error": 0.25}
    assert paper_line(negative, "").startswith("m = nominal - 0.50 ± 0.25 (the fit claims ")


def test_values_stand_beside_the_estimates(shown: pf.AuditResult, tmp_path: Path) -> None:
    rows = {row["parameter"]: row for row in shown.data[0].estimates}
    assert rows["m"]["value"] == 172.5 + rows["m"]["estimate"]
    assert rows["tune"]["value"] is None
    folder = shown.write(tmp_path / "out")
    with (folder / "tables" / "data.csv").open() as file:
        assert float(next(csv.DictReader(file))["value"]) == rows["m"]["value"]


def test_what_is_written_is_read_again(divided: pf.AuditResult, tmp_path: Path) -> None:
    folder = divided.write(tmp_path / "out")
    again = pf.AuditResult.read(folder)
    assert again.paper == divided.paper
    assert again.impacts == divided.impacts
    with (folder / "tables" / "paper.csv").open() as file:
        sizes = [float(row["size"]) for row in csv.DictReader(file)]
    assert np.hypot.reduce(sizes) == pytest.approx(divided.paper[0].error, rel=1e-12)
    page = (folder / "report.html").read_text()
    assert divided.lines[0] in page
    assert parts_sentence(divided.paper[0].to_dict(), "GeV") in page


def test_pulls_are_told_claimed_and_corrected(shown: pf.AuditResult) -> None:
    estimates = shown.data[0].values
    assert {row.parameter for row in shown.impacts} == {"tune", "norm_bkg"}
    for row in shown.impacts:
        estimate, spreads = estimates[row.parameter], (row.claimed_spread, row.corrected_spread)
        assert row.auxiliary == 0.0
        assert None not in (estimate, *spreads)
        pulls = np.array(estimate, dtype=float) / np.array(spreads, dtype=float)
        assert [row.claimed_pull, row.corrected_pull] == pytest.approx(pulls)


@pytest.mark.parametrize("which", ["many", "few"])
def test_blinding_hides_what_tells_the_estimate(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The line has the offset of the estimate; no error or pull depends on the data."""
    events = request.getfixturevalue(which)
    settings = asked(**ABSOLUTE, **{"workspace.smooth": "none"})
    hidden = pf.audit(settings.with_settings({"blind": True}), events)
    open_ = pf.audit(settings, events)
    (blind,), (row,) = hidden.paper, open_.paper
    assert (blind.shift is None, row.calibrated) == (False, which == "few")
    inverse = row.slopes.inverse[0][0] if row.slopes and row.calibrated else 1.0
    offset = blind_offset(settings, "m")
    told, true = np.array([blind.shift, row.shift], dtype=float)
    assert told - true == pytest.approx(inverse * offset)
    assert "slope" not in {part.source for part in blind.parts}
    wanted = {part.source: part.size for part in row.parts if part.source != "slope"}
    assert blind.error == pytest.approx(np.hypot.reduce([p.size for p in blind.parts]))
    assert {part.source: part.size for part in blind.parts} == wanted
    assert all(one.claimed_pull is None and one.corrected_pull is None for one in hidden.impacts)
    assert "blinded: with a hidden offset" in hidden.lines[0]
    read = pf.AuditResult.read(hidden.write(tmp_path / "out"))
    for found in (hidden.unblinded(), read.unblinded()):
        (again,) = found.paper
        assert (again.shift, again.value, again.error) == pytest.approx(
            (row.shift, row.value, row.error), rel=1e-9
        )
        assert [part.source for part in again.parts] == [part.source for part in row.parts]
        assert [one.corrected_pull for one in found.impacts] == pytest.approx(
            [one.corrected_pull for one in open_.impacts], rel=1e-9
        )


def test_no_line_where_nothing_can_be_told(many: dict[str, Any]) -> None:
    """The mass from 150 events of each sample."""
    masses = {role: each for role, each in tables(150).items() if role.startswith("m.")}
    result = pf.audit(asked(**{"workspace.smooth": "none"}), many | masses)
    (row,) = result.paper
    assert row.reason
    assert (row.shift, row.value, row.error, row.parts, row.slopes) == (None, None, None, (), None)
    assert result.lines[0].startswith("No line for the paper: the templates are too noisy")
    assert all(one.corrected_impact is None and one.part is None for one in result.impacts)
    assert all(one.claimed_impact is not None for one in result.impacts)


def test_no_line_where_the_model_does_not_fit(many: dict[str, Any]) -> None:
    wrong = table(data(np.random.default_rng(5), 2, 0.5, EVENTS, part=0.3, tune=-15.0))
    result = pf.audit(asked(**ABSOLUTE), many | {"data": wrong})
    (row,) = result.paper
    assert row.reason == result.withheld
    assert row.error is None
    assert result.lines == (f"No line for the paper: {result.withheld}.",)


def test_without_data_there_is_no_line(many: dict[str, Any]) -> None:
    settings = config(2, EVENTS, 0.3)
    del settings["samples"]["data"]
    events = {role: each for role, each in many.items() if role != "data"}
    result = pf.audit(AuditConfig.from_dict(settings).with_settings(QUICK), events)
    assert result.paper == ()
    assert result.lines == ()
    assert all(row.claimed_pull is None and row.part is not None for row in result.impacts)


def test_weighted_data_scatter_more(shown: pf.AuditResult, many: dict[str, Any]) -> None:
    """Half of the events with weight 2 each: the statistical part grows by sqrt(2), no other."""
    events = {name: values[::2] for name, values in many["data"].items()}
    weighted = {**events, "w": np.full(len(events["x"]), 2.0)}
    samples = {"samples.data.weight": "w"}
    result = pf.audit(asked(**ABSOLUTE, **samples), many | {"data": weighted})
    once, twice = (
        {(part.source, part.parameter): part.size for part in each.paper[0].parts}
        for each in (shown, result)
    )
    statistics = once.pop(("statistics", None)), twice.pop(("statistics", None))
    assert statistics[1] == pytest.approx(np.sqrt(2.0) * statistics[0], rel=1e-9)
    assert twice == pytest.approx(once, rel=1e-9)


def test_rows_of_one_event_are_counted_once() -> None:
    """Two equal rows an event: the covariance of the counts has that, and no weight again."""
    rng = np.random.default_rng(12)

    def repeated(found: dict[str, Any]) -> dict[str, Any]:
        rows = {name: np.repeat(column, 2) for name, column in found.items()}
        return rows | {"event": np.repeat(np.arange(len(rows["a"]) // 2), 2)}

    found = {role: repeated(one) for role, one in known_samples(rng, 20_000, 0.3).items()}
    found["data"] = repeated(known_events(rng, 1000, 0.3))
    content = known_config(identifier=["event"], repeated="cluster")
    content["samples"]["data"] = {"in_memory": True}
    settings = AuditConfig.from_dict(content)
    fit, model = fitted(settings, found)
    parts = ErrorParts.binned(fit, model, calibrated=False).parts
    (statistics,) = (part.size for part in parts if part.source == "statistics")
    m = model.likelihood.positions("m")[0]
    moved = fit.claimed[m]
    assert statistics == pytest.approx((moved @ fit.scatter @ moved) ** 0.5, rel=1e-9)
    assert statistics > 1.1 * fit.claimed[m, m] ** 0.5  # the root of 2, less what rho takes off
