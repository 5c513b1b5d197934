"""Expressions of uproot: what they give is what plain uproot gives, or they are refused."""

import warnings
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from pullfactory.errors import EventsError
from pullfactory.events import open_computed

ROWS = 50


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with numbers of several kinds, three jets an event, and a vector."""
    path = tmp_path_factory.mktemp("computed") / "events.root"
    rng = np.random.default_rng(5)
    columns: dict[str, np.ndarray[Any, Any]] = {
        "pt": rng.exponential(40.0, ROWS).astype(np.float32),
        "y": rng.normal(size=ROWS),
        "n": rng.integers(-3, 4, ROWS).astype(np.int32),
        "k": rng.integers(1, 5, ROWS),
        "tag": rng.random(ROWS) < 0.5,
        "vector": rng.normal(size=(ROWS, 3)),
        "sqrt": rng.normal(size=ROWS),
    }
    kinds = {name: (v.dtype, v.shape[1:]) if v.ndim > 1 else v.dtype for name, v in columns.items()}
    jets = ak.unflatten(rng.exponential(40.0, 3 * ROWS).astype(np.float32), [3] * ROWS)
    with uproot.recreate(path) as out:
        out.mktree("tree", {**kinds, "jet_pt": "var * float32"})
        out["tree"].extend({**columns, "jet_pt": jets})
        out["ntuple"] = {"pt": columns["pt"]}
    return path


EQUAL = (
    "pt",
    "0.7 * pt",  # in single precision
    "pt + y",
    "abs(y)",
    "sqrt(y)",  # NaN of half of them, and a branch of that name
    "sqrt",
    "exp(-pt / 100) * log(pt) + log10(k) - log1p(k)",
    "n / k",
    "n // k",
    "n % k",
    "-n ** 2",
    "2 ** k",
    "1 << k",
    "(n ^ k) | 1",
    "(pt > 30) & (y < 1)",
    "(pt > 30) | ~(y < 1)",
    "~tag & (n != 0)",
    "~n",
    "(pt > 30) * tag * 0.5",
    "n & 1 == 1",  # of n & (1 == 1)
    "where(tag, pt, y)",
    "fmax(pt, y) + hypot(pt, y) + atan2(y, pt) + erf(y)",
    "jet_pt[:, 0]",
    "jet_pt[..., -1]",
    "jet_pt[jet_pt > 0][:, 1] > 30",
    "vector[:, 1:][:, 0]",
    "get('pt') * 2",
    "1e400 * y",
    "isnan(sqrt(y))",
)


@pytest.mark.parametrize("text", EQUAL)
def test_numbers_are_those_of_uproot(text: str, file: Path) -> None:
    quiet = warnings.catch_warnings(action="ignore")  # of sqrt, which is a branch too
    with quiet, np.errstate(all="ignore"), uproot.open(file) as directory:
        plain = directory["tree"].arrays([text, "k"], library="ak")[text].to_numpy()
    (source,) = open_computed([str(file)], tree="tree", place="data")
    (chunk,) = source.chunks([text, "k"])
    assert chunk[text].dtype == plain.dtype
    assert chunk[text].tobytes() == plain.tobytes()


REFUSED = {
    "-1 < y < 1": "two comparisons in one",
    "pt > 30 & y < 1": "two comparisons in one",
    "tag | pt > 30": "bitwise_or",
    "pt > 30 and y < 1": "no meaning for whole columns",
    "not tag": "no meaning for whole columns",
    "pt if tag else y": "no meaning for whole columns",
    "pt && y": "write &, |, ~",
    "pt & y": "bitwise_and",
    "pt ^ 2": "bitwise_xor",
    "n ** -1": "negative integer powers",
    "jet": "'jet' is no branch .* 'jet_pt'",
    "max(pt, y)": "'max' is no branch and no function",
    "get('jet')": "is not allowed",
    "np.sqrt(y)": r"write sqrt\(x\)",
    "jet_pt": r"choose one, as in x\[:, 0\]",
    "jet_pt[:, 3]": "index out of range",
    "vector": "not one number per event",
    "pt[0]": "takes some of the events",
    "pt[::-1]": "takes some of the events",
    "pt[tag]": "numbers for 50 events",
    "1.5": "the same for all events",
    "": "is empty",
    " pt": "indent",
    # that would do more than compute
    "().__class__.__base__": "an attribute",
    "(pt + 0).mean()": "is not allowed",
    "__import__('os')": "is not allowed",
    "lambda: 0": "a lambda",
    "sqrt(y, out=pt)": "by position",
    "where(*jet_pt)": "a star",
    "[k for k in pt]": "is not allowed",
    "9 ** 9 ** 9": "may be too large",
    "(9 ** 99) ** 99 * y": "may be too large",
    "1 << 9999 * k * 0 + (1 << 99999)": "may be too large",
    "'pt' * 9": "is not allowed",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_uproot_refuses_is_refused(text: str, file: Path) -> None:
    (source,) = open_computed([str(file)], tree="tree", place="data")
    with pytest.raises(EventsError, match=REFUSED[text]) as refused:
        list(source.chunks(["k", text]))
    assert "\n" not in str(refused.value)
    assert "events.root" in str(refused.value)


def test_only_trees_are_evaluated(file: Path, tmp_path: Path) -> None:
    (source,) = open_computed([str(file)], tree="ntuple", place="data")
    with pytest.raises(EventsError, match="is an RNTuple"):
        list(source.chunks(["pt"]))
    (tmp_path / "events.csv").write_text("pt\n1\n")
    with pytest.raises(EventsError, match=r"no ROOT file, .* leave language out"):
        open_computed([str(tmp_path / "events.csv")], place="data")


class _Aliased:
    """A tree of uproot with names for expressions, as ROOT stores them."""

    def __init__(self, tree: Any, aliases: dict[str, str]) -> None:
        self._tree = tree
        self.aliases = aliases

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tree, name)

    def __getitem__(self, name: str) -> Any:
        return self._tree[name]


def test_names_in_a_file_are_computed_and_never_run(file: Path) -> None:
    from pullfactory.events._computed import computed
    from pullfactory.events._ttree import TTreeReader

    with uproot.open(file) as directory:
        tree = _Aliased(directory["tree"], {"twice": "2 * y", "bad": "().__class__"})
        reader = TTreeReader(tree=tree, place="tree", chunk=20)
        parts = [chunk["twice + 1"] for chunk in computed(reader, ("twice + 1",))]
        y = tree["y"].array(library="np")
        with pytest.raises(EventsError, match="'bad' is no branch"):
            list(computed(reader, ("bad",)))
    assert np.array_equal(np.concatenate(parts), 2 * y + 1)
