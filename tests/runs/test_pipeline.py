"""The run: the same numbers whoever computes them."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pullfactory import (
    Study,
    StudyResult,
    build_method,
    calibrate,
    draw_toys,
    fit_toys,
    read_summary,
    run,
)
from pullfactory.errors import CalibrationError, StudyError
from pullfactory.simulation.toys import block_size

STUDY = Study.preset("poster").with_settings(
    {
        "calibration.source": "exact",
        "ensemble.n_toys": 600,
        "ensemble.n_events": 200,
        "ensemble.rho": [-0.3, 0.5],
    }
)
MANY = {
    "name": "many",
    "poi": "mass",
    "ensemble": {"n_toys": 300, "n_events": 500, "rho": [-0.2, 0.0, 0.4]},
    "calibration": {"source": "exact"},
    "workspace": {"n_bins": 10},
    "parameter": [
        {"name": "mass", "constraint": "free", "truth_sigma": 0.5},
        {"name": "scale"},
        {"name": "resolution"},
        {"name": "background"},
    ],
    "observable": [
        {
            "name": f"x{i}",
            "mu": 50.0 + 10 * i,
            "sigma": 5.0,
            "mu_slopes": {"mass": 0.01 * (i % 2 + 1), "scale": 0.004 * i, "background": 0.002},
            "sigma_slopes": {"resolution": 0.03, "background": 0.02 * i},
        }
        for i in range(4)
    ],
}


@pytest.fixture(scope="module")
def result() -> StudyResult:
    return run(STUDY, workers=1)


def test_blocks_are_several() -> None:
    assert 600 > 2 * block_size(STUDY) > 0


def test_part_of_the_scan_gives_the_same_rows(result: StudyResult) -> None:
    part = run(STUDY.with_settings({"ensemble.rho": [0.5]}), workers=2)
    whole = result.toys.read()
    mask = np.asarray(whole["rho"]) == 0.5
    assert part.toys.read().equals(whole.filter(pa.array(mask)))


def test_fewer_toys_are_the_first_ones(result: StudyResult) -> None:
    part = run(STUDY.with_settings({"ensemble.n_toys": 100}), workers=2)
    whole = result.toys.read()
    mask = np.asarray(whole["toy"]) < 100
    assert part.toys.read().equals(whole.filter(pa.array(mask)))


def test_one_row_per_toy_rho_method_and_parameter(result: StudyResult, tmp_path: Path) -> None:
    table = result.toys.read()
    assert table.num_rows == 600 * 2 * 2 * 3
    assert table.column_names == [
        "toy", "rho", "method", "parameter", "truth", "estimate", "error", "error_corrected",
        "nll", "status",
    ]  # fmt: skip
    result.toys.copy_to(tmp_path / "toys.parquet")
    (part, *_) = (tmp_path / "toys.parquet").iterdir()
    identity = json.loads(pq.read_metadata(part).metadata[b"pullfactory.identity"])
    described = STUDY.to_dict()
    del described["figures"], described["ensemble"]["n_toys"]
    assert identity["study"] == described
    assert "pyhf" in identity["versions"]


def test_summary_follows_from_the_rows(result: StudyResult) -> None:
    table = result.toys.read().to_pydict()
    chosen = [
        (e - t) / s
        for e, t, s, rho, method, name in zip(
            table["estimate"], table["truth"], table["error"], table["rho"], table["method"],
            table["parameter"], strict=True,
        )
        if (rho, method, name) == (0.5, "binned", "JRF")
    ]  # fmt: skip
    row = next(
        row
        for row in result.pulls
        if (row.rho, row.method, row.pulls.parameter) == (0.5, "binned", "JRF")
    )
    assert row.pulls.width == pytest.approx(np.std(chosen, ddof=1))
    assert row.pulls.mean == pytest.approx(np.mean(chosen))


@pytest.mark.parametrize("dependence", ["linear", "gaussian_copula"])
@pytest.mark.parametrize("law", ["fixed", "poisson"])
@pytest.mark.slow
def test_four_observables_and_four_parameters(dependence: str, law: str, tmp_path: Path) -> None:
    study = Study.from_dict(MANY).with_settings(
        {"ensemble.dependence": dependence, "ensemble.n_events_law": law}
    )
    found = run(study)
    assert len(found.pulls) == 2 * 3 * 4
    assert found.failures["unbinned"]["converged"] == 900
    for row in found.pulls:
        if row.rho == 0.0:  # known to 1 / sqrt(600) = 0.04 and 1 / sqrt(300) = 0.06; allow four
            assert row.pulls.width is not None
            assert row.pulls.mean is not None
            assert abs(row.pulls.width - 1) < 4 * 0.041, row
            assert abs(row.pulls.mean) < 4 * 0.058, row
    found.write(tmp_path / "many", figures=())
    assert len(read_summary(tmp_path / "many")["pulls"]) == len(found.pulls)


def test_calibration_may_come_from_before(result: StudyResult) -> None:
    again = run(STUDY, calibration=result.calibration)
    assert again.pulls == result.pulls
    other = STUDY.with_settings({"observable.m_t.mu": 172.0})
    with pytest.raises(CalibrationError, match="other values of 'observable'"):
        run(other, calibration=result.calibration)


REPEATED = STUDY.with_settings(
    {
        "ensemble.n_toys": 40,
        "ensemble.rho": [0.0],
        "calibration.source": "simulated",
        "calibration.events_per_point": 5000,
        "calibration.grid": "needed",
        "calibration.replicas": 2,
    }
)


def test_blocks_of_toys_take_turns_with_replicas_of_the_calibration() -> None:
    found = run(REPEATED, workers=2)
    assert block_size(REPEATED) == 20
    table = found.toys.read().to_pydict()
    for replica in (0, 1):
        calibration = calibrate(REPEATED, replica=replica)
        toys = draw_toys(REPEATED, replica, 0.0)
        for name in REPEATED.methods:
            method = build_method(name, calibration)
            fits = fit_toys(method.likelihood, method.observe(toys).data).select(("m_t",))
            chosen = [
                estimate
                for estimate, toy, other, parameter in zip(
                    *(table[key] for key in ("estimate", "toy", "method", "parameter")), strict=True
                )
                if (toy // 20, other, parameter) == (replica, name, "m_t")
            ]
            assert chosen == pytest.approx(fits.estimate[:, 0], abs=1e-9)
    assert found.calibration.sha256 == calibrate(REPEATED).sha256
    assert run(REPEATED, workers=1).toys.read().equals(found.toys.read())


def test_one_calibration_is_not_several(result: StudyResult) -> None:
    several = STUDY.with_settings({"calibration.source": "simulated", "calibration.replicas": 2})
    with pytest.raises(CalibrationError, match=r"calibration.replicas = 2, .* is given; leave"):
        run(several, calibration=result.calibration)


def test_workers_must_be_positive() -> None:
    with pytest.raises(StudyError, match="workers = 0"):
        run(STUDY, workers=0)
