"""Weighted events of a known mixture in files: correlations, errors and toys."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import uproot
from numpy.typing import NDArray
from pyarrow import parquet
from scipy.stats import spearmanr

from pullfactory import AuditResult, audit

Table = dict[str, NDArray[Any]]
Tables = dict[str, Table]
Fed = Callable[[str | None], dict[str, Any]]

CORRELATION = {("x", "y"): 0.5, ("x", "z"): 0.2, ("y", "z"): 0.0}


@pytest.mark.slow
def test_correlations_within_three_errors(mixture_audit: AuditResult) -> None:
    assert [(pair.first, pair.second) for pair in mixture_audit.dependence] == list(CORRELATION)
    for pair in mixture_audit.dependence:
        truth = CORRELATION[pair.first, pair.second]
        assert pair.pearson is not None
        assert pair.pearson_error is not None
        # 400 000 weighted events: (1 - rho^2) / sqrt(events) or a little more, since they are
        # uncorrelated before the weights are applied
        assert 0.0005 < pair.pearson_error < 0.004
        assert abs(pair.pearson - truth) < 3 * pair.pearson_error
        assert pair.overlap == 1.0


@pytest.mark.slow
def test_rank_correlations_of_weighted_events(mixture_audit: AuditResult, mixture: Tables) -> None:
    """Against unweighted events drawn by the weights."""
    rng = np.random.default_rng(3)
    drawn = []
    for role, expected in (("nominal", 750), ("background.bkg", 250)):
        table = mixture[role]
        values = np.stack([table["x"], table["y"], table["z1"] + table["z2"]], axis=1)
        part = table["w"] / table["w"].sum()
        drawn.append(values[rng.choice(len(part), 400 * expected, p=part)])
    ranks = spearmanr(np.concatenate(drawn)).statistic
    for pair, (i, j) in zip(mixture_audit.dependence, [(0, 1), (0, 2), (1, 2)], strict=True):
        assert pair.spearman is not None
        assert pair.spearman_error is not None
        # The drawing adds an error of 1 / sqrt(400 000) at most.
        error = np.hypot(pair.spearman_error, 400_000**-0.5)
        assert abs(pair.spearman - ranks[i, j]) < 3 * error


@pytest.mark.slow
def test_predicted_widths_are_those_of_toys(mixture_audit: AuditResult) -> None:
    """Within 3 %, for what is not linear in the fits, and three standard errors of the toys."""
    assert mixture_audit.unbinned.reason is None
    pulls = {(row.method, row.pulls.parameter): row.pulls for row in mixture_audit.pulls}
    shape = [(method, name) for method in ("binned", "unbinned") for name in ("m", "jes", "tune")]
    combined = {(f"{m}_optimal", name) for m, name in [*shape, ("binned", "norm_bkg")]}
    assert {*pulls} == {*shape, ("binned", "norm_bkg"), *combined}
    for key in combined:
        found = pulls[key]
        assert found.predicted_width == 1.0
        assert found.width is not None
        assert found.width_error is not None
        assert abs(found.width - 1.0) < 0.03 + 3 * found.width_error
    for row in mixture_audit.rows:
        found = pulls[row.method, row.parameter]
        assert found.predicted_width == row.inflate_by
        assert found.width is not None
        assert found.width_error is not None
        assert abs(found.width - row.inflate_by) < 0.03 + 3 * found.width_error
        assert found.actual_error == pytest.approx(
            row.actual_error, rel=0.03 + 3 * found.width_error / found.width
        )
    for counts in mixture_audit.status.values():
        assert counts["converged"] + counts["recovered"] == 700


@pytest.mark.slow
def test_what_was_read(mixture_audit: AuditResult, mixture: Tables) -> None:
    assert mixture_audit.n_events == pytest.approx(1000)
    checks = {check.role: check for check in mixture_audit.checks}
    assert checks["jes.up"].shared == 1.0
    assert checks["m.up"].shared is None
    for role, table in mixture.items():
        weights = table["w"]
        assert checks[role].selected == len(weights)
        assert checks[role].weight == pytest.approx(weights.sum(), rel=1e-12)
        assert checks[role].effective == pytest.approx(weights.sum() ** 2 / (weights**2).sum())


# --- the same events in other formats ------------------------------------------------------------


def few_config(config: dict[str, Any], *, weighted: bool) -> dict[str, Any]:
    config = copy.deepcopy(config)
    config["toys"]["n_toys"] = 20 if weighted else 0
    config["workspace"] = {"n_bins": 8}
    config["optimal"] = False
    for observable in config["observable"]:
        observable["density"] = "normal"  # a smooth one takes longer
    if not weighted:
        del config["weight"]
    return config


def write(table: Table, file: Path) -> None:
    if file.suffix == ".root":
        with uproot.recreate(file) as root:
            root.mktree("events", {name: column.dtype for name, column in table.items()})
            root["events"].extend(table)
    elif file.suffix == ".parquet":
        parquet.write_table(pa.table(table), file)
    elif file.suffix == ".csv":
        pd.DataFrame(table).to_csv(file, index=False)
    else:
        np.savez(file, allow_pickle=False, **table)


def structured(table: Table) -> NDArray[Any]:
    made = np.empty(len(table["x"]), dtype=[(name, column.dtype) for name, column in table.items()])
    for name, column in table.items():
        made[name] = column
    return made


MEMORY: dict[str, Callable[[Table], object]] = {
    "pandas": pd.DataFrame,
    "awkward": ak.Array,
    "structured": structured,
    "arrow": pa.table,
}


def numbers(result: AuditResult) -> dict[str, Any]:
    """The summary, but for where the events came from, and toys."""
    other = {"config", "provenance", "notes", "toys", "status", "pulls", "shapes", "remarks"}
    return {key: value for key, value in result.summary().items() if key not in other}


@pytest.fixture(
    scope="module",
    params=[pytest.param(True, marks=pytest.mark.slow), False],
    ids=["weighted", "unweighted"],
)
def reference(
    request: pytest.FixtureRequest, few: Tables, mixture_config: Fed
) -> tuple[bool, AuditResult]:
    """Weighted or not, and the audit of a mapping."""
    weighted: bool = request.param
    config = few_config(mixture_config(None), weighted=weighted)
    return weighted, audit(config, few, workers=1)


def test_same_numbers_from_every_format(
    reference: tuple[bool, AuditResult], few: Tables, mixture_config: Fed, tmp_path: Path
) -> None:
    weighted, expected = reference
    wanted = numbers(expected)
    assert wanted["unbinned"]["used"]
    formats = (".root", ".parquet", ".csv", ".npz") if weighted else (".root",)
    for ending in formats:
        for role, table in few.items():
            write(table, tmp_path / f"{role}{ending}")
        config = few_config(mixture_config(ending), weighted=weighted)
        if ending != ".csv":
            config["toys"]["n_toys"] = 0
        found = audit(config, base=tmp_path, workers=2)
        assert numbers(found) == wanted
        assert found.workspace == expected.workspace
        if ending == ".csv":
            assert found.toys.toys is not None
            assert expected.toys.toys is not None
            assert found.toys.toys.read().num_rows == 20 * (4 + 3)
            assert found.toys.toys.read().equals(expected.toys.toys.read())


def test_same_numbers_from_memory(
    reference: tuple[bool, AuditResult], few: Tables, mixture_config: Fed
) -> None:
    weighted, expected = reference
    config = few_config(mixture_config(None), weighted=weighted) | {"toys": {"n_toys": 0}}
    for make in MEMORY.values() if weighted else [structured]:
        given = {role: make(table) for role, table in few.items()}
        assert numbers(audit(config, given)) == numbers(expected)


def test_weights_matter(few: Tables, mixture_config: Fed) -> None:
    """Without weights the events of each process are uncorrelated and wider."""
    config = few_config(mixture_config(None), weighted=False) | {"toys": {"n_toys": 0}}
    (first, *_) = audit(config, few).dependence
    part = 0.25
    between = part * (1 - part) * 0.4 * -0.3
    variances = [1.3**2 + part * (1 - part) * d**2 for d in (0.4, 0.3)]
    assert first.pearson is not None
    assert first.pearson_error is not None
    truth = between / np.sqrt(np.prod(variances))
    assert abs(first.pearson - truth) < 3 * first.pearson_error
