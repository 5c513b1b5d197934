"""Predictions of audits beside closed forms, and the toys beside the predictions."""

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, multivariate_normal, norm

from pullfactory import AuditResult, audit
from pullfactory.auditing.rows import AuditRow
from pullfactory.errors import StudyError
from pullfactory.results.audit_tables import audit_answer, pay_line

Table = dict[str, NDArray[Any]]
Pair = Callable[[int, float, int], Table]

A, B = 0.2, 0.1  # slopes, in widths of x and y
N = 1000.0


def rows_of(result: AuditResult) -> dict[tuple[str, str], AuditRow]:
    return {(row.method, row.parameter): row for row in result.rows}


def toy_width(result: AuditResult, method: str, parameter: str) -> tuple[float, float]:
    """Pull width of the toys and its standard error."""
    (pulls,) = (
        row.pulls
        for row in result.pulls
        if (row.method, row.pulls.parameter) == (method, parameter)
    )
    assert pulls.width is not None
    assert pulls.width_error is not None
    return pulls.width, pulls.width_error


def within(row: AuditRow, kind: str, truth: float, errors: float = 3.0) -> None:
    """The number is right within so many of its standard errors."""
    value, error = getattr(row, kind), getattr(row, f"{kind}_error")
    assert 0 < error < 0.05 * value
    assert abs(value - truth) < errors * error


def binned_moments(rho: float, bins: int = 20) -> tuple[float, float]:
    """Variance of the binned score of a location, and covariance of two of correlated normals."""
    edges = norm.ppf(np.linspace(0, 1, bins + 1)).clip(-9, 9)
    score = -np.diff(norm.pdf(edges)) * bins
    grid = np.stack(np.meshgrid(edges, edges, indexing="ij"), axis=-1)
    below = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf(grid)
    pairs = np.diff(np.diff(below, axis=0), axis=1)
    return float(np.mean(score**2)), float(score @ pairs @ score)


@pytest.mark.parametrize("rho", [0.5, -0.6])
def test_shared_location(location: dict[str, Any], pair: Pair, rho: float) -> None:
    """Width sqrt(1 + 2 rho a b / (a^2 + b^2)), and the same with the scores of the bins."""
    found = rows_of(audit(location, {"nominal": pair(100_000, rho, 1)}))
    squares = A**2 + B**2
    unbinned = found["unbinned", "t"]
    within(unbinned, "claimed_error", (N * squares) ** -0.5)
    within(unbinned, "inflate_by", (1 + 2 * rho * A * B / squares) ** 0.5)
    variance, covariance = binned_moments(rho)
    width = (1 + 2 * covariance * A * B / (variance * squares)) ** 0.5
    binned = found["binned", "t"]
    within(binned, "inflate_by", width)
    # The slopes are differences over finite steps of 0.2 and 0.1 widths, which lowers them by
    # step^2 / 6 (1 + ...): the third derivative of a normal distribution.
    within(binned, "actual_error", (width**2 / (N * variance * squares)) ** 0.5, 5.0)
    assert binned.coverage_68 == pytest.approx(1 - 2 * norm.cdf(-1 / binned.inflate_by))


def test_shared_width(location: dict[str, Any], pair: Pair) -> None:
    """Equal slopes: sqrt(1 + rho^2)."""
    location["samples"]["t"] = {
        side: {"observables": {"x": f"100 + (x - 100) * {f}", "y": f"50 + (y - 50) * {f}"}}
        for side, f in (("up", 1.05), ("down", 0.95))
    }
    found = rows_of(audit(location, {"nominal": pair(100_000, 0.7, 2)}))
    within(found["unbinned", "t"], "inflate_by", (1 + 0.7**2) ** 0.5)
    within(found["unbinned", "t"], "claimed_error", 1 / (0.05 * (4 * N) ** 0.5))


# --- rates -----------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [2, 3])
def test_free_rate_is_counted_once_in_every_channel(
    location: dict[str, Any], pair: Pair, channels: int
) -> None:
    """Pull width sqrt(channels) though the observables are independent, and so do the toys."""
    location["samples"]["nominal"]["norm"] = "free"
    location["toys"] = {"n_toys": 400 if channels == 2 else 0, "unbinned": "none"}
    events = pair(50_000, 0.0, 3)
    if channels == 3:
        location["observable"].append({"name": "z"})
        events["z"] = np.random.default_rng(4).standard_normal(50_000)
    result = audit(location, {"nominal": events})
    row = rows_of(result)["binned", "norm_signal"]
    # What is left of the correlation with t is of the order of a few times 1e-3 squared.
    assert row.claimed_error == pytest.approx((channels * N) ** -0.5, rel=1e-3)
    assert row.actual_error == pytest.approx(N**-0.5, rel=1e-3)
    assert row.inflate_by == pytest.approx(channels**0.5, rel=1e-3)
    if channels == 2:  # toys
        width, error = toy_width(result, "binned", "norm_signal")
        assert abs(width - channels**0.5) < 3 * error
        assert error < 0.05 * width


RATES = np.array([500.0, 1500.0])  # of two processes
APART = 1.1  # their distance in every channel, in widths


def shapes(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of the bins of one channel for both processes, shape (processes, bins)."""
    return np.stack([np.diff(norm.cdf(edges - shift)) for shift in (0.0, APART)])


def width_of_rates(information: NDArray[np.float64], channels: int) -> NDArray[np.float64]:
    """Pull widths of free rates in equal channels of events that are independent in a process.

    Let h be the information of one channel on the rates in units of themselves, and D those of
    the rates. The fit claims (n h)^-1. An event of process s has a mean score of h_is / D_ss in
    each channel, so two channels have the covariance h D^-1 h, and the estimates have
    h^-1 / n + (1 - 1 / n) D^-1: what is counted n times is the number of events, whose relative
    variance is 1 / D, and not what the shapes tell the processes apart with.
    """
    claimed = np.diag(np.linalg.inv(information))
    return np.asarray(np.sqrt(1 + (channels - 1) / RATES / claimed))


def pulls_of_rates(probabilities: NDArray[np.float64], toys: int) -> NDArray[np.float64]:
    """Fits of two free rates to two channels of the same events, shape (toys, processes)."""
    rng = np.random.default_rng(5)
    rates = RATES[:, None] * probabilities
    pulls = []
    for _ in range(toys):
        thrown = rng.poisson(RATES)
        counts = np.sum(
            [rng.multinomial(thrown, probabilities).sum(axis=0) for _ in range(2)], axis=0
        )
        factors = np.ones(2)
        for _ in range(8):  # Newton, for both channels at once: they have the same rates
            ratio = counts / (factors @ rates)
            curvature = (rates * ratio / (factors @ rates)) @ rates.T
            factors += np.linalg.solve(curvature, rates @ ratio - 2 * rates.sum(axis=1))
        ratio = counts / (factors @ rates) ** 2
        errors = np.sqrt(np.diag(np.linalg.inv((rates * ratio) @ rates.T)))
        pulls.append((factors - 1) / errors)
    return np.array(pulls)


@pytest.mark.slow
def test_free_rates_of_two_processes(location: dict[str, Any], pair: Pair) -> None:
    """Not sqrt 2, which one process alone has, but 1.119 and 1.227 (here 1.226)."""
    edges = np.array([-9, *np.linspace(-2.5, 3.5, 19), 9])
    probabilities = shapes(edges)
    rates = RATES[:, None] * probabilities
    information = (rates / rates.sum(axis=0)) @ rates.T
    expected = width_of_rates(information, 2)
    assert expected == pytest.approx([1.119, 1.227], abs=2e-3)

    toys = 2000
    pulls = pulls_of_rates(probabilities, toys)
    error = expected / (2 * toys) ** 0.5  # of the width of Gaussian pulls
    assert np.abs(pulls.std(axis=0, ddof=1) - expected).max() < 3 * error.max()

    location["samples"]["nominal"] |= {"norm": "free", "events": RATES[0]}
    location["samples"]["background"] = {
        "other": {"in_memory": True, "events": RATES[1], "norm": "free"}
    }
    location["parameter"] = [{"name": "t"}]  # that hardly matters: 1 % of a width
    location["samples"]["t"] = {
        side: {"observables": {"x": f"x {sign} 0.1"}} for side, sign in (("up", "+"), ("down", "-"))
    }
    location["observable"] = [
        {"name": "x", "edges": (100 + 10 * edges).tolist()},
        {"name": "y", "edges": (50 + 5 * edges).tolist()},
    ]
    events, other = pair(200_000, 0.0, 3), pair(200_000, 0.0, 4)
    other = {"x": other["x"] + 10 * APART, "y": other["y"] + 5 * APART}
    result = audit(location, {"nominal": events, "background.other": other})
    for name, width in zip(("norm_signal", "norm_other"), expected, strict=True):
        within(rows_of(result)["binned", name], "inflate_by", width)
    (note,) = (note for note in result.notes if "norm_signal" in note)
    assert "norm_signal by 1.1" in note
    assert "norm_other by 1.2" in note


def test_free_rate_with_a_fixed_number_of_events(location: dict[str, Any]) -> None:
    location["samples"]["nominal"]["norm"] = "free"
    location["n_events_law"] = "fixed"
    complaint = r"the rate of 'signal' is free, and n_events_law = \"fixed\" leaves no rate"
    with pytest.raises(StudyError, match=complaint):
        audit(location, {})


def test_law_of_the_number_of_events(location: dict[str, Any], pair: Pair) -> None:
    """A parameter that changes the rate alone: it is known only if the number of events varies.

    With a Poisson number two channels see the same rate twice: with information I = 2 N k^2 + 1
    the scatter is (2 N k^2 + 2 N k^2 + 1), and for a fixed number the first terms are gone.
    """
    location["parameter"].append({"name": "rate"})
    location["samples"]["rate"] = {"up": {"weight": "1.05"}, "down": {"weight": "0.95"}}
    events = pair(50_000, 0.3, 5)
    information = 2 * N * 0.05**2 + 1
    for law, scatter in (("poisson", 4 * N * 0.05**2 + 1), ("fixed", 1.0)):
        location["n_events_law"] = law
        location["toys"] = {"n_toys": 400 if law == "fixed" else 0, "unbinned": "none"}
        result = audit(location, {"nominal": events})
        row = rows_of(result)["binned", "rate"]
        assert row.claimed_error == pytest.approx(information**-0.5, rel=1e-3)
        assert row.actual_error == pytest.approx(scatter**0.5 / information, rel=1e-3)
        if law == "fixed":
            width, error = toy_width(result, "binned", "rate")
            assert abs(width - row.inflate_by) < 3 * error


# --- events that lack an observable ---------------------------------------------------------------


def test_events_that_lack_an_observable(location: dict[str, Any], pair: Pair) -> None:
    """Half of the events have both, and only these give cross terms."""
    rho, has = 0.6, 0.75
    events = pair(100_000, rho, 6)
    kind = np.random.default_rng(7).integers(0, 4, 100_000)  # 0: x only, 1: y only, 2, 3: both
    events["kind"] = kind
    location["observable"] = [
        {"name": "x", "where": "kind != 1"},
        {"name": "y", "where": "kind != 0"},
    ]
    location["toys"] = {"n_toys": 500}
    location["joint"] = {"n_bins": 5}
    result = audit(location, {"nominal": events})
    (dependence,) = result.dependence
    # Of all events: a proportion of 0.5 from 100 000 events.
    assert abs(dependence.overlap - 0.5) < 3 * 0.5 / 100_000**0.5
    assert dependence.pearson is not None
    assert dependence.pearson_error is not None
    assert abs(dependence.pearson - rho) < 3 * dependence.pearson_error
    variance, covariance = binned_moments(rho)
    row = rows_of(result)["binned", "t"]
    squares = A**2 + B**2
    width = (1 + 2 * 0.5 * covariance * A * B / (has * variance * squares)) ** 0.5
    within(row, "inflate_by", width)
    found, error = toy_width(result, "binned", "t")
    assert error < 0.05
    assert abs(found - width) < 3 * error
    assert result.unbinned.reason is not None
    assert "events have no 'x'" in result.unbinned.reason
    # The joint workspace has a channel for each kind of events, and all of them in one.
    assert result.joint_workspace is not None
    rates = {
        channel["name"]: sum(channel["samples"][0]["data"])
        for channel in result.joint_workspace["channels"]
    }
    counts = np.bincount(kind, minlength=4) * N / 100_000
    assert rates == {
        "joint": pytest.approx(counts[2:].sum()),
        "joint_x": pytest.approx(counts[0]),
        "joint_y": pytest.approx(counts[1]),
    }
    # The same by values that are no numbers.
    events["x"] = np.where(kind == 1, np.nan, events["x"])
    events["y"] = np.where(kind == 0, np.inf, events["y"])
    location["observable"] = [{"name": n, "missing": "allow"} for n in ("x", "y")]
    location["toys"] = {"n_toys": 0}
    again = audit(location, {"nominal": events})
    assert again.rows == result.rows
    assert [c.lacking for c in again.checks] == [c.lacking for c in result.checks]
    assert result.checks[0].lacking == {"x": int(np.sum(kind == 1)), "y": int(np.sum(kind == 0))}


# --- weights --------------------------------------------------------------------------------------


def test_negative_weights(location: dict[str, Any], pair: Pair) -> None:
    """They leave what is expected as it is, and only toys and densities need positive ones."""
    events = pair(150_000, 0.5, 8)
    events["w"] = np.random.default_rng(9).choice([1.0, -1.0], 150_000, p=[0.9, 0.1])
    location["weight"] = "w"
    location["toys"] = {"n_toys": 100}
    result = audit(location, {"nominal": events})
    variance, covariance = binned_moments(0.5)
    squares = A**2 + B**2
    row = rows_of(result)["binned", "t"]
    within(row, "inflate_by", (1 + 2 * covariance * A * B / (variance * squares)) ** 0.5)
    assert result.pulls == ()
    negative = int(np.sum(events["w"] < 0))
    reason = f"samples.nominal: {negative} of 150000 events have negative weights"
    assert result.toys.reason is not None
    assert result.toys.reason.startswith(reason)
    assert result.unbinned.reason == result.toys.reason
    assert any(note.startswith(f"No toys: {reason}") for note in result.notes)
    assert result.checks[0].negative == negative
    total = events["w"].sum()
    assert result.checks[0].effective == pytest.approx(total**2 / 150_000)


# --- steps ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_step_scales_estimates_and_errors(location: dict[str, Any], pair: Pair) -> None:
    location["samples"]["data"] = {"in_memory": True}
    location["parameter"].append({"name": "k"})
    location["samples"]["k"] = {
        "up": {"observables": {"x": "x * 1.01"}},
        "down": {"observables": {"x": "x * 0.99"}},
    }
    location["replicas"] = 40
    events = {"nominal": pair(50_000, 0.5, 10), "data": pair(1000, 0.5, 11)}
    once = audit(location, events)
    for parameter in location["parameter"]:
        parameter |= {"step": 3.0, "bounds": [-30, 30]}
    thrice = audit(location, events)
    assert [fit.method for fit in once.data] == ["binned", "unbinned"]
    for row, other in zip(once.rows, thrice.rows, strict=True):
        assert other.claimed_error == pytest.approx(3 * row.claimed_error, rel=1e-6)
        assert other.actual_error == pytest.approx(3 * row.actual_error, rel=1e-6)
        assert other.inflate_by_error == pytest.approx(row.inflate_by_error, rel=1e-6)
    for fit, other_fit in zip(once.data, thrice.data, strict=True):
        error = fit.column("claimed_error")
        assert other_fit.column("estimate") / 3 == pytest.approx(
            fit.column("estimate"), abs=1e-3 * float(error.min())
        )
        for kind in ("claimed_error", "sandwich_error"):
            assert other_fit.column(kind) == pytest.approx(3 * fit.column(kind), rel=1e-3)
        assert other_fit.column("bootstrap_error") == pytest.approx(
            3 * fit.column("bootstrap_error"), rel=1e-2
        )


def test_constraint_of_a_free_parameter_can_be_dropped(
    location: dict[str, Any], pair: Pair
) -> None:
    """With `multiplicative` and steps of 3 pyhf's unit Gaussian adds an information of 1 / 9."""
    location["parameter"][0] |= {"step": 3.0, "bounds": [-30, 30]}
    location["samples"]["nominal"]["events"] = 200.0
    location["samples"]["t"] = {
        "up": {"observables": {"x": "x + 6", "y": "y + 1.5"}},
        "down": {"observables": {"x": "x - 6", "y": "y - 1.5"}},
    }
    location["toys"] = {"n_toys": 300, "unbinned": "none"}
    location["workspace"] = {"morphing": "multiplicative", "mass_constraint": False, "n_bins": 10}
    events = {"nominal": pair(100_000, 0.0, 12)}
    dropped = audit(location, events)
    location["workspace"]["mass_constraint"] = True
    location["toys"] = {"n_toys": 0}
    kept = audit(location, events)
    free, held = (rows_of(result)["binned", "t"] for result in (dropped, kept))
    assert free.claimed_error**-2 == pytest.approx(held.claimed_error**-2 - 1 / 9, rel=1e-6)
    # The unbinned fit never had one.
    within(rows_of(kept)["unbinned", "t"], "claimed_error", (200 * (A**2 + B**2)) ** -0.5)
    width, error = toy_width(dropped, "binned", "t")
    assert abs(width - 1.0) < 3 * error


# --- verdicts -------------------------------------------------------------------------------------


def test_verdict(location: dict[str, Any], pair: Pair) -> None:
    yes = audit(location, {"nominal": pair(50_000, 0.0, 13)})
    assert yes.independent
    assert audit_answer(yes).startswith(
        "May x, y be fitted as if they were independent? Yes: the claimed error of t is right"
    )
    assert pay_line(yes) == "Every observable lowers the actual error of t."
    too_small = audit(location, {"nominal": pair(50_000, 0.5, 14)})
    assert too_small.independent is False
    said = audit_answer(too_small)
    assert re.search(r"No: the claimed error of t is \d+ % too small .*multiply it by 1\.1", said)
    assert "correlation alone makes it" in said
    too_large = audit(location, {"nominal": pair(50_000, -0.5, 15)})
    said = audit_answer(too_large)
    assert re.search(r"No: the claimed error of t is \d+ % too large .*multiply it by 0\.7", said)


def test_verdict_of_too_few_events(location: dict[str, Any], pair: Pair) -> None:
    location["toys"]["unbinned"] = "none"
    location["workspace"] = {"n_bins": 4}
    location["joint"] = {"n_bins": 0}
    # (1 + 0.1025)^(1/2) = 1.05: noise of the nominal templates adds what is just tolerated
    result = audit(location, {"nominal": pair(round(N / 0.1025), 0.0, 16)})
    (row,) = result.rows
    assert row.factor is not None
    assert row.factor_error is not None
    assert abs(row.factor - 1.05) < 3 * row.factor_error  # it may be on either side
    assert result.judgements == {"t": "unknown"}
    assert result.independent is None
    assert "Perhaps: the claimed error of t may be right or wrong" in audit_answer(result)


def test_observable_that_does_not_pay(location: dict[str, Any], pair: Pair) -> None:
    location["observable"].append({"name": "z"})
    location["toys"]["unbinned"] = "none"
    events = pair(50_000, 0.3, 16)
    events["z"] = np.random.default_rng(17).standard_normal(50_000)
    result = audit(location, {"nominal": events})
    assert result.do_not_pay == ("z",)
    assert pay_line(result) == "Not worth their work for t: z."
    assert {row.observables for row in result.sets} == {
        *(("x",), ("y",), ("x", "y"), ("x", "z"), ("y", "z"), ("x", "y", "z"))
    }
    errors = {row.observables: row.pull.actual_error for row in result.sets}
    variance, _ = binned_moments(0.0)
    assert errors["x",] == pytest.approx(1 / (A * (N * variance) ** 0.5), rel=0.02)
    assert list(errors.values()) == sorted(errors.values())


def test_correlated_observable_that_makes_it_worse(location: dict[str, Any], pair: Pair) -> None:
    """At rho = 0.9 and with slopes of 0.2 and 0.02 a product of marginals is worse than x alone."""
    for side, sign in (("up", "+"), ("down", "-")):
        location["samples"]["t"][side]["observables"]["y"] = f"y {sign} 0.3"
    result = audit(location, {"nominal": pair(50_000, 0.95, 18)})
    errors = {row.observables: row.pull.actual_error for row in result.sets}
    a, b = 0.2, 0.06
    ratio = (a**2 + b**2 + 2 * 0.95 * a * b) ** 0.5 / (a**2 + b**2) * a
    assert errors["x", "y"] / errors["x",] == pytest.approx(ratio, rel=0.02)
    assert ratio > 1.1
    assert result.do_not_pay == ("y",)


# --- errors of the errors -------------------------------------------------------------------------


@pytest.mark.slow
def test_bootstrap_errors_are_those_of_repeated_samples(
    location: dict[str, Any], pair: Pair
) -> None:
    """Squared distances from the mean in quoted errors have a chi-square distribution.

    The bounds are its quantiles for a chance of one in a thousand on either side.
    """
    location |= {"workspace": {"n_bins": 10}, "joint": {"n_bins": 0}}
    results = [audit(location, {"nominal": pair(10_000, 0.5, 100 + i)}) for i in range(12)]
    low, high = chi2.ppf([0.001, 0.999], 11)
    for method in ("binned", "unbinned"):
        rows = [rows_of(result)[method, "t"] for result in results]
        for kind in ("inflate_by", "actual_error"):
            values = np.array([getattr(row, kind) for row in rows])
            errors = np.array([getattr(row, f"{kind}_error") for row in rows])
            squares = float(np.sum((values - values.mean()) ** 2) / np.mean(errors**2))
            assert low < squares < high


# --- how it was computed --------------------------------------------------------------------------


def test_reservoir_smaller_than_the_sample(location: dict[str, Any], pair: Pair) -> None:
    """All events are counted in bins; edges and densities come from a random part."""
    events = {"nominal": pair(100_000, 0.5, 19)}
    order = np.argsort(events["nominal"]["x"])  # the part must not be the first one
    events = {"nominal": {name: column[order] for name, column in events["nominal"].items()}}
    location["toys"] = {"n_toys": 300, "reservoir": 10_000}
    small = audit(location, events)
    variance, covariance = binned_moments(0.5)
    squares = A**2 + B**2
    found = rows_of(small)
    within(
        found["binned", "t"], "inflate_by", (1 + 2 * covariance * A * B / variance / squares) ** 0.5
    )
    within(found["unbinned", "t"], "inflate_by", (1 + 2 * 0.5 * A * B / squares) ** 0.5)
    (dependence,) = small.dependence
    assert dependence.events == 10_000
    assert dependence.pearson is not None
    assert dependence.pearson_error is not None
    assert abs(dependence.pearson - 0.5) < 3 * dependence.pearson_error
    assert small.checks[0].selected == 100_000
    for method in ("binned", "unbinned"):
        width, error = toy_width(small, method, "t")
        assert abs(width - found[method, "t"].inflate_by) < 3 * error


def test_copy_of_the_configuration_is_not_changed(location: dict[str, Any], pair: Pair) -> None:
    before = copy.deepcopy(location)
    audit(location, {"nominal": pair(5_000, 0.0, 20)})
    assert location == before
