"""Workspaces that pyhf would read as others: refused when read, in one line."""

import copy
import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pyhf
import pytest

from pullfactory import BinnedLikelihood, read_workspace
from pullfactory.errors import WorkspaceError

Spec = dict[str, Any]
SPEC: Spec = {
    "channels": [
        {
            "name": "SR",
            "samples": [
                {
                    "name": "sig",
                    "data": [10.0, 20.0],
                    "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
                },
                {
                    "name": "bkg",
                    "data": [50.0, 60.0],
                    "modifiers": [
                        {"name": "k", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
                        {"name": "lumi", "type": "lumi", "data": None},
                        {"name": "fakes", "type": "shapesys", "data": [5.0, 6.0]},
                        {"name": "stat", "type": "staterror", "data": [2.0, 3.0]},
                    ],
                },
            ],
        }
    ],
    "observations": [{"name": "SR", "data": [60.0, 80.0]}],
    "measurements": [
        {
            "name": "m",
            "config": {
                "poi": "mu",
                "parameters": [
                    {"name": "mu", "bounds": [[0, 10]], "inits": [1.0]},
                    {
                        "name": "lumi",
                        "auxdata": [1.0],
                        "sigmas": [0.02],
                        "bounds": [[0.5, 1.5]],
                        "inits": [1.0],
                    },
                ],
            },
        }
    ],
    "version": "1.0.0",
}
SR = "channels", 0
BKG = *SR, "samples", 1
CONFIG = "measurements", 0, "config", "parameters"
BACKGROUND = "channel 'SR', sample 'bkg', modifier"


def changed(path: tuple[Any, ...], value: Any, *, add: bool = False) -> Spec:
    spec = copy.deepcopy(SPEC)
    place: Any = spec
    for step in path[:-1]:
        place = place[step]
    if add:
        place[path[-1]].append(value)
    else:
        place[path[-1]] = value
    return spec


TWICE: dict[str, tuple[Spec, str]] = {
    "channel": (
        changed(("channels",), SPEC["channels"][0], add=True),
        "channel 'SR' is there twice; rename one, or leave it out",
    ),
    "sample": (
        changed((*SR, "samples"), SPEC["channels"][0]["samples"][0], add=True),
        "channel 'SR': sample 'sig' is there twice; rename one, or leave it out",
    ),
    "modifier": (
        changed(
            (*BKG, "modifiers"),
            {"name": "k", "type": "normsys", "data": {"hi": 2, "lo": 0.5}},
            add=True,
        ),
        f"{BACKGROUND} 'k' (normsys) is there twice; rename one, or leave it out",
    ),
    "observations": (
        changed(("observations",), {"name": "SR", "data": [1.0, 2.0]}, add=True),
        "observations of channel 'SR' is there twice; rename one, or leave it out",
    ),
    "measurement": (
        changed(("measurements",), SPEC["measurements"][0], add=True),
        "measurement 'm' is there twice; rename one, or leave it out",
    ),
}
LOGARITHM = "is no factor above 0, and factors are interpolated by their logarithms"
VALUES: dict[str, tuple[Spec, str]] = {
    "lo 0": (
        changed((*BKG, "modifiers", 0, "data", "lo"), 0.0),
        f"{BACKGROUND} 'k' (normsys): lo = 0 {LOGARITHM}",
    ),
    "hi negative": (
        changed((*BKG, "modifiers", 0, "data", "hi"), -1.1),
        f"{BACKGROUND} 'k' (normsys): hi = -1.1 {LOGARITHM}",
    ),
    "hi huge": (
        changed((*BKG, "modifiers", 0, "data", "hi"), 1e300),
        f"{BACKGROUND} 'k' (normsys): hi = 1e+300 changes rates of up to 60 beyond all counting",
    ),
    "lo tiny": (
        changed((*BKG, "modifiers", 0, "data", "lo"), 1e-300),
        f"{BACKGROUND} 'k' (normsys): lo = 1e-300 changes rates",
    ),
    "shapesys negative": (
        changed((*BKG, "modifiers", 2, "data", 1), -6.0),
        f"{BACKGROUND} 'fakes' (shapesys): its uncertainty in bin 1 is -6; give one of 0 or more",
    ),
    "staterror negative": (
        changed((*BKG, "modifiers", 3, "data", 0), -2.0),
        f"{BACKGROUND} 'stat' (staterror): its uncertainty in bin 0 is -2; give one of 0 or more",
    ),
    "shapesys huge": (
        changed((*BKG, "modifiers", 2, "data", 1), 1e300),
        f"{BACKGROUND} 'fakes' (shapesys): its uncertainty in bin 1 is 1e+300; give one of 0 or",
    ),
    "shapesys tiny": (
        changed((*BKG, "modifiers", 2, "data", 1), 1e-300),
        f"{BACKGROUND} 'fakes' (shapesys): its uncertainty in bin 1 is 1e-300 of a rate of",
    ),
    "staterror huge": (
        changed((*BKG, "modifiers", 3, "data", 0), 1e300),
        f"{BACKGROUND} 'stat' (staterror): its uncertainty in bin 0 is 1e+300; give one of 0 or",
    ),
    "sigma 0": (
        changed((*CONFIG, 1, "sigmas"), [0.0]),
        "measurement 'm', parameter 'lumi': sigma = 0 is no width of a constraint; give one",
    ),
    "sigma negative": (
        changed((*CONFIG, 1, "sigmas"), [-1.0]),
        "measurement 'm', parameter 'lumi': sigma = -1 is no width of a constraint",
    ),
    "three bounds": (
        changed((*CONFIG, 0, "bounds"), [[0, 10, 20]]),
        "measurement 'm', parameter 'mu': bounds [0, 10, 20] are no pair; give [low, high]",
    ),
    "one bound": (
        changed((*CONFIG, 0, "bounds"), [[0]]),
        "measurement 'm', parameter 'mu': bounds [0] are no pair; give [low, high]",
    ),
    "bound that no float holds": (
        changed((*CONFIG, 0, "bounds"), [[0, 10**400]]),
        "measurements[0].config.parameters[0].bounds[0][1] = 100000000000 is no finite number",
    ),
    "no number": (
        changed((*BKG, "data", 1), math.nan),
        "channels[0].samples[1].data[1] = nan is no finite number; give one",
    ),
    "infinite": (
        changed((*BKG, "modifiers", 3, "data", 0), math.inf),
        "channels[0].samples[1].modifiers[3].data[0] = inf is no finite number; give one",
    ),
}


@pytest.mark.parametrize(
    ("spec", "complaint"), {**TWICE, **VALUES}.values(), ids={**TWICE, **VALUES}.keys()
)
def test_refused_when_read(spec: Spec, complaint: str) -> None:
    """By the reader, and where a workspace of pyhf's comes without it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        with pytest.raises(WorkspaceError) as read:
            read_workspace(spec)
        with pytest.raises(WorkspaceError) as direct:
            BinnedLikelihood.from_pyhf(pyhf.Workspace(spec))
    assert str(read.value).startswith(f"workspace: {complaint}")
    assert str(read.value) == str(direct.value)
    assert "\n" not in str(read.value)


def test_what_pyhf_would_make_of_two_samples() -> None:
    """Why: the second replaces the first without a word, where their sum was meant."""
    spec = copy.deepcopy(TWICE["sample"][0])
    model = pyhf.Workspace(spec).model()
    assert model.expected_data([1.0] * model.config.npars)[0] != 70.0


def test_bare_models_too() -> None:
    model = pyhf.Model(
        {
            "channels": copy.deepcopy(TWICE["sample"][0]["channels"]),
            "parameters": SPEC["measurements"][0]["config"]["parameters"],
        },
        poi_name="mu",
    )
    with pytest.raises(WorkspaceError, match="model: channel 'SR': sample 'sig' is there twice"):
        BinnedLikelihood.from_pyhf(model)


def test_shapefactor_of_channels_with_other_bins() -> None:
    shape = {"name": "s", "type": "shapefactor", "data": None}
    spec = changed((*SR, "samples", 0, "modifiers"), shape, add=True)
    other = {
        "name": "CR",
        "samples": [{"name": "sig", "data": [1.0, 2.0, 3.0], "modifiers": [shape]}],
    }
    spec["channels"].append(other)
    spec["observations"].append({"name": "CR", "data": [1.0, 2.0, 3.0]})
    with pytest.raises(
        WorkspaceError, match="shapefactor 's' has 2 bins in channel 'SR' and 3 in channel 'CR'"
    ):
        read_workspace(spec)


def test_settings_of_a_parameter_that_is_not_there() -> None:
    spec = changed(CONFIG, {"name": "Mu", "inits": [2.0]}, add=True)
    with pytest.raises(
        WorkspaceError,
        match="measurement 'm' has settings for parameter 'Mu', which no modifier has; correct the",
    ):
        BinnedLikelihood.from_pyhf(read_workspace(spec))


@pytest.mark.parametrize(
    ("value", "rate"), [(-70.0, "-50"), (1e16, "1e\\+16")], ids=["negative", "beyond counting"]
)
def test_rates_where_fits_begin(value: float, rate: str) -> None:
    spec = changed((*BKG, "data", 1), value)
    del spec["channels"][0]["samples"][1]["modifiers"][0]
    del spec["channels"][0]["samples"][1]["modifiers"][1:]
    with pytest.raises(
        WorkspaceError,
        match=rf"channel 'SR', bin 1: expected rate {rate} where fits begin \(sample 'bkg' has",
    ):
        BinnedLikelihood.from_pyhf(read_workspace(spec))


def test_a_sample_may_be_negative_where_the_rate_is_not() -> None:
    spec = changed((*SR, "samples", 0, "data"), [-10.0, 20.0])
    assert BinnedLikelihood.from_pyhf(read_workspace(spec)).n_main == 2


def test_uncertainties_of_0_hold_their_parameters() -> None:
    spec = changed((*BKG, "modifiers", 2, "data"), [0.0, 6.0])
    found = BinnedLikelihood.from_pyhf(read_workspace(spec))
    assert found.held[found.names.index("fakes[0]")]


# --- files ---------------------------------------------------------------------------------------


def refused(
    invoke: Callable[..., CompletedProcess[str]], folder: Path, text: str, *options: str
) -> str:
    (folder / "w.json").write_text(text)
    outcome = invoke("toys", folder / "w.json", "-o", folder / "out", *options)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr.count("\n") == 1
    assert not (folder / "out").exists()
    return outcome.stderr


def test_repeated_keys(invoke: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    text = json.dumps(SPEC).replace(
        '"data": [10.0, 20.0]', '"data": [10.0, 20.0], "data": [1.0, 2.0]'
    )
    assert "key 'data' is there twice in one object; leave one out" in refused(
        invoke, tmp_path, text
    )


def test_whole_numbers_of_many_digits(
    invoke: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    for digits in (400, 5000):
        text = json.dumps(SPEC).replace("[[0, 10]]", f"[[0, 1{'0' * digits}]]")
        assert f"100000000000... has {digits + 1} digits" in refused(invoke, tmp_path, text)


def test_after_the_patch(invoke: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    patch = tmp_path / "p.json"
    patch.write_text(
        json.dumps(
            [{"op": "replace", "path": "/channels/0/samples/1/modifiers/0/data/lo", "value": 0}]
        )
    )
    said = refused(invoke, tmp_path, json.dumps(SPEC), "--patch", str(patch))
    assert f"with patch '{patch}': {BACKGROUND} 'k' (normsys): lo = 0 {LOGARITHM}" in said
    patch.write_text('[{"op": "test", "op": "remove", "path": "/version"}]')
    assert "key 'op' is there twice" in refused(
        invoke, tmp_path, json.dumps(SPEC), "--patch", str(patch)
    )


def test_negative_observations(
    invoke: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    spec = copy.deepcopy(SPEC)
    spec["observations"][0]["data"][0] = -6
    assert "bin 0: -6 observed events; no count is below 0" in refused(
        invoke, tmp_path, json.dumps(spec)
    )
