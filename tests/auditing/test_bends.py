"""Noise of what templates bend by, where up, nominal and down are other events."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.verdicts.audits import audited, config_of, tables_of
from benchmarks.verdicts.fits import Fit
from benchmarks.verdicts.lines import Line
from benchmarks.verdicts.world import signal_rates
from pullfactory import audit

KIND = Line(rho=0.0, events=20_000)


def test_nominal_events_changed_bend_by_nothing() -> None:
    """Their noise is in up, nominal and down alike, whatever bins they change."""
    rng = np.random.default_rng(1)
    assert audited(KIND, rng).row["whole_error"] is not None
    line = replace(KIND, apart=20_000, nuisances="one-sided")  # a line through its samples
    assert audited(line, rng).row["whole_error"] is not None


def test_no_error_where_noise_of_bends_moves_the_estimate() -> None:
    """And it is said what to do; degree 5 does it with samples that are large enough."""
    rng = np.random.default_rng(2)
    line = replace(KIND, apart=20_000)
    result = audit(config_of(line), tables_of(line, rng))
    (row,) = (row for row in result.rows if row.parameter == "m")
    assert row.answer == "cannot"
    assert (row.whole_error, row.factor, row.calibrated_error) == (None, None, None)
    assert row.factor_infinite is not None
    (note,) = (note for note in result.notes if note.startswith("j: up, nominal and down"))
    assert "moves m by 0." in note
    assert "symmetrise = true" in note
    smooth = replace(line, events=60_000, apart=60_000, smooth=5)
    assert audited(smooth, rng).row["answer"] != "cannot"


@pytest.mark.slow
@pytest.mark.parametrize(("apart", "low", "high"), [(0, 0.0, 0.2), (20_000, 0.2, 0.5)])
def test_fits_move_as_their_noise_bends(apart: int, low: float, high: float) -> None:
    """Estimates of exact data one step away, with templates as they are and on a line.

    The shift that is told is 0.38 of the claimed error, and 0.01 for nominal events, changed; it is
    to first order in the noise of the information, and templates bend by nature too.
    """
    rng = np.random.default_rng(3)
    line = replace(KIND, apart=apart)
    moved = []
    for _ in range(20):
        found = audited(line, rng)
        assert isinstance(found.fit, Fit)
        down, up = found.fit.sides["j"]
        half, nominal = (up - down) / 2, found.fit.signal
        straight = replace(found.fit, sides={"j": (nominal - half, nominal + half)})
        data = signal_rates(line, found.fit.edges, {"j": 1.0})[None]
        one, other = (fit.fit(data, np.zeros((1, 2)))[0] for fit in (found.fit, straight))
        moved.append((one - other) / found.row["claimed_error"])
    assert low <= np.sqrt(np.mean(np.square(moved))) < high
