"""Optimal combinations of all that an audit can have: free rates, gaps, rows, factors of bins."""

import os
from typing import Any

import numpy as np
import pytest

from pullfactory._jax import jnp
from pullfactory.auditing import (
    AuditModel,
    ErrorModel,
    Expected,
    LinearFit,
    build_audit_workspace,
    optimal_models,
    predict_errors,
    read_events,
)
from pullfactory.auditing.optimal_counts import OptimalCounts
from pullfactory.likelihoods.optimal import OptimalPairs
from pullfactory.settings.audit import AuditConfig
from tests.auditing.fit_models import config, simulated

N, EVENTS, RHO = 6000, 1000.0, 0.8
KINDS: dict[str, dict[str, Any]] = {
    "free rate": {"part": 0.3, "norm": "free"},
    "rate with an uncertainty": {"part": 0.3, "norm": 0.1},
    "three observables, some lack one": {"k": 3, "gaps": True},
    "fixed number, some lack one": {"gaps": True, "n_events_law": "fixed"},
    "fixed number, products": {
        "n_events_law": "fixed",
        "workspace.morphing": "multiplicative",
        "workspace.mass_constraint": False,
    },
    "factors of bins and a free rate": {
        "part": 0.3,
        "norm": "free",
        "workspace.staterror": True,
    },
    "rows of one event": {"rows": True},
}
FAST = ("three observables, some lack one",)


def prepared(
    k: int = 2,
    part: float = 0.0,
    norm: float | str = 0.1,
    gaps: bool = False,
    rows: bool = False,
    seed: int = 6,
    rho: float = RHO,
    **settings: Any,
) -> AuditModel:
    """An audit of simulated events alone."""
    rng = np.random.default_rng(seed)
    tables = simulated(rng, N, k, rho, part)
    for table in tables.values():
        if gaps:  # the farther out the first, the more
            table["y"] = np.where(np.abs(table["x"]) > rng.exponential(3.0, N), np.nan, table["y"])
        if rows:  # two of an event, the second much as the first
            table["event"] = np.arange(N, dtype=np.float64) // 2
            for name in ("x", "y"):
                table[name][1::2] = 0.8 * table[name][::2] + 0.6 * table[name][1::2]
    asked = config(k, EVENTS, part, norm) | {"optimal": True}
    del asked["samples"]["data"]
    if gaps:
        asked["observable"][1]["missing"] = "allow"
        asked["observable"].reverse()  # a workspace has its channels by name
    if rows:
        asked |= {"identifier": ["event"], "repeated": "cluster"}
    whole = AuditConfig.from_dict(asked).with_settings({"replicas": 10, **settings})
    expected = Expected.of(whole, read_events(whole, tables))
    return AuditModel.of(expected, build_audit_workspace(expected))


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=() if k in FAST else pytest.mark.slow) for k in KINDS]
)
def test_it_is_never_worse_and_agrees_with_its_sandwich(kind: str) -> None:
    """Of expected events the score of the pairs has just the covariance that the weights take."""
    model = prepared(**KINDS[kind])
    errors = ErrorModel.of(model)
    predicted = predict_errors(errors)
    product = dict(zip(predicted.parameters, predicted.errors[1].tolist(), strict=True))
    (found,), refused = optimal_models(model, LinearFit.of(errors), None)
    assert not refused
    told = found.tell(product)
    assert [row.parameter for row in told.rows] == list(product)
    for row in told.rows:
        assert row.claimed_error is not None
        assert row.claimed_error < product[row.parameter] * (1.0 + 1e-6)
    assert (told.rows[0].claimed_error or 0.0) < 0.97 * product["m"]
    counts = OptimalCounts(model=model)
    init, data = model.likelihood.init, counts.nominal
    information = np.asarray(counts.likelihood.expansion(jnp.asarray(init), _one(data)).curvature)
    pairs = errors.drawn(np.ones((1, 128))).pairs
    scatter = counts.method.scatter(init[None], OptimalPairs(data, pairs))[0]
    moving = np.flatnonzero(~counts.likelihood.fixed)
    whole = (scatter + counts.method.aux_scatter)[np.ix_(moving, moving)]
    wanted = information[np.ix_(moving, moving)]
    size = np.sqrt(np.diag(wanted))
    assert whole / np.outer(size, size) == pytest.approx(wanted / np.outer(size, size), abs=1e-6)


BACKGROUNDS = int(os.environ.get("AUDITS", "4"))


@pytest.mark.slow
def test_it_is_never_worse_with_any_background() -> None:
    """Random parts, correlations, numbers of observables, and uncertainties of the rate."""
    better = 0
    for seed in range(BACKGROUNDS):
        rng = np.random.default_rng(seed)
        model = prepared(
            k=int(rng.integers(2, 4)),
            part=float(rng.uniform(0.1, 0.6)),
            norm="free" if rng.random() < 0.5 else float(rng.uniform(0.02, 0.5)),
            seed=seed,
            rho=float(rng.uniform(0.0, 0.95)),
        )
        errors = ErrorModel.of(model)
        predicted = predict_errors(errors)
        product = dict(zip(predicted.parameters, predicted.errors[1].tolist(), strict=True))
        (found,), _ = optimal_models(model, LinearFit.of(errors), None)
        for row in found.tell(product).rows:
            assert (row.claimed_error or np.inf) <= product[row.parameter] * (1.0 + 1e-6)
            better += (row.claimed_error or np.inf) < 0.98 * product[row.parameter]
        sums: dict[str, Any] = {}
        for weight in found.tell(product).weights:
            both = np.array([weight.product, weight.optimal])
            sums[weight.parameter] = sums.get(weight.parameter, 0.0) + both
        for both in sums.values():
            assert both == pytest.approx(np.ones(2), rel=1e-6)
    assert better


def _one(data: Any) -> Any:
    """The only toy."""
    return type(data)(*(np.asarray(part)[0] for part in data))


def test_what_is_refused_says_why() -> None:
    few = prepared_few()
    found, refused = optimal_models(few, LinearFit.of(ErrorModel.of(few)), None)
    assert not found
    assert "900 simulated events are too few for optimal weights" in (refused[0].reason or "")
    assert refused[0].rows == ()


def prepared_few() -> AuditModel:
    """Fewer events than 50 for each of 19 independent bins."""
    tables = simulated(np.random.default_rng(6), 900, 2, RHO, 0.0)
    asked = config(2, EVENTS, 0.0) | {"optimal": True}
    del asked["samples"]["data"]
    whole = AuditConfig.from_dict(asked).with_settings({"replicas": 10})
    expected = Expected.of(whole, read_events(whole, tables))
    return AuditModel.of(expected, build_audit_workspace(expected))
