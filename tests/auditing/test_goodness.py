"""Goodness of fit: distances, toys at the fitted point, and what is said of them."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from scipy import sparse, stats

import pullfactory as pf
from pullfactory.auditing import (
    AuditModel,
    Expected,
    FittedPool,
    build_audit_workspace,
    read_events,
)
from pullfactory.auditing.answerable import doubts_on
from pullfactory.auditing.fitted_pool import rake
from pullfactory.auditing.goodness import (
    data_distance,
    goodness_findings,
    judge_data,
    pulled_findings,
    throw_distances,
)
from pullfactory.fitting import FitBatch, FitStatus, fit_toys
from pullfactory.inference.goodness import Distances, Goodness, GoodnessRow, p_text
from pullfactory.report.audit_verdict import audit_answer_of
from pullfactory.report.goodness import is_refused
from pullfactory.settings.audit import AuditConfig
from tests.auditing.fit_models import config, data, signal, simulated, table

EVENTS, RHO, N_SIM = 1000.0, 0.6, 20_000
QUICK = {"replicas": 20, "toys.unbinned": "none", "toys.n_toys": 128, "figures": []}


def samples(seed: int = 1, part: float = 0.0, **measured: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = simulated(rng, N_SIM, 2, RHO, part)
    return found | {"data": table(data(rng, 2, RHO, EVENTS, part=part, **measured))}


def prepared(tables: dict[str, Any], part: float = 0.0, **settings: Any) -> AuditModel:
    asked = AuditConfig.from_dict(config(2, EVENTS, part)).with_settings(QUICK | settings)
    expected = Expected.of(asked, read_events(asked, tables))
    return AuditModel.of(expected, build_audit_workspace(expected, expected.observed))


def fitted(model: AuditModel) -> FitBatch:
    return fit_toys(model.likelihood, model.likelihood.observed[None])


def thrown(model: AuditModel, toys: int = 128) -> Distances:
    pool = FittedPool.of(model, fitted(model).estimate[0])
    parts = [throw_distances(pool, block) for block in range(-(-toys // pool.block_size))]
    return Distances.join(parts, toys)


def audited(tables: dict[str, Any], part: float = 0.0, **settings: Any) -> pf.AuditResult:
    asked = AuditConfig.from_dict(config(2, EVENTS, part)).with_settings(QUICK | settings)
    return pf.audit(asked, tables, workers=2)


@pytest.fixture(scope="module")
def right() -> AuditModel:
    return prepared(samples())


# --- the pool --------------------------------------------------------------------------------


def test_raked_events_have_the_rates_and_their_own_dependence() -> None:
    """Bins 0 and 1 are of one observable, 2 and 3 of another, which the last events lack."""
    cells = np.array([[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1], [1, 0, 0, 0]])
    before = np.array([40.0, 10.0, 20.0, 30.0, 5.0])
    rates = np.array([60.0, 70.0, 62.0, 62.0])
    after = rake(sparse.csr_matrix(cells), before, rates)
    assert cells.T @ after == pytest.approx(rates, rel=5e-3)  # of the ridge
    odds = [w[0] * w[3] / (w[1] * w[2]) for w in (before, after)]
    assert odds[1] == pytest.approx(odds[0])


def test_raked_totals_agree_as_well_as_they_can() -> None:
    """All events have both observables, whose rates say 100 and 102."""
    cells = np.array([[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]])
    after = rake(sparse.csr_matrix(cells), np.full(4, 25.0), np.array([50.0, 50.0, 51.0, 51.0]))
    assert after.sum() == pytest.approx(101.0, abs=0.1)


def test_an_event_in_no_bin_keeps_its_weight() -> None:
    rows = sparse.csr_matrix(np.array([[1], [0]]))
    assert rake(rows, np.array([2.0, 3.0]), np.array([4.0]))[1] == 3.0


@pytest.mark.parametrize("settings", [{}, {"n_events_law": "fixed"}, {"workspace.staterror": True}])
def test_toys_have_the_fitted_rates_and_scatter_with_the_templates(
    settings: dict[str, Any],
) -> None:
    model = prepared(samples(), **settings)
    theta = fitted(model).estimate[0]
    pool = FittedPool.of(model, theta)
    main = model.likelihood.n_main
    counts = np.concatenate([pool.draw(block)[:, :main] for block in range(32)])
    rates = np.asarray(model.likelihood.expected(theta))
    if settings.get("n_events_law") == "fixed":
        rates = rates * len(model.expected.read("data").rows) / rates[: main // 2].sum()
        assert np.all(counts[:, : main // 2].sum(axis=1) == len(model.expected.read("data").rows))
    error = np.sqrt(rates / len(counts))
    assert np.abs((counts.mean(axis=0) - rates) / error).max() < stats.norm.isf(1e-4 / main)
    events = 0.0 if "workspace.staterror" in settings else EVENTS / N_SIM
    part = rates / EVENTS
    fixed = -rates * part if settings.get("n_events_law") == "fixed" else 0.0
    variance = rates + fixed + events * rates * (1.0 - part)
    width = np.sqrt(2.0 / len(counts)) * np.sqrt(2.0 / main)  # of pairs of like bins
    assert np.mean(counts.var(axis=0) / variance) == pytest.approx(1.0, abs=3 * width)


def test_toys_keep_the_dependence_of_the_events(right: AuditModel) -> None:
    """The numbers in the upper halves of both observables are correlated as in the events."""
    pool = FittedPool.of(right, right.likelihood.init)
    main = right.likelihood.n_main
    halves = np.arange(main).reshape(4, -1)[1::2]
    counts = np.concatenate([pool.draw(block)[:, :main] for block in range(16)])
    upper = np.stack([counts[:, half].sum(axis=1) for half in halves], axis=1)
    both = 0.25 + np.arcsin(RHO) / (2.0 * np.pi)  # both above their medians (Sheppard)
    found = np.corrcoef(upper, rowvar=False)[0, 1]
    assert found == pytest.approx(both / 0.5, abs=3 * (1 - (2 * both) ** 2) / np.sqrt(len(counts)))


# --- distances -------------------------------------------------------------------------------


def test_the_distance_is_that_of_the_likelihoods(right: AuditModel) -> None:
    fit, likelihood = fitted(right), right.likelihood
    counts, aux = np.split(likelihood.observed, [likelihood.n_main])
    saturated = -stats.poisson.logpmf(counts, counts).sum()
    saturated -= stats.norm.logpdf(aux, aux, likelihood.aux_sigma).sum()
    found = data_distance(right, fit)
    assert found.values[0, 0] == pytest.approx(2 * (fit.nll[0] - saturated), rel=1e-9)


def test_shapes_and_number_add_up_to_all(right: AuditModel) -> None:
    """A Poisson likelihood is that of its total and a multinomial one."""
    fit = fitted(right)
    own = right.likelihood.channel_slice("x")
    total, shape, _, number = data_distance(right, fit).values[0]
    rates = np.asarray(right.likelihood.expected(fit.estimate[0]))[own]
    n = right.likelihood.observed[own]
    poisson = 2 * np.sum(rates - n + np.where(n > 0, n * np.log(np.maximum(n, 1) / rates), 0.0))
    assert shape + number == pytest.approx(poisson)
    assert total > shape + number


def test_chi_square_has_a_degree_of_freedom_less_for_the_free_parameter(right: AuditModel) -> None:
    chi = judge_data(right, fitted(right), None, "none").chi_square
    assert chi
    assert chi.dof == right.likelihood.n_main - 1
    assert chi.p_value == pytest.approx(stats.chi2.sf(chi.statistic, chi.dof))


@pytest.mark.parametrize(
    ("beyond", "toys", "text"),
    [(0, 300, "p < 0.01"), (0, 2000, "p < 0.002"), (0, 99, "p < 0.04"), (0, 1, "p < 1"),
     (2, 300, "p = 0.00997"), (149, 299, "p = 0.5")],
)  # fmt: skip
def test_p_values_are_told_as_far_as_they_are_known(beyond: int, toys: int, text: str) -> None:
    assert p_text(beyond, toys) == text


def test_rows_of_one_event_are_drawn_together() -> None:
    """Every event has its row twice: counts are even, and their variance is twice as large."""
    tables = {}
    for place, (role, columns) in enumerate(samples().items()):
        event = np.arange(len(columns["x"])) + 10**6 * place
        doubled = {name: np.repeat(column, 2) for name, column in columns.items()}
        tables[role] = doubled | {"event": np.repeat(event, 2)}
    settings = {"identifier": ["event"], "repeated": "cluster", "workspace.staterror": True}
    model = prepared(tables, 0.0, **settings, **{"samples.nominal.events": 2 * EVENTS})
    theta = fitted(model).estimate[0]
    pool, main = FittedPool.of(model, theta), model.likelihood.n_main
    counts = np.concatenate([pool.draw(block)[:, :main] for block in range(8)])
    assert np.all(counts % 2 == 0)
    rates = np.asarray(model.likelihood.expected(theta))
    error = np.sqrt(2 * rates / len(counts))
    assert np.abs((counts.mean(axis=0) - rates) / error).max() < stats.norm.isf(1e-4 / main)
    width = np.sqrt(2.0 / len(counts)) * np.sqrt(2.0 / main)
    assert np.mean(counts.var(axis=0) / rates) == pytest.approx(2.0, abs=3 * 2 * width)


# --- weighted data ---------------------------------------------------------------------------


def test_toys_of_weighted_data_have_its_weights() -> None:
    """Half as many events of weight 2: every distance is twice as large."""
    tables = samples()
    few = {name: column[::2] for name, column in tables["data"].items()}
    heavy = tables | {"data": few | {"w": np.full(len(few["x"]), 2.0)}}
    means = [
        thrown(model, 512).values[:, 1].mean()
        for model in (prepared(tables), prepared(heavy, 0.0, **{"samples.data.weight": "w"}))
    ]
    assert means[1] / means[0] == pytest.approx(2.0, rel=4 * np.sqrt(2 * 2 / 9 / 512))


# --- what is said ----------------------------------------------------------------------------


@pytest.mark.slow
def test_data_of_the_model_have_an_answer() -> None:
    result = audited(samples())
    assert result.goodness
    assert result.goodness.reason is None
    assert [row.of for row in result.goodness.rows] == ["all bins", "x", "y", "number of events"]
    assert all(0.01 < row.p_value < 0.99 for row in result.goodness.rows)
    assert result.withheld is None
    assert result.independent is False
    assert "No: the claimed error of m" in result.title


def test_without_events_that_fit_there_is_no_answer() -> None:
    result = audited(samples(rates=(1.3, 1.0)))
    assert result.withheld
    assert "none of 128 toys is beyond" in result.withheld
    assert "in the number of events" in result.withheld
    assert f"Cannot be told: {result.withheld}." in result.title
    assert result.independent is None
    assert all(np.isnan(row.inflate_by) and row.reason for row in result.rows)
    assert not any(np.isfinite(row.pull.actual_error) for row in result.sets)
    assert result.summary()["goodness"]["withheld"] == result.withheld
    assert {"fit.all", "fit.events"} <= {one.place for one in result.gate if one.level == "warn"}


def test_few_toys_of_which_none_is_beyond_tell_nothing() -> None:
    result = audited(samples(rates=(1.3, 1.0)), **{"toys.n_toys": 20})
    assert result.withheld
    assert result.withheld.startswith("none of 20 toys is as far")
    assert result.goodness
    assert not is_refused(result.goodness.to_dict())


def test_without_toys_there_is_the_chi_square_alone() -> None:
    result = audited(samples(rates=(1.3, 1.0)), **{"toys.n_toys": 0})
    assert result.goodness
    assert result.goodness.reason == "toys.n_toys = 0"
    assert not result.goodness.rows
    assert result.withheld
    assert result.withheld.startswith("the model does not fit the data (chi-square with p = ")
    [finding] = (one for one in result.gate if one.cause == "goodness")
    assert "independent of each other" in finding.text


def test_negative_weights_leave_the_chi_square_alone() -> None:
    tables = samples()
    weight = np.where(np.arange(N_SIM) % 50 == 0, -1.0, 1.0)
    tables = {r: t if r == "data" else t | {"w": weight} for r, t in tables.items()}
    result = audited(tables, weight="w")
    assert result.goodness
    assert "negative weights" in (result.goodness.reason or "")
    assert result.goodness.chi_square
    assert not result.goodness.rows


def test_no_goodness_of_a_fit_that_failed(right: AuditModel) -> None:
    fit = replace(fitted(right), status=np.array([FitStatus.ITERATION_LIMIT], dtype=np.int8))
    found = judge_data(right, fit, None, None)
    assert found.reason == "the fit of the data ended as iteration_limit"
    assert found.chi_square is None


def test_failed_toys_are_counted_and_left_out(right: AuditModel) -> None:
    toys = thrown(right)
    status = toys.status.copy()
    status[:3] = FitStatus.NON_FINITE
    found = judge_data(right, fitted(right), replace(toys, status=status), None)
    assert found.failed == {"non_finite": 3}
    assert {row.toys for row in found.rows} == {len(status) - 3}


def row_of(of: str, beyond: int, toys: int = 300) -> GoodnessRow:
    numbers: dict[str, Any] = {"low": 0.0, "high": 1.0, "histogram": (toys,)}
    numbers |= {"statistic": 1.0, "mean": 1.0, "spread": 1.0, "distance": 0.0}
    p_value = (beyond + 1) / (toys + 1)
    return GoodnessRow(of=of, beyond=beyond, toys=toys, p_value=p_value, **numbers)


def goodness_of(*rows: GoodnessRow, **more: Any) -> Goodness:
    return Goodness(rows=rows, chi_square=None, toys=300, failed={}, reason=None, **more)


def test_data_that_fit_too_well_are_told() -> None:
    assert [one.cause for one in goodness_findings(goodness_of(row_of("all bins", 299)))] == [
        "too_good"
    ]
    assert not list(goodness_findings(goodness_of(row_of("all bins", 290))))


def test_a_shape_that_fits_badly_qualifies_the_answer() -> None:
    doubt = "data and fit disagree in the shape of x (p = 0.0066)"
    goodness = goodness_of(row_of("all bins", 100), row_of("x", 1), doubt=doubt)
    [finding] = goodness_findings(goodness)
    assert finding.place == "fit.x"
    rows = [{"parameter": "m", "inflate_by": 1.0, "inflate_by_error": 0.01}]
    answer = audit_answer_of(rows, "m", doubts=doubts_on(goodness, (finding,)))
    assert answer.mood == "open"
    assert answer.text == f"Yes: every claimed error is right within 5%; but {doubt}"


def test_a_parameter_that_is_pulled_is_told_and_its_value_only_unless_blinded() -> None:
    model = prepared(samples(tune=5.0))
    fit = fitted(model)
    [told], [hidden] = (list(pulled_findings(model, fit, blind=blind)) for blind in (False, True))
    assert told.place == hidden.place == "parameter.tune"
    value = float(fit.estimate[0, model.likelihood.positions("tune")[0]])
    assert f"{value:+.2g}" in told.text
    assert f"{value:+.2g}"[1:] not in hidden.text
    assert not list(pulled_findings(model, replace(fit, estimate=0 * fit.estimate), blind=False))


@pytest.mark.slow
def test_another_process_gives_the_same_numbers() -> None:
    tables = samples()
    here = audited(tables)
    asked = AuditConfig.from_dict(config(2, EVENTS, 0.0)).with_settings(QUICK)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pf.audit(asked, tables, executor=pool)
    assert here.goodness == there.goodness


def test_one_sided_samples_of_other_events_have_their_noise_in_the_toys() -> None:
    """The mirror image of a sample is no sample of events: nothing is read for it."""
    tuned = signal(np.random.default_rng(8), N_SIM, 2, RHO, tune=1.0)
    tables = samples() | {"tune.up": table(tuned)}
    asked = config(2, EVENTS, 0.0)
    asked["samples"]["tune"] = {"up": {"in_memory": True, "same_events": False}}
    asked["parameter"] = [
        one | ({"symmetrise": True} if one["name"] == "tune" else {}) for one in asked["parameter"]
    ]
    result = pf.audit(AuditConfig.from_dict(asked).with_settings(QUICK), tables, workers=2)
    assert result.goodness
    assert len(result.goodness.rows) == 4
    assert not result.goodness.failed


def test_a_fit_that_ends_at_a_bound_qualifies_the_answer() -> None:
    asked = config(2, EVENTS, 0.0)
    asked["parameter"] = [
        one | ({"bounds": [-0.01, 0.01]} if one["name"] == "m" else {})
        for one in asked["parameter"]
    ]
    data_off = samples(m=1.5)
    result = pf.audit(AuditConfig.from_dict(asked).with_settings(QUICK), data_off, workers=2)
    [finding] = (one for one in result.gate if one.cause == "fit_status")
    assert "at_bound; no error of m." in finding.text
    assert finding.remedy.startswith("Widen parameter.m.bounds")
    assert result.withheld or "only if what is warned of is meant so" in result.title
