"""Joint bins and templates: exact contents, equal population, samples that carry rho."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import multivariate_normal, norm

from pullfactory import Calibration, Study, calibrate
from pullfactory.binning.bivariate import bin_probabilities, nested_scores, normal_cdf
from pullfactory.binning.joint import JointBins
from pullfactory.calibration.joint import learn_joint
from pullfactory.calibration.samples import SampleSource
from pullfactory.errors import CalibrationError, StudyError
from pullfactory.runs.execution import Crew

POSTER = Study.preset("poster").with_settings(
    {"methods": ["binned_joint"], "ensemble.rho": [-0.6, 0.9], "joint.n_bins": [6, 3]}
)
EXACT = POSTER.with_settings({"calibration.source": "exact"})
SIMULATED = POSTER.with_settings(
    {"calibration.events_per_point": 40_000, "calibration.grid": "needed"}
)
SEED = 20240912


@pytest.fixture(scope="module")
def exact() -> Calibration:
    return calibrate(EXACT)


@pytest.fixture(scope="module")
def simulated() -> Calibration:
    return calibrate(SIMULATED)


# --- bins ------------------------------------------------------------------------------------


def mixed(n_events: int, rho: float = 0.9) -> list[NDArray[np.float64]]:
    normals = np.random.default_rng(SEED).normal(size=(3, n_events))
    return [normals[0], rho * normals[0] + np.sqrt(1 - rho**2) * normals[1], normals[2]]


def test_nested_bins_have_equal_population() -> None:
    """As equal as whole events allow, in three dimensions too."""
    events = mixed(4800)
    bins = JointBins.nested(events, (4, 3, 2))
    assert bins.size == 24
    assert np.ptp(bins.count([x[None] for x in events])) <= 2


@pytest.mark.parametrize("width", [1, 700, 100_000])
def test_counts_are_those_of_a_histogram(width: int) -> None:
    """Against numpy, of many small toys and of one that is counted in parts."""
    edges = [np.array([-1.0, 0.2, 0.9]), np.array([0.1]), np.array([-0.3, 0.4])]
    events = [x.reshape(-1, width) for x in mixed(100_000 - 100_000 % width)]
    weights = np.random.default_rng(SEED).integers(0, 3, events[0].shape).astype(float)
    bins = JointBins.grid(edges)
    outer = [np.array([-np.inf, *inner, np.inf]) for inner in edges]
    for toy in range(min(len(events[0]), 3)):
        points = np.stack([x[toy] for x in events], axis=1)
        plain, weighted = (
            np.histogramdd(points, outer, weights=w)[0].ravel() for w in (None, weights[toy])
        )
        assert np.array_equal(bins.count(events)[toy], plain)
        assert np.array_equal(bins.count(events, weights)[toy], weighted)


def test_too_many_bins_are_refused() -> None:
    with pytest.raises(CalibrationError, match="36 joint bins are too many for 20 calibration"):
        JointBins.nested(mixed(20)[:2], (6, 6))


# --- exact contents --------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [-0.999, -0.6, 0.0, 0.9])
def test_normal_cdf_is_that_of_scipy(rho: float) -> None:
    known = multivariate_normal([0, 0], [[1, rho], [rho, 1]])
    for h, k in itertools.product((-3.0, -0.4, 0.0, 1.1), repeat=2):
        found = normal_cdf(np.array(h), np.array(k), rho)
        assert found == pytest.approx(known.cdf([h, k]), abs=2e-8)
    beyond = np.array([-np.inf, np.inf])
    assert normal_cdf(beyond, np.array(0.3), rho) == pytest.approx([0, norm.cdf(0.3)], abs=1e-15)


def test_exact_contents_are_equal_at_the_nominal_point(exact: Calibration) -> None:
    for rho in (-0.6, 0.9):
        counts = exact.joint_at(rho).counts
        assert counts is not None
        assert np.allclose(counts[0], 1_000_000 / 18, rtol=1e-12)
        assert np.allclose(counts.sum(axis=1), 1_000_000, rtol=1e-12)
        first, second = nested_scores((6, 3), rho)
        assert np.allclose(bin_probabilities(first, second, rho), 1 / 18, rtol=1e-12)


def test_exact_contents_are_those_of_scipy(exact: Calibration) -> None:
    """One bin of a shifted template, by inclusion and exclusion."""
    sample = exact.joint_at(0.9)
    assert sample.bins is not None
    assert sample.counts is not None
    mu, sigma = np.array([171.8 * 1.0046, 83.3 * 1.0053]), np.array([10.4 * 1.0095, 6.8 * 1.0074])
    first, second = sample.bins.edges
    x, y = first[0, 2:4], second[3, :2]
    known = multivariate_normal(mu, np.outer(sigma, sigma) * [[1, 0.9], [0.9, 1]])
    expected = sum(
        sign * known.cdf([x[i], y[j]])
        for i, j, sign in ((1, 1, 1), (0, 0, 1), (0, 1, -1), (1, 0, -1))
    )
    point = exact.joint_channel(0.9).labels.index("JSF+1")
    assert sample.counts[point, 3 * 3 + 1] == pytest.approx(1e6 * expected, abs=1)


def test_unknown_contents_are_refused() -> None:
    data = EXACT.to_dict() | {"joint": {"n_bins": 3}, "ensemble": {"rho": [0.5]}}
    data["observable"] = [*data["observable"], data["observable"][0] | {"name": "third"}]
    with pytest.raises(CalibrationError, match="for 2 observables, not for 3; use calibration"):
        calibrate(Study.from_dict(data))
    skewed = {"density": "bifurcated_normal", "shape": {"sigma_ratio": 1.4}}
    settings = {f"observable.m_W.{key}": value for key, value in skewed.items()}
    with pytest.raises(CalibrationError, match=r'known for ensemble\.dependence = "g'):
        calibrate(EXACT.with_settings(settings))


# --- samples ---------------------------------------------------------------------------------


def test_samples_carry_the_correlation(simulated: Calibration, exact: Calibration) -> None:
    """Counts against exact probabilities in the same bins: chi square of 18 bins below 50."""
    for rho in (-0.6, 0.9):
        sample = simulated.joint_at(rho)
        assert sample.bins is not None
        assert sample.counts is not None
        assert sample.correlation[0, 1] == pytest.approx(rho, abs=4 * (1 - rho**2) / 200)
        mu, sigma = simulated.moments[0].T
        scores = [(e - mu[o]) / sigma[o] for o, e in enumerate(sample.bins.edges)]
        assert np.allclose(sample.counts[0], 40_000 / 18, atol=3)
        assert np.allclose(
            bin_probabilities(scores[0][0], scores[1], rho), 1 / 18, atol=5 / np.sqrt(18 * 40_000)
        )
        for label in ("m_t+3", "m_t-3", "JRF+1"):
            at = simulated.joint_channel(rho).labels.index(label)
            other = exact.joint_channel(rho).labels.index(label)
            mine, theirs = sample.counts[at] / 40_000, exact.joint_at(rho).counts
            assert theirs is not None
            assert np.abs(mine - theirs[other] / 1e6).max() < 6 * np.sqrt(1 / 18 / 40_000)


def test_samples_are_those_of_the_calibration(simulated: Calibration) -> None:
    """Slices of the first observable hold what its own template says."""
    sample = simulated.joint_at(0.9)
    assert sample.bins is not None
    edges = [160.0, *map(float, sample.bins.edges[0][0]), 185.0]
    alone = calibrate(
        SIMULATED.with_settings({"methods": ["unbinned"], "observable.m_t.edges": edges})
    )
    assert sample.counts is not None
    for steps in ({}, {"JSF": 1.0}, {"JRF": -1.0}):
        joint = simulated.joint_channel(0.9).template(0, steps)
        assert np.array_equal(joint.reshape(6, 3).sum(axis=1), alone.template(0, steps))


def test_does_not_depend_on_the_workers(simulated: Calibration) -> None:
    source = SampleSource.of(SIMULATED, 0)
    with ThreadPoolExecutor(1) as pool:
        moments, response = simulated.moments[0], simulated.response
        crew = Crew(pool=pool, workers=1)
        again = learn_joint(SIMULATED, source, moments, response, crew)
    assert [one.to_dict() for one in again] == [one.to_dict() for one in simulated.joint]


def test_reads_back(simulated: Calibration) -> None:
    again = Calibration.from_dict(simulated.to_dict())
    assert again.sha256 == simulated.sha256
    assert np.array_equal(again.joint_at(0.9).correlation, simulated.joint_at(0.9).correlation)


def test_is_learnt_if_a_method_asks(simulated: Calibration) -> None:
    plain = calibrate(EXACT.with_settings({"methods": ["unbinned", "binned"]}))
    assert plain.joint == ()
    with pytest.raises(CalibrationError, match="among its methods"):
        plain.for_study(EXACT)
    with pytest.raises(CalibrationError, match="no calibration samples with rho = 0;"):
        simulated.for_study(SIMULATED.with_settings({"ensemble.rho": [0.0]}))
    with pytest.raises(CalibrationError, match=r"made for joint_bins = \(6, 3\)"):
        simulated.for_study(SIMULATED.with_settings({"joint.n_bins": 5}))
    only = calibrate(EXACT.with_settings({"methods": ["unbinned_joint"]}))
    with pytest.raises(CalibrationError, match="no joint templates"):
        only.joint_channel(0.9)


def test_numbers_of_bins_are_checked() -> None:
    assert POSTER.with_settings({"joint.n_bins": 5}).joint_bins == (5, 5)
    for n_bins, match in (([2, 3, 4], "3 entries for 2 observables"), (1, "no division")):
        with pytest.raises(StudyError, match=match):
            POSTER.with_settings({"joint.n_bins": n_bins})
