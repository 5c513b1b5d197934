"""Two observables that are one measurement are refused, and those with one short name are two."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from numpy.typing import NDArray

from pullfactory import audit
from pullfactory.errors import EventsError

Table = dict[str, NDArray[Any]]
Pair = Callable[[int, float, int], Table]

SPLIT = Path(__file__).parents[1] / "events" / "two_leptons.root"
LEPTONS: dict[str, Any] = {
    "name": "leptons",
    "poi": "esc",
    "optimal": False,  # tests of their own
    "workspace": {"n_bins": 6},
    "joint": {"n_bins": 0},
    "toys": {"n_toys": 0, "unbinned": "none"},
    "parameter": [{"name": "esc", "constraint": "free", "step": 0.01, "bounds": [-1.0, 1.0]}],
    "observable": [{"name": "e1"}, {"name": "e2"}],
}


def leptons(nominal: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    samples = {
        "nominal": nominal | {"events": 1000.0},
        "esc": {
            side: {"columns": {name: f"{name} * {factor}" for name in ("e1", "e2")}}
            for side, factor in (("up", 1.01), ("down", 0.99))
        },
    }
    return LEPTONS | {"samples": samples, "columns": columns}


def test_branches_with_one_short_name() -> None:
    """The audit of the file is that of the same events in memory, read by uproot."""
    paths = {f"e{i}": f"lep{i}/fCoordinates/fCoordinates.fT" for i in (1, 2)}
    with uproot.open(SPLIT) as file:
        table = {name: file["events"][path].array(library="np") for name, path in paths.items()}
    expected = audit(leptons({"in_memory": True}, {}), {"nominal": table})
    found = audit(leptons({"files": [str(SPLIT)]}, paths))
    assert found.rows == expected.rows
    # Independent: the scores of 4000 events have a correlation of 0 within 1 / sqrt(4000), which
    # with equal slopes moves the width by half of it at most.
    (row,) = found.rows
    assert abs(row.inflate_by - 1.0) < 3 * 0.5 / 4000**0.5
    (dependence,) = found.dependence
    assert dependence.pearson == pytest.approx(np.corrcoef(table["e1"], table["e2"])[0, 1])


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("x", "observables 'x' and 'y' are the same number"),
        ("(x + 1) - 1", "observables 'x' and 'y' are the same number"),
        ("1000 * x", r"observable 'y' is 1000 \* x \+ 0"),
        ("273.15 - 2 * x", r"observable 'y' is -2 \* x \+ 273\.15"),
    ],
)
def test_one_measurement_twice(
    location: dict[str, Any], pair: Pair, expression: str, found: str
) -> None:
    location["observable"][1]["expression"] = expression
    complaint = (
        rf"^samples\.nominal: {found} in all 3000 events that have both, which counts one "
        r"measurement twice\. Leave one out, or mend observable\.x or observable\.y\.$"
    )
    with pytest.raises(EventsError, match=complaint):
        audit(location, {"nominal": pair(3000, 0.3, 1)})


def test_one_measurement_in_two_precisions(location: dict[str, Any], pair: Pair) -> None:
    table = pair(3000, 0.3, 1)
    table["y"] = table["x"].astype(np.float32)
    with pytest.raises(EventsError, match="'x' and 'y' are the same number in all 3000 events"):
        audit(location, {"nominal": table})


def test_one_measurement_where_events_have_both(location: dict[str, Any], pair: Pair) -> None:
    location["observable"][1] |= {"expression": "x", "where": "x > 100"}
    table = pair(3000, 0.3, 1)
    both = int(np.sum(table["x"] > 100))
    with pytest.raises(EventsError, match=f"are the same number in all {both} events"):
        audit(location, {"nominal": table})


def test_one_measurement_in_data(location: dict[str, Any], pair: Pair) -> None:
    location["samples"]["data"] = {"in_memory": True}
    data = pair(500, 0.3, 2)
    data["y"] = data["x"]
    with pytest.raises(EventsError, match=r"^samples\.data: observables 'x' and 'y' are the same"):
        audit(location, {"nominal": pair(3000, 0.3, 1), "data": data})


def test_nearly_one_measurement_is_audited(location: dict[str, Any], pair: Pair) -> None:
    """With slopes of 0.2 and 0.1 widths: sqrt(1 + 2 a b / (a^2 + b^2)) as rho goes to 1."""
    location["toys"]["unbinned"] = "none"
    (row,) = audit(location, {"nominal": pair(20_000, 0.999999, 1)}).rows
    assert abs(row.inflate_by - (1 + 0.04 / 0.05) ** 0.5) < 4 * row.inflate_by_error + 0.01
