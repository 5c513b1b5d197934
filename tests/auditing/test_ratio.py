"""Intervals of the data of an audit from the likelihood ratio."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pullfactory as pf
from pullfactory.auditing import PaperRow, RatioRow
from pullfactory.auditing.paper import SlopeMatrix
from pullfactory.errors import StudyError
from pullfactory.inference.error_part import Part
from pullfactory.settings.audit import AuditConfig
from tests.auditing.fit_models import config, data, simulated, table

ENDS = ("minus_68", "plus_68", "minus_95", "plus_95")
QUICK = {"replicas": 20, "toys.n_toys": 0, "figures": []}


@pytest.fixture(scope="module")
def tables() -> dict[str, Any]:
    rng = np.random.default_rng(4)
    found: dict[str, Any] = simulated(rng, 200_000, 2, 0.5, 0.0)
    return found | {"data": table(data(rng, 2, 0.5, 1000.0, m=0.5))}


def asked(**settings: Any) -> AuditConfig:
    return AuditConfig.from_dict(config(2, 1000.0, 0.0)).with_settings(QUICK | settings)


@pytest.fixture(scope="module")
def shown(tables: dict[str, Any]) -> pf.AuditResult:
    return pf.audit(asked(intervals=["m", "tune"]), tables)


def ends(row: RatioRow, kind: str = "") -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([getattr(row, f"{kind}{key}") for key in ENDS], dtype=np.float64)


def test_they_are_the_symmetric_errors_of_a_nearly_quadratic_fit(shown: pf.AuditResult) -> None:
    """1000 events: ends are off by a part of 1 / sqrt(1000), at two errors twice that."""
    errors = {(row.method, row.parameter): row for row in shown.rows}
    claimed = {
        (fit.method, row["parameter"]): row["claimed_error"]
        for fit in shown.data
        for row in fit.estimates
    }
    keys = [(row.method, row.parameter) for row in shown.intervals]
    assert keys == [(m, p) for m in ("binned", "unbinned") for p in ("m", "tune")]
    for key, row in zip(keys, shown.intervals, strict=True):
        factor = errors[key].factor
        assert factor is not None
        assert row.scale == pytest.approx(factor**2, rel=1e-12)
        np.testing.assert_allclose(ends(row), np.array([1, 1, 2, 2]) * claimed[key], rtol=0.06)
        np.testing.assert_allclose(ends(row, "corrected_"), factor * ends(row), rtol=0.06)
        assert not row.bounded


def test_ends_are_where_the_curve_has_its_levels(shown: pf.AuditResult) -> None:
    for row in shown.intervals:
        assert row.scale is not None
        x, q = np.array(row.distances), np.array(row.ratios, dtype=np.float64)
        root = np.sign(x) * np.sqrt(q)  # nearly a straight line
        for kind, scale in (("", 1.0), ("corrected_", row.scale)):
            found = np.interp(np.array([-1, 1, -2, 2]) * np.sqrt(scale), root, x)
            # linear between 32 points, one of which lies on either side of the estimate
            np.testing.assert_allclose(np.abs(found), ends(row, kind), rtol=1e-2)


def test_they_are_written_and_read(shown: pf.AuditResult, tmp_path: Path) -> None:
    folder = shown.write(tmp_path / "out", figures=("png",))
    again = pf.AuditResult.read(folder)
    assert again.intervals == shown.intervals
    assert again.summary() == shown.summary()
    assert (folder / "figures" / "likelihood_ratio.png").exists()
    assert "Intervals from the likelihood ratio" in (folder / "report.html").read_text()
    with (folder / "tables" / "intervals.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4


def paper(shift: float, *, slope: float | None, slope_error: float = 0.0) -> Any:
    """A line for the paper of an estimate that is divided by its slope, or not."""
    part = Part(source="statistics", parameter=None, size=0.1)
    slopes = None
    if slope is not None:
        slopes = SlopeMatrix(
            parameters=("m",),
            nominal=(0.0,),
            inverse=((1.0 / slope,),),
            variances=(slope_error**2,),
            parts=(part,),
        )
    return PaperRow(
        method="binned",
        parameter="m",
        nominal=None,
        shift=0.0,
        value=None,
        error=0.1,
        claimed_error=0.1,
        calibrated=slopes is not None,
        blinded=False,
        reason=None,
        parts=(part,),
        slopes=slopes,
    ).at({"m": shift}, blind=False)


def test_that_of_a_divided_estimate_is_divided(shown: pf.AuditResult) -> None:
    row = next(one for one in shown.intervals if (one.method, one.parameter) == ("binned", "m"))
    corrected = ends(row, "corrected_")
    divided = row.calibrated(paper(0.4, slope=0.8))
    np.testing.assert_allclose(ends(divided, "calibrated_"), corrected / 0.8)
    # the truth is 0.5 away, and the slope known to 10 %: 0.05 more, and twice that
    known = row.calibrated(paper(0.4, slope=0.8, slope_error=0.1))
    more = 0.05 * np.array([1, 1, 2, 2])
    np.testing.assert_allclose(ends(known, "calibrated_"), np.hypot(corrected / 0.8, more))
    for line in (None, paper(0.4, slope=None)):
        assert np.isnan(ends(row.calibrated(line), "calibrated_")).all()


def test_what_is_withheld_is_withheld(shown: pf.AuditResult) -> None:
    row = shown.intervals[0]
    hidden = row.uncorrected()
    assert hidden.scale is None
    assert np.isnan(ends(hidden, "corrected_")).all()
    np.testing.assert_array_equal(ends(hidden), ends(row))


def test_a_blinded_audit_tells_no_bound(shown: pf.AuditResult) -> None:
    row = shown.intervals[0]
    assert row.blinded() == row
    near = replace(row, bounded=True).blinded()
    assert np.isnan(ends(near)).all()
    assert np.isnan(ends(near, "corrected_")).all()
    assert not near.bounded


def test_what_is_no_parameter_is_refused() -> None:
    with pytest.raises(StudyError, match="intervals: 'mass' is no parameter; use one of m, tune"):
        asked(intervals=["mass"])
