"""Events that do not make a workspace are refused, and the cause is named."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from pullfactory import audit_workspace
from pullfactory.errors import EventsError, LikelihoodError
from pullfactory.sharing import MappingError
from pullfactory.sharing.filled import filled
from tests.sharing.analysis import PROCESSES, Analysis, analysis, bins_of

Given = dict[str, Any]


@pytest.fixture(scope="module")
def made() -> Analysis:
    return analysis(2000, scale=0.5)


def halved(made: Analysis) -> Given:
    return {"weights": {**made.weights, "bkg": made.weights["bkg"] / 0.7}}


def twice(made: Analysis) -> Given:
    bins, weights = (
        {**each, "sig": np.concatenate([each["sig"]] * 2)} for each in (made.bins, made.weights)
    )
    return {"simulated": bins, "weights": weights}


def changed(made: Analysis, change: Callable[[np.ndarray[Any, Any]], object]) -> Given:
    bins = made.bins["sig"].copy()
    change(bins)
    return {"simulated": {**made.bins, "sig": bins}}


def swap_channels(bins: np.ndarray[Any, Any]) -> None:
    first, second = bins[:, 1].copy(), bins[:, 2].copy()
    bins[:, 1] = np.where(second >= 0, second - 10, -1)
    bins[:, 2] = np.where(first >= 0, first + 10, -1)


def move_edge(bins: np.ndarray[Any, Any]) -> None:
    some = np.flatnonzero(bins[:, 1] == 10)[:7]
    bins[some, 1] = 11


def no_selection(made: Analysis) -> Given:
    events = {**made.events["sig"], "in_SR1": np.ones(2000, dtype=bool)}
    return {"simulated": {**made.bins, "sig": bins_of(events)}}


def other_tree(made: Analysis) -> Given:
    return {"simulated": {**made.bins, "sig": bins_of(made.events["sig"], 1.0)}}


def other_sample(made: Analysis) -> Given:
    return {
        "simulated": {**made.bins, "sig": made.bins["bkg"]},
        "weights": {**made.weights, "sig": made.weights["bkg"]},
    }


def simulation_as_data(made: Analysis) -> Given:
    return {"data": made.bins["sig"]}


def scaled_simulation_as_data(made: Analysis) -> Given:
    """No sample has events, but the template of one has its shape."""
    return {"data": made.bins["bkg"], "simulated": {}, "weights": {}}


def data_twice(made: Analysis) -> Given:
    observed = np.concatenate([entry["data"] for entry in made.spec["observations"]])
    bins = np.repeat(np.arange(len(observed)), (2 * observed).astype(int))
    return {"data": bins[:, None]}


def ends(made: Analysis) -> Given:
    return changed(made, lambda bins: put(put(bins, 16), 25))


def underflow(made: Analysis) -> Given:
    return changed(made, lambda bins: put(bins, 16))


def put(bins: np.ndarray[Any, Any], there: int) -> np.ndarray[Any, Any]:
    """Some of the events outside of the last region, in it."""
    bins[np.flatnonzero(bins[:, 2] < 0)[:200], 2] = there
    return bins


def nothing_selected(made: Analysis) -> Given:
    return changed(made, lambda bins: bins[:, 0].fill(-1))


def single_precision(made: Analysis) -> Given:
    return {"weights": {**made.weights, "sig": made.weights["sig"] * (1.0 + 3e-6)}}


def overflow(made: Analysis) -> Given:
    first = made.bins["sig"]
    more = np.concatenate([first, np.full_like(first[:1], -1)])
    more[-1, 2] = 25
    return {
        "simulated": {**made.bins, "sig": more},
        "weights": {**made.weights, "sig": np.full(len(more), made.weights["sig"][0])},
    }


def other_weight(made: Analysis) -> Given:
    """One whose mean is nearly that of the right one: four of six bins are off alike by chance."""
    parts = 1.0 + np.array([0.0012, 0.00123, 0.00118, 0.00121, -0.0013, -0.0005])
    bin_of = made.bins["sig"][:, 0]
    noise = np.random.default_rng(3).uniform(0.98, 1.02, len(bin_of))
    factor = np.where(bin_of >= 0, parts[bin_of], noise)
    return {"weights": {**made.weights, "sig": made.weights["sig"] * factor}}


WRONG: Mapping[str, tuple[Callable[[Analysis], Given], str]] = {
    "weight": (halved, r"1\.42857 times what they should be: the weight lacks a factor"),
    "other": (other_weight, "in the workspace; it is another weight"),
    "twice": (twice, "2 times what they should be: a file is there 2 times, or the weight lacks"),
    "channels": (lambda m: changed(m, swap_channels), "channel 'SR2' has: the two are exchanged"),
    "edge": (lambda m: changed(m, move_edge), "in other bins: an edge is moved"),
    "selection": (no_selection, "all bins have too much: a selection is missing"),
    "tree": (other_tree, "another weight, another tree, a variation|an edge is moved"),
    "sample": (other_sample, "what 'bkg' has: exchange them"),
    "simulation": (
        simulation_as_data,
        "they are simulated events of 'sig': give those of the data",
    ),
    "scaled": (scaled_simulation_as_data, "they are simulated events of 'bkg'"),
    "data": (data_twice, "2 times what they should be: files are there twice"),
    "ends": (ends, "the outermost bins have too much: they have what is beyond the edges"),
    "underflow": (underflow, "only the first bin has too much: it has underflow"),
    "nothing": (nothing_selected, "no event is in it: look at its selection"),
    "overflow": (overflow, "only the last bin has too much: it has overflow"),
    "float32": (single_precision, "as numbers in single precision do: tolerate 0.0001"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_mapping_is_refused(name: str, made: Analysis) -> None:
    spoil, cause = WRONG[name]
    given: Given = {"simulated": made.bins, "weights": made.weights} | spoil(made)
    with pytest.raises(MappingError, match=cause) as refused:
        audit_workspace(made.spec, **given)
    assert all("in the workspace; " in line for line in refused.value.lines)


def test_channel_that_is_disjoint_has_no_events(made: Analysis) -> None:
    given: Given = {"simulated": made.bins, "weights": made.weights}
    with pytest.raises(MappingError, match=r"'CR'.*called disjoint, but events fill it"):
        audit_workspace(made.spec, **given, disjoint=["CR"])
    apart = {name: np.where(np.arange(3) == 0, -1, each) for name, each in made.bins.items()}
    found = audit_workspace(
        made.spec, simulated=apart, weights=made.weights, disjoint=["CR"], n_toys=0
    )
    assert any("events of CR are in no other channel is taken as said" in n for n in found.notes)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"simulated": {"top": np.zeros((1, 1), dtype=int)}},
            "'top' is no sample of the workspace",
        ),
        ({"data": np.zeros((3, 2))}, "bins are float64 of shape"),
        ({"data": np.array([[26]])}, "bins from 26 to 26, but the workspace has 0 to 25"),
        ({"data": np.array([[7, 8]])}, "event 0 is in two bins of channel 'SR1'"),
        ({"data": np.array([[-1, 7, 7]])}, "event 0 fills a bin twice"),
        ({"n_toys": -1}, "n_toys = -1 must be a whole number, 0 or more"),
        ({"seed": 0.5}, "seed = 0.5 must be a whole number"),
        ({"n_toys": 10**30}, "are too many to be thrown; give at most 1000000"),
        ({"tolerance": -1.0}, "tolerance = -1.0 must be between 0 and 1"),
        ({"disjoint": "CR"}, r"use \['CR'\]"),
        ({"weights": {"bkg": [1.0]}}, "weights of 'bkg', which has no events"),
        (
            {"data": [[0], [1, 2]]},
            "data: rows of bins have different lengths; fill them up with -1",
        ),
        ({"tolerance": "1e-3"}, "tolerance = '1e-3' must be between 0 and 1"),
        ({"disjoint": 3}, "disjoint = 3 must be a list of channels"),
        ({"simulated": [1, 2]}, "simulated is of type list; give a dictionary by sample"),
        ({"simulated": np.zeros((2, 2))}, "simulated is of type ndarray; give a dictionary"),
        ({"weights": 3}, "weights is of type int; give a dictionary by sample"),
        ({"events": 3}, "events = 3 must be an EventMap or the path of a TOML file"),
    ],
)
def test_events_of_the_wrong_kind_are_refused(given: Given, message: str, made: Analysis) -> None:
    with pytest.raises(EventsError, match=message):
        audit_workspace(made.spec, **given)


def test_samples_without_their_weights_are_told(made: Analysis) -> None:
    with pytest.raises(MappingError, match="or the events lack their weight: all have 1"):
        audit_workspace(made.spec, simulated=made.bins)


def test_matrix_that_is_given_stays_as_it_is() -> None:
    """One with an entry of zero, and in two parts of one: it may be of others, or read-only."""
    entries = np.array([0.0, 0.5, 0.5]), np.array([1, 0, 0]), np.array([0, 3])
    matrix = sparse.csr_array(entries, shape=(1, 2))
    for array in (matrix.data, matrix.indices, matrix.indptr):
        array.flags.writeable = False
    made = filled(matrix, (("SR", 2),), None, place="data")
    assert made.toarray().tolist() == [[1.0, 0.0]]
    assert (matrix.nnz, matrix.indptr.tolist()) == (3, [0, 3])


def test_parameter_that_moves_nothing_is_to_be_held_in_the_measurement(made: Analysis) -> None:
    spec = copy.deepcopy(made.spec)
    free = {"name": "k_new", "type": "normfactor", "data": None}
    for channel in spec["channels"]:
        empty = [0.0] * len(channel["samples"][0]["data"])
        channel["samples"].append({"name": "new", "data": empty, "modifiers": [free]})
    with pytest.raises(LikelihoodError, match='hold it, with "fixed": true for k_new in the param'):
        audit_workspace(spec)


def test_parameter_at_a_bound_has_no_error_and_a_reason() -> None:
    signal = {
        "name": "signal",
        "data": [9.0],
        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
    }
    spec = {
        "channels": [{"name": name, "samples": [signal]} for name in ("first", "second")],
        "observations": [{"name": name, "data": [0]} for name in ("first", "second")],
        "measurements": [{"name": "all", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
    found = audit_workspace(spec, np.zeros((0, 2), dtype=int), n_toys=0)
    assert "mu is held, or at a bound, at 0" in found.answer[0]
    assert "take as observations what is expected" in found.answer[0]


def test_every_process_has_events(made: Analysis) -> None:
    assert made.bins.keys() == PROCESSES.keys()
