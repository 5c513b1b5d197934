"""Tables of a workspace whose channels share events, where there is much to show."""

import dataclasses
import math

from rich.console import Console

from pullfactory.report.drawing import laid_out
from pullfactory.report.goodness import most_off
from pullfactory.report.sharing import (
    hidden_pairs,
    narrow_table,
    shared_table,
    sharing_answer,
    sharing_table,
    shown_pairs,
)
from pullfactory.report.style import figure_style
from pullfactory.results.sharing_figures import make_sharing_figures
from pullfactory.sharing import SharedRow, SharingRow

PAIRS = tuple(
    SharedRow(channel="a", other=f"b{k}", data=k, simulated=None, part=(7 * k % 31) / 31)
    for k in range(1, 31)
)
ROW = SharingRow(
    parameter="JES",
    kind="parameter",
    estimate=5e-14,
    claimed_error=0.123456,
    largest_factor=1.3,
    largest_factor_simulated=1.4,
    factor=1.0043219,
    factor_error=0.0006123,
    actual_error=0.124,
    matters="unknown",
    factor_data=1.01,
    factor_data_error=0.01,
    factor_alone=1.02,
    claimed_pull=-1.12,
    corrected_pull=-1.1,
)


def shown(table: object, width: int) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_many_pairs_are_those_that_share_most() -> None:
    kept = shown_pairs(PAIRS)
    assert len(kept) == 15
    assert {pair.part for pair in kept} == {part / 31 for part in range(16, 31)}
    assert hidden_pairs(PAIRS) == "15 pairs of channels that share less are in shared.csv."
    assert shown_pairs(PAIRS[:15]) == PAIRS[:15]
    assert hidden_pairs(PAIRS[:15]) is None


def test_what_no_pair_has_is_no_column() -> None:
    headings = [column.key for column in shared_table(PAIRS).columns]
    assert headings == ["channel", "other", "data", "part"]


def test_most_off_are_all_bins_and_the_least_likely() -> None:
    assert most_off([0.9, 0.5, 0.1, 0.7, 0.2], 3) == [0, 2, 4]
    assert most_off([0.9, 0.5], 3) == [0, 1]
    assert most_off([], 3) == []


def test_table_of_a_terminal_fits_80_columns() -> None:
    said = shown(narrow_table([ROW]), 80)
    assert "…" not in said
    assert "1.0043 ± 0.0006" in said
    assert " 0.00 " in said  # the estimate, which is nothing beside its error
    assert len(narrow_table([ROW]).columns) < len(sharing_table([ROW]).columns)


def test_factors_of_shared_simulation_are_a_column_where_they_differ() -> None:
    keys = [column.key for column in sharing_table([ROW]).columns]
    assert "largest_factor_simulated" in keys
    same = dataclasses.replace(ROW, largest_factor_simulated=ROW.largest_factor)
    assert "largest_factor_simulated" not in [c.key for c in sharing_table([same]).columns]


def test_parameter_without_an_error_has_an_estimate() -> None:
    """As one that the measurement holds."""
    held = dataclasses.replace(
        ROW,
        estimate=0.5,
        claimed_error=math.nan,
        factor=math.nan,
        factor_error=math.nan,
        actual_error=math.nan,
    )
    assert "0.500        -" in shown(sharing_table((ROW, held)), 120)


def test_initial_values_are_not_quoted_as_what_was_measured() -> None:
    row = dataclasses.replace(ROW, kind="interest")
    (told,) = sharing_answer((row,), "converged", 2)
    assert told.endswith("times what the fit claims. JES = 0.00 ± 0.12 (the fit claims 0.123).")
    failed, told = sharing_answer((row,), "not_positive_definite", 2)
    assert failed.endswith("this is at the initial values.")
    assert told.endswith("times what the fit claims.")


def test_a_measurement_without_a_parameter_of_interest_says_so() -> None:
    first, *_ = sharing_answer([ROW], "converged", 2)
    assert first.startswith("The measurement names no parameter of interest")
    held = dataclasses.replace(ROW, kind="interest", claimed_error=math.nan)
    assert not any("names no" in line for line in sharing_answer([held], "converged", 2))


def test_names_of_channels_are_within_the_figure() -> None:
    channels = ("a channel", *(f"b{k}" for k in range(1, 31)))
    pairs = [dataclasses.replace(pair, channel="a channel") for pair in PAIRS]
    figures = make_sharing_figures(channels, pairs, [ROW], None)
    with figure_style():
        figure = laid_out(figures["shared"].draw())
        figure.draw_without_rendering()
        labels = [*figure.axes[0].get_yticklabels(), *figure.axes[0].get_xticklabels()]
        boxes = [label.get_window_extent() for label in labels]
    assert len(boxes) == 62
    assert min(min(box.x0, box.y0) for box in boxes) >= 0.0
