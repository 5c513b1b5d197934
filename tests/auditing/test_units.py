"""Contributions of groups of events beside derivatives of what is made of them."""

from typing import Any

import numpy as np
import pytest

from pullfactory._jax import double_precision
from pullfactory.auditing import AuditModel, ErrorModel, Expected, build_audit_workspace
from pullfactory.auditing.reading import read_events
from pullfactory.auditing.tally import GROUPS
from pullfactory.auditing.units import measure_units
from pullfactory.settings.audit import AuditConfig
from tests.auditing.known_truth import N, config, events, samples


@double_precision
def model_of(settings: dict[str, Any], tables: dict[str, Any]) -> ErrorModel:
    """The model of the errors of an audit."""
    checked = AuditConfig.from_dict(settings)
    expected = Expected.of(checked, read_events(checked, tables))
    return ErrorModel.of(AuditModel.of(expected, build_audit_workspace(expected)))


def with_background(settings: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Weighted events of another process, whose rate is known to 20 %, without the variations."""
    tables = samples(rng, 4000, 0.3)
    tables["background.wide"] = events(rng, 3000, 0.0, -3.0)
    for table in tables.values():
        table["w"] = rng.exponential(size=len(table["a"]))
    settings["weight"] = "w"
    settings["samples"]["background"] = {
        "wide": {"in_memory": True, "scale": 0.2, "norm": 0.2, "weight": "w"}
    }
    return tables


@pytest.mark.parametrize("law", ["fixed", "poisson"])
@pytest.mark.parametrize("staterror", [False, True])
def test_units_are_derivatives(law: str, *, staterror: bool) -> None:
    """Of all that the bootstrap draws again, in which a group counts in every family at once."""
    settings = config(n_events_law=law, workspace={"staterror": staterror, "n_bins": 6})
    tables = with_background(settings, np.random.default_rng(1))
    model = model_of(settings, tables)
    units = measure_units(model)
    step = 1e-3
    ways = 1.0 + step * np.array([[1.0], [-1.0]])[:, :, None] * np.eye(GROUPS)
    up, down = (model.drawn(often) for often in ways)
    log_slopes = np.tile(model.slopes / model.rates[:, None], (GROUPS, 1, 1))
    scatter = model.audit.channels.scatter

    def log(drawn: Any) -> Any:
        return drawn.slopes / drawn.rates[:, :, None]

    def information(drawn: Any) -> Any:
        return log_slopes[0].T @ (drawn.rates[:, :, None] * log_slopes[0])

    expected = {
        "slopes": up.slopes - down.slopes,
        "log_slopes": log(up) - log(down),
        "information": information(up) - information(down),
        "scores": scatter(log_slopes, up.pairs) - scatter(log_slopes, down.pairs),
    }
    slopes, moved = (np.zeros((GROUPS, *model.slopes.shape)) for _ in range(2))
    for family in units:
        slopes[:, :, family.columns] += family.slopes
        moved[:, :, family.columns] += family.log_slopes
    found = {
        "slopes": slopes,
        "log_slopes": moved,
        "information": sum(f.information for f in units if f.information is not None),
        "scores": sum(family.scores for family in units if family.scores is not None),
    }
    for name, difference in expected.items():
        derivative = difference / (2 * step)
        away = (derivative - derivative.mean(axis=0)) * np.sqrt(GROUPS / (GROUPS - 1))
        # the third derivative of a ratio in a group of 1 / 128 of the events, times step^2
        np.testing.assert_allclose(found[name], away, rtol=0, atol=1e-6 * np.abs(away).max())


def test_families_are_what_has_events_in_common() -> None:
    model = model_of(config(), samples(np.random.default_rng(2), 2000, 0.0))
    nominal, *others = measure_units(model)
    names = np.array(model.audit.likelihood.names)
    assert set(names[nominal.columns]) == {"m", "j"}
    assert nominal.column(int(np.flatnonzero(names == "m")[0])) is None
    assert [list(names[family.columns]) for family in others] == [["m"], ["m"]]
    assert all(family.scores is None and family.information is None for family in others)


def test_scatter_of_independent_slopes_is_that_of_counts() -> None:
    """A slope from n events up and n down has the variance N^2 p (1 - p) / (2 n) in each bin.

    Sums of squares over 128 groups of 2 samples in 40 bins are known to
    sqrt(2 / (2 * 127 * 40)) = 1.4 %; three times that is allowed.
    """
    number = 20_000
    model = model_of(config(), samples(np.random.default_rng(3), number, 0.0))
    (k,) = model.audit.likelihood.positions("m")
    columns = [each for family in measure_units(model) if (each := family.column(k)) is not None]
    variance = np.sum(np.square(columns), axis=(0, 1))
    part = model.rates / N
    wanted = N**2 * part * (1 - part) / (2 * number)
    assert np.mean(variance / wanted) == pytest.approx(1.0, abs=3 * 0.014)
