"""Samples farther away: less noise in the slope of a free parameter, and the note that says so."""

from typing import Any

import numpy as np
import pytest

from pullfactory import audit
from pullfactory._jax import double_precision
from pullfactory.auditing import (
    AuditModel,
    ErrorModel,
    Expected,
    LinearFit,
    Smoothing,
    build_audit_workspace,
    whole_errors,
)
from pullfactory.auditing.reading import read_events
from pullfactory.settings.audit import AuditConfig
from tests.auditing.known_truth import config, events

SEEDS = 8


def at(lever: float, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and 5000 events a sample, whose mass is so many steps from nominal."""
    rng = np.random.default_rng(seed)
    masses = {"nominal": 0.0, "m.up": lever, "m.down": -lever}
    settings = config()
    settings["parameter"][0]["step"] = lever
    return settings, {role: events(rng, 5000, 0.3, mass) for role, mass in masses.items()}


@double_precision
def slope(lever: float, seed: int) -> float:
    settings, tables = at(lever, seed)
    checked = AuditConfig.from_dict(settings)
    expected = Expected.of(checked, read_events(checked, tables))
    smoothing = Smoothing.of(expected)
    spec = build_audit_workspace(expected, smoothing=smoothing)
    model = AuditModel.of(expected, spec, smoothing)
    fit = LinearFit.of(ErrorModel.of(model))
    found = whole_errors(fit, expected.parameters, model.positions).told("m")["slope"]
    assert isinstance(found, float)
    return found


def test_noise_falls_with_the_square_of_the_lever() -> None:
    """A / (A + (1 - A) / 9), which the note has, is what samples three steps away give."""
    near, far = (np.array([slope(lever, seed) for seed in range(SEEDS)]) for lever in (1.0, 3.0))
    wanted = near / (near + (1 - near) / 9)
    error = np.hypot(far.std(ddof=1), wanted.std(ddof=1)) / np.sqrt(SEEDS)
    assert near.mean() < 0.85
    assert far.mean() == pytest.approx(wanted.mean(), abs=4 * error)


@pytest.mark.parametrize(("lever", "told"), [(1.0, True), (3.0, False)])
def test_the_note_has_the_number(lever: float, *, told: bool) -> None:
    result = audit(*at(lever, 0))
    notes = [note for note in result.notes if "samples at ±" in note]
    assert bool(notes) == told
    if told:
        (row,) = (row for row in result.rows if row.parameter == "m")
        assert row.slope is not None
        far = row.slope / (row.slope + (1 - row.slope) / 9)
        assert "m: samples at ±3 instead of ±1 (parameter.m.step)" in notes[0]
        assert f"would move by {far:.2f} and not {row.slope:.2f}" in notes[0]
