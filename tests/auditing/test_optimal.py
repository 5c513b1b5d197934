"""The observables of an audit combined optimally: the truth is from numpy alone."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, norm, qmc

import pullfactory as pf

Array = NDArray[np.float64]

# The poster's response: means and widths in GeV, and their relative slopes in m, JSF and JRF.
MU, SIGMA = np.array([171.8, 83.3]), np.array([10.4, 6.8])
MU_SLOPES = np.array([[0.0058, 0.0046, 0.0005], [0.0003, 0.0053, 0.0016]])
SIGMA_SLOPES = np.array([[0.008, 0.0095, 0.02], [0.0, 0.0074, 0.02]])
NAMES = ("m", "JSF", "JRF")
CONSTRAINED = np.diag([0.0, 1.0, 1.0])
EVENTS, RHO, BINS = 2000, 0.9, 20
QUICK: dict[str, Any] = {"replicas": 10, "joint.n_bins": 0, "figures": []}


def normals(power: int) -> Array:
    """2^power pairs of correlated normal numbers, evenly spread: templates have little noise."""
    u, v = norm.ppf(qmc.Sobol(2, rng=4).random_base2(power)).T
    return np.stack([u, RHO * u + np.sqrt(1.0 - RHO**2) * v], axis=1)


def drawn(seed: int, n: int = EVENTS) -> Array:
    u, v = np.random.default_rng(seed).standard_normal((2, n))
    return np.stack([u, RHO * u + np.sqrt(1.0 - RHO**2) * v], axis=1)


def table(z: Array, m: float = 0.0) -> dict[str, Array]:
    x = MU * (1.0 + m * MU_SLOPES[:, 0]) + SIGMA * (1.0 + m * SIGMA_SLOPES[:, 0]) * z
    return {"x": x[:, 0], "y": x[:, 1]}


def moved(k: int, side: int) -> dict[str, Any]:
    """The nominal events with one scale or resolution changed."""
    return {
        "observables": {
            name: f"{MU[o]} + {MU[o] * side * MU_SLOPES[o, k]} + ({name} - {MU[o]}) * "
            f"{1.0 + side * SIGMA_SLOPES[o, k]}"
            for o, name in enumerate("xy")
        }
    }


def config(**settings: Any) -> pf.AuditConfig:
    memory = {"in_memory": True}
    sides = (("up", 1), ("down", -1))
    found = pf.AuditConfig.from_dict(
        {
            "name": "combined",
            "poi": "m",
            "parameter": [{"name": "m", "constraint": "free", "unit": "GeV"}]
            + [{"name": name} for name in NAMES[1:]],
            "observable": [{"name": name, "density": "normal"} for name in "xy"],
            "samples": {
                "nominal": {**memory, "events": float(EVENTS)},
                "m": {side: memory for side, _ in sides},
                **{
                    name: {side: moved(k, sign) for side, sign in sides}
                    for k, name in enumerate(NAMES)
                    if k
                },
                "data": memory,
            },
        }
    )
    return found.with_settings(QUICK | settings)


def samples(power: int, seed: int = 1) -> dict[str, dict[str, Array]]:
    z = normals(power)
    sides = {"m.up": table(z, 1.0), "m.down": table(z, -1.0)}
    return {"nominal": table(z), **sides, "data": table(drawn(seed))}


@pytest.fixture(scope="module")
def audited() -> pf.AuditResult:
    return pf.audit(config(**{"toys.n_toys": 250}), samples(15), workers=1)


def unbinned_truth() -> Array:
    """Error of the best combination of q and q^2 - 1 of both observables."""
    a, b = MU_SLOPES * (MU / SIGMA)[:, None], SIGMA_SLOPES
    r = np.array([[1.0, RHO], [RHO, 1.0]])
    slopes = np.concatenate([a, 2.0 * b])
    inverse = np.linalg.inv(np.block([[r, 0 * r], [0 * r, 2 * r**2]]))
    covariance = np.linalg.inv(EVENTS * slopes.T @ inverse @ slopes + CONSTRAINED)
    return np.asarray(np.sqrt(np.diag(covariance)))


def binned_truth(sets: Array, constraints: Array = CONSTRAINED) -> tuple[Array, Array]:
    """Errors of generalised least squares and of the product, in 20 bins of equal population.

    Args:
        sets: Correlated normal numbers that the joint probabilities are counted of.
        constraints: Their information.
    """
    edges = norm.ppf(np.linspace(0.0, 1.0, BINS + 1))
    inner = np.concatenate([[-np.inf], edges[1:-1], [np.inf]])
    density = norm.pdf(edges)
    weighed = np.where(np.isfinite(edges), np.nan_to_num(edges), 0.0) * density
    location, scale = -np.diff(density) * BINS, -np.diff(weighed) * BINS
    a = MU_SLOPES * (MU / SIGMA)[:, None]
    logs = np.concatenate(
        [np.outer(location, a[o]) + np.outer(scale, SIGMA_SLOPES[o]) for o in (0, 1)]
    )
    both = [np.searchsorted(inner[1:-1], sets[:, o]) for o in (0, 1)]
    joint = np.bincount(both[0] * BINS + both[1], minlength=BINS**2).reshape(BINS, BINS)
    joint = joint / joint.sum()
    full = np.block([[np.eye(BINS) / BINS, joint], [joint.T, np.eye(BINS) / BINS]])
    counts = EVENTS * (full - 1.0 / BINS**2)
    slopes = EVENTS * logs / BINS
    best = np.linalg.inv(slopes.T @ np.linalg.pinv(counts, rcond=1e-6) @ slopes + constraints)
    bread = np.linalg.inv(slopes.T @ logs + constraints)
    product = bread @ (logs.T @ counts @ logs + constraints) @ bread
    return np.sqrt(np.diag(best)), np.sqrt(np.diag(product))


def column(result: pf.AuditResult, method: str, key: str) -> Array:
    (fit,) = (one for one in result.optimal if one.method == method)
    return np.array([getattr(row, key) for row in fit.rows], dtype=np.float64)


@pytest.mark.slow
def test_errors_are_those_of_numpy(audited: pf.AuditResult) -> None:
    """2000 events, rho 0.9; what is left is noise of the bins that shifts move events across."""
    assert column(audited, "unbinned_optimal", "claimed_error") == pytest.approx(
        unbinned_truth(), rel=0.01
    )
    best, product = binned_truth(normals(20))
    assert column(audited, "binned_optimal", "claimed_error") == pytest.approx(best, rel=0.03)
    assert column(audited, "binned_optimal", "product_error") == pytest.approx(product, rel=0.03)
    assert best[0] < 0.93 * product[0]


@pytest.mark.slow
def test_the_fit_of_the_data_has_that_error_and_its_check(audited: pf.AuditResult) -> None:
    """The sandwich of 2000 events is known to a few percent."""
    for method in ("binned_optimal", "unbinned_optimal"):
        error = column(audited, method, "error")
        assert error == pytest.approx(column(audited, method, "claimed_error"), rel=0.1)
        assert column(audited, method, "sandwich_error") == pytest.approx(error, rel=0.08)
        assert np.abs(column(audited, method, "estimate") / error).max() < 4.0


@pytest.mark.slow
def test_estimates_solve_their_equation(audited: pf.AuditResult) -> None:
    """By numpy, with weights at the nominal point and expectations that are linear around it."""
    z = drawn(1)
    a, b = MU_SLOPES * (MU / SIGMA)[:, None], SIGMA_SLOPES
    r = np.array([[1.0, RHO], [RHO, 1.0]])
    inverse = np.linalg.inv(np.block([[r, 0 * r], [0 * r, 2 * r**2]]))
    totals = np.concatenate([z.sum(axis=0), (z**2 - 1.0).sum(axis=0)])
    slopes = EVENTS * np.concatenate([a, 2.0 * b])
    information = slopes.T @ inverse @ slopes / EVENTS + CONSTRAINED
    right = np.linalg.solve(information, slopes.T @ inverse @ totals / EVENTS)
    far = (column(audited, "unbinned_optimal", "estimate") - right) / unbinned_truth()
    assert np.abs(far).max() < 0.15


@pytest.mark.slow
def test_pulls_of_toys_have_unit_width(audited: pf.AuditResult) -> None:
    found = {(row.method, row.pulls.parameter): row for row in audited.pulls}
    for method in ("binned_optimal", "unbinned_optimal"):
        for name in NAMES:
            pulls = found[method, name].pulls
            assert pulls.width
            assert pulls.width_error
            assert pulls.n_failed == 0
            assert pulls.width == pytest.approx(1.0, abs=4 * pulls.width_error)
            assert pulls.predicted_width == 1.0
    product = found["binned", "m"].pulls
    better = found["binned_optimal", "m"].pulls
    assert (product.actual_error or 0.0) > (better.actual_error or 0.0) > 0.0


@pytest.mark.slow
def test_chi_square_is_a_goodness_of_fit(audited: pf.AuditResult) -> None:
    """Each channel has the same events: one combination of 40 bins always has the same value."""
    told = {fit.method: fit for fit in audited.optimal}
    binned, unbinned = told["binned_optimal"], told["unbinned_optimal"]
    assert (binned.elements, binned.null, binned.degrees) == (39, 1, 39 + 2 - 3)
    assert (unbinned.elements, unbinned.null, unbinned.degrees) == (4, 0, 4 + 2 - 3)
    for fit in told.values():
        assert fit.p_value == pytest.approx(chi2.sf(fit.chi_square, fit.degrees))
        assert (fit.p_value or 0.0) > 0.001


@pytest.mark.slow
def test_they_are_written_and_read(audited: pf.AuditResult, tmp_path: Path) -> None:
    folder = audited.write(tmp_path / "out", figures=())
    assert pf.read(folder).summary() == audited.summary()
    with (folder / "tables" / "optimal.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["parameter"] for row in rows] == 2 * list(NAMES)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "The observables combined optimally" in page
    assert "chi-square" in page
