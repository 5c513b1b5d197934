"""What reads an input of strangers, and how such an input is spoilt."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

import pullfactory as pf
from pullfactory.auditing import read_events
from pullfactory.calibration import Calibration
from pullfactory.events import open_computed, open_source, parse_expression
from pullfactory.files import check_file
from pullfactory.results.folders import check_folder
from pullfactory.sharing import read_mapped
from pullfactory.workspaces.reading import build_model
from tests.fuzz.corpus import EVENTS, PART, PICTURE
from tests.fuzz.expressions import make_expression
from tests.fuzz.mutators import (
    Mutator,
    hostile_name,
    mutate_bytes,
    mutate_json,
    mutate_toml,
)

__all__ = ["TARGETS", "Target"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A file that is spoilt, and what reads it.

    Attributes:
        name: What its cases are called.
        file: Where it is in the folder of valid inputs.
        mutate: Spoils its content.
        read: Reads and checks it, given the folder.
        often: How many cases of it there are where others have one.
    """

    name: str
    file: str
    mutate: Mutator
    read: Callable[[Path], object]
    often: int = 1


# --- readers ----------------------------------------------------------------------------------


def _study(file: str, folder: Path) -> None:
    study = pf.Study.from_toml(folder / file)
    assert pf.Study.from_toml_text(study.to_toml()) == study
    assert pf.Study.from_dict(study.to_dict()).sha256 == study.sha256


def _audit(file: str, folder: Path) -> None:
    config = pf.AuditConfig.from_toml(folder / file)
    assert pf.AuditConfig.from_dict(config.to_dict()) == config
    read_events(config, base=folder)


def _audited(_file: str, folder: Path) -> None:
    _audit("audit.toml", folder)


def _workspace(file: str, folder: Path) -> None:
    workspace = pf.read_workspace(folder / file)
    for name in workspace.measurement_names:
        build_model(workspace, measurement=name)


def _patch(file: str, folder: Path) -> None:
    patch = str(folder / file) + ("#shift" if file == "signals.json" else "")
    build_model(pf.read_workspace(folder / "small.json", patches=[patch]))


def _mapped(file: str, folder: Path) -> None:
    mapped = pf.EventMap.from_toml(folder / file)
    workspace = pf.read_workspace(folder / "two.json")
    likelihood = pf.BinnedLikelihood.from_pyhf(workspace)
    read_mapped(mapped, likelihood, workspace, base=folder)


def _cabinetry(file: str, folder: Path) -> None:
    pf.read_cabinetry(folder / file)


def _calibration(file: str, folder: Path) -> None:
    calibration = Calibration.read(folder / file)
    calibration.for_study(calibration.study)
    calibration.comparison()
    pf.build_workspace(calibration)
    assert Calibration.from_dict(calibration.to_dict()).sha256 == calibration.sha256


def _events(file: str, folder: Path) -> None:
    source = open_source(folder / file, place="events", chunk=25)
    names = source.names()
    for _ in source.chunks(names):
        pass
    mean = parse_expression("(x + y) / 2 > 80", place="selection")
    for chunk in source.chunks(mean.columns):
        mean(chunk)


def _expression(folder: Path) -> None:
    text = (folder / "expression.txt").read_bytes().decode("utf-8", "surrogateescape")
    columns = {
        "x": np.array([1.0, -1.0, 0.0, np.nan, np.inf, 1e308]),
        "y": np.array([0.0, 2.0, -0.0, 1.0, -np.inf, 1e-308]),
        "n": np.array([1, 2, 3, -4, 2**62, 0]),
        "flag": np.array([True, False, True, False, True, False]),
    }
    found = parse_expression(text, place="observable.x.expression")(columns)
    assert found.shape == (6,)
    assert found.dtype == (bool if found.dtype.kind == "b" else np.float64)


def _computed(folder: Path) -> None:
    text = (folder / "computed.txt").read_bytes().decode("utf-8", "surrogateescape")
    (source,) = open_computed([str(folder / "tree.root")], tree="events", place="events")
    for chunk in source.chunks([text, "x"]):
        assert chunk[text].shape == chunk["x"].shape
        assert chunk[text].dtype.kind in "biuf"


def _result(file: str, folder: Path) -> None:
    result = pf.read(folder / file)
    repr(result)


def _page(file: str, folder: Path) -> None:
    pf.write_report(folder / file)


def _standing(file: str, folder: Path) -> None:
    pf.standing(folder / file).to_dict()


def _settings(folder: Path) -> None:
    text = (folder / "setting.txt").read_bytes().decode("utf-8", "surrogateescape")
    settings = pf.Study.parse_settings([text])
    pf.Study.preset().with_settings(settings)
    pf.AuditConfig.from_toml(folder / "audit.toml").with_settings(settings)


_PATHS: tuple[Callable[[str], object], ...] = (
    pf.Study.from_toml,
    pf.AuditConfig.from_toml,
    pf.read_workspace,
    Calibration.read,
    partial(open_source, place="events"),
    lambda name: pf.read_workspace("small.json", patches=[name]),
    pf.read,
    pf.write_report,
    pf.standing,
    lambda name: pf.merge([name]),
    check_file,
    check_folder,
)
"""What takes a path; kept inputs know them by their number, so that new ones come last."""


def _path(folder: Path) -> None:
    text = (folder / "path.txt").read_bytes().decode("utf-8", "surrogateescape")
    number, _, name = text.partition(":")
    _PATHS[int(number)](name)


# --- inputs -----------------------------------------------------------------------------------


def _make_path(rng: Random, _given: bytes) -> bytes:
    text = (
        f"{rng.randrange(len(_PATHS))}:{hostile_name(rng)}{rng.choice(('', '', '.csv', '.root'))}"
    )
    return text.encode("utf-8", "surrogateescape" if "\ud800" not in text else "replace")


_KEYS = (
    *("name", "seed", "poi", "figures", "methods", "ensemble", "ensemble.rho", "toys.n_toys"),
    *("parameter", "parameter.m_t.truth_sigma", "parameter.m_t.bounds", "observable.m_t"),
    *("observable.m_W.label", "workspace.n_bins", "joint.n_bins", "replicas"),
    *("samples.nominal.files", "samples.JSF.up"),
)


def _make_setting(rng: Random, _given: bytes) -> bytes:
    key = rng.choice(_KEYS) if rng.random() < 0.8 else hostile_name(rng)
    tree = mutate_toml(rng, rng.choice((b"v = 1", b"v = [1, 2]", b'v = "a"', b"v = {a = 1}")))
    value = tree.partition(b" = ")[2].strip() if rng.random() < 0.7 else tree
    text = key.encode("utf-8", "replace") + b"=" + value
    return mutate_bytes(rng, text) if rng.random() < 0.2 else text


def _mutate_signed(rng: Random, data: bytes) -> bytes:
    """A calibration, spoilt; in most cases with the digest that its content then has."""
    spoilt = mutate_json(rng, data)
    try:
        content = json.loads(spoilt)
        if rng.random() < 0.1 or not isinstance(content, dict):
            return spoilt
    except (RecursionError, ValueError):
        return spoilt
    content.pop("sha256", None)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return json.dumps({**content, "sha256": digest}).encode()


# --- all of them ------------------------------------------------------------------------------


_OFTEN = 4  # for what takes a millisecond


def _of(mutate: Mutator, read: Callable[[str, Path], object], *files: str) -> list[Target]:
    return [
        Target(name=file.replace("/", "-"), file=file, mutate=mutate, read=partial(read, file))
        for file in files
    ]


def _within(
    mutate: Mutator, read: Callable[[str, Path], object], what: str, *files: str
) -> list[Target]:
    """Files in folders of results, which are read as a whole."""
    return [
        Target(
            name=f"{file.replace('/', '-')}-{what}",
            file=file,
            mutate=mutate,
            read=partial(read, file.partition("/")[0]),
        )
        for file in files
    ]


def _made(name: str, make: Mutator, read: Callable[[Path], object]) -> Target:
    return Target(name=name, file=f"{name}.txt", mutate=make, read=read, often=_OFTEN)


_SUMMARIES = ("study/summary.json", "toys/summary.json")
TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        *_of(mutate_toml, _study, "tiny.toml", "three.toml"),
        *_of(mutate_toml, _audit, "audit.toml", "whole.toml"),
        *_of(mutate_bytes, _audited, "nominal.parquet"),
        *_of(mutate_toml, _mapped, "events.toml"),
        *_of(mutate_bytes, _cabinetry, "config.yml"),
        *_of(mutate_json, _workspace, "small.json", "modifiers.json"),
        *_of(mutate_json, _patch, "double.json", "signals.json"),
        *_of(_mutate_signed, _calibration, "calibration.json", "joint_calibration.json"),
        *_of(mutate_bytes, _events, *EVENTS),
        *_within(mutate_json, _result, "read", *_SUMMARIES, "predicted/prediction.json"),
        *_within(mutate_json, _page, "report", *_SUMMARIES, "study/manifest.json"),
        *_within(mutate_toml, _result, "read", "study/study.toml"),
        *_within(mutate_json, _result, "read", "study/calibration.json"),
        *_within(mutate_json, _standing, "status", "toys/summary.json"),
        *_within(mutate_bytes, _page, "report", PICTURE),
        *_within(mutate_bytes, _result, "read", f"toys/{PART}"),
        _made("expression", make_expression, _expression),
        _made("computed", make_expression, _computed),
        _made("setting", _make_setting, _settings),
        _made("path", _make_path, _path),
    )
}
