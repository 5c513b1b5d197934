"""Workspaces of other people: read, patched, checked, turned into models."""

import json
import math
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonpatch
import numpy as np

from pullfactory.errors import WorkspaceError
from pullfactory.files import read_given, read_stream
from pullfactory.workspaces._pyhf import PYHF_LOCK, pyhf
from pullfactory.workspaces.checking import MOST_EVENTS, refuse_bad

_CODES = {"normsys": ("code1", "code4"), "histosys": ("code0", "code2", "code4p")}
_DEFAULT_CODES = {"normsys": "code4", "histosys": "code4p"}
_PYHF_ERRORS: tuple[type[Exception], ...] = (
    *(
        error
        for error in vars(pyhf.exceptions).values()
        if isinstance(error, type) and issubclass(error, Exception)
    ),
    jsonpatch.JsonPointerException,  # of a path in a patch set
)
_STDIN = "-"
_DIGITS = 300  # that a float holds
_SHOWN = 160  # letters of what others say
_NAMED = 5  # patches of a set


def read_workspace(
    source: str | Path | Mapping[str, Any], *, patches: Iterable[str | Path] = ()
) -> pyhf.Workspace:
    """Read a pyhf workspace.

    Args:
        source: A JSON file, "-" for standard input, or the content of one.
        patches: JSON patches to apply in this order: files, or FILE#NAME for one patch of a
            patch set.

    Raises:
        WorkspaceError: If a file cannot be read, is no workspace, or a patch does not apply.
    """
    if isinstance(source, str | Path):
        place = _place("workspace", source)
        spec = _read_json(source, place)
    else:
        place, spec = "workspace", source
    spec = _checked(spec, place)
    for patch in map(str, patches):
        place = f"{place} with patch '{patch}'"
        spec = _checked(_apply(spec, patch), place)
    with PYHF_LOCK:
        made: pyhf.Workspace = _made(pyhf.Workspace, spec, place)
    refuse_bad(spec, place)
    return made


def build_model(
    workspace: pyhf.Workspace,
    *,
    measurement: str | None = None,
    modifier_settings: Mapping[str, str] | None = None,
) -> pyhf.Model:
    """Build the model of one measurement.

    Args:
        workspace: A pyhf workspace.
        measurement: Name of the measurement; None for the first.
        modifier_settings: Interpolation code of "normsys" and "histosys"; pyhf's defaults
            otherwise.

    Raises:
        WorkspaceError: If the measurement or a code is unknown, a code has no effect, pyhf refuses
            the model, a parameter begins outside its bounds, or observations are missing.
    """
    refuse_bad(workspace, "workspace")
    known = workspace.measurement_names
    name = known[0] if measurement is None else measurement
    if name not in known:
        raise WorkspaceError(
            f"measurement {name!r} is not in the workspace; known: {', '.join(known)}"
        )
    codes = {**_DEFAULT_CODES, **(modifier_settings or {})}
    for modifier, code in codes.items():
        if code not in _CODES.get(modifier, ()):
            allowed = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in _CODES.items())
            raise WorkspaceError(f"modifier setting {modifier}={code} is unknown; {allowed}")
    _refuse_idle_codes(workspace, modifier_settings or {})
    with PYHF_LOCK:
        model = _modelled(workspace, name, codes)
        _check_settings(workspace, model, name)
        _check_parameters(model, name)
        _check_observations(workspace, model)
        refuse_rates(model)
    return model


def refuse_rates(model: pyhf.Model) -> None:
    """Refuse a model whose rates are impossible where fits begin.

    Args:
        model: Any pyhf model; held are the lock of pyhf's calls and its backend.

    Raises:
        WorkspaceError: If a rate is negative, not finite or beyond counting.
    """
    config, lib = model.config, pyhf.tensorlib
    with np.errstate(all="ignore"):
        expected = model.expected_data(lib.astensor(config.suggested_init()), include_auxdata=False)
    rates = np.array(lib.tolist(expected), dtype=np.float64).reshape(-1)
    for name in config.channels:
        for position, rate in enumerate(rates[config.channel_slices[name]]):
            if 0 <= rate <= MOST_EVENTS:
                continue
            worst = _worst_sample(model, name, position)
            raise WorkspaceError(
                f"channel {name!r}, bin {position}: expected rate {rate:.3g} where fits begin "
                f"(sample {worst[0]!r} has {worst[1]:g} there); rates from 0 to {MOST_EVENTS:g} "
                "can be fitted: mend the sample, or the initial values of its parameters"
            )


def _worst_sample(model: pyhf.Model, channel: str, position: int) -> tuple[str, float]:
    """The sample that pulls a rate down, or else makes it large."""
    (samples,) = (c["samples"] for c in model.spec["channels"] if c["name"] == channel)
    found = {sample["name"]: float(sample["data"][position]) for sample in samples}
    lowest = min(found, key=lambda name: found[name])
    name = lowest if found[lowest] < 0 else max(found, key=lambda name: found[name])
    return name, found[name]


def _modelled(workspace: pyhf.Workspace, name: str, codes: Mapping[str, str]) -> pyhf.Model:
    try:
        return workspace.model(
            measurement_name=name,
            validate=False,  # it was, with all else in the workspace
            modifier_settings={kind: {"interpcode": code} for kind, code in codes.items()},
        )
    except _PYHF_ERRORS as error:
        raise WorkspaceError(
            f"pyhf refuses the model of measurement {name!r}: {_one_line(error)}"
        ) from None
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise WorkspaceError(
            f"pyhf cannot build the model of measurement {name!r} "
            f"({type(error).__name__}: {_one_line(error)}); does it give each lumi parameter its "
            "inits, bounds, auxdata and sigmas?"
        ) from None


def _refuse_idle_codes(workspace: pyhf.Workspace, codes: Mapping[str, str]) -> None:
    """Refuse codes of what the workspace does not have; one of several may be for others."""
    kinds = {
        modifier["type"]
        for channel in workspace["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
    }
    if codes and not kinds & codes.keys():
        kind, code = next(iter(codes.items()))
        raise WorkspaceError(
            f"modifier setting {kind}={code} has no effect: no modifier is a {kind}; leave it out"
        )


def _check_settings(workspace: pyhf.Workspace, model: pyhf.Model, measurement: str) -> None:
    """Refuse settings of parameters that the model does not have, or more than it has."""
    (config,) = (m["config"] for m in workspace["measurements"] if m["name"] == measurement)
    for entry in config["parameters"]:
        if entry["name"] not in model.config.par_map:
            known = ", ".join(model.config.par_order[:_NAMED])
            more = ", ..." if len(model.config.par_order) > _NAMED else ""
            raise WorkspaceError(
                f"measurement {measurement!r} has settings for parameter {entry['name']!r}, which "
                f"no modifier has; correct the name, or leave them out (known: {known}{more})"
            )
        values = model.config.par_slice(entry["name"])
        wanted = values.stop - values.start
        for key in ("inits", "bounds"):
            if key in entry and len(entry[key]) != wanted:
                raise WorkspaceError(
                    f"measurement {measurement!r} gives {len(entry[key])} {key} to parameter "
                    f"{entry['name']!r}, which has {wanted} values; give one for each"
                )


def _checked(spec: Any, place: str) -> dict[str, Any]:
    """Refuse what is no table of keys and values: pyhf would stumble over it."""
    if not isinstance(spec, Mapping):
        raise WorkspaceError(
            f"{place} is {_shortened(repr(spec))}, not an object with channels, observations, "
            "measurements and version; give a pyhf workspace"
        )
    return dict(spec)


def _made(kind: type, spec: dict[str, Any], place: str) -> Any:
    """A workspace or a patch set of pyhf."""
    try:
        return kind(spec)
    except pyhf.exceptions.InvalidSpecification as error:
        where = f"{error.path}: " if error.path else ""
        raise WorkspaceError(
            f"{place} is not valid: {where}{_one_line(error).rstrip('.')}; "
            "mend it as pyhf's schema asks"
        ) from None
    except (pyhf.exceptions.SchemaNotFound, TypeError):
        raise WorkspaceError(
            f"{place} has version {spec.get('version')!r}, which pyhf {pyhf.__version__} does not "
            f"read; it reads {pyhf.schema.version!r}"
        ) from None
    except _PYHF_ERRORS as error:
        raise WorkspaceError(f"{place} is refused by pyhf: {_one_line(error)}") from None


def _check_parameters(model: pyhf.Model, measurement: str) -> None:
    config = model.config
    for name, init, (low, high), fixed in zip(
        config.par_names,
        config.suggested_init(),
        config.suggested_bounds(),
        config.suggested_fixed(),
        strict=True,
    ):
        if low > high or not (fixed or low <= init <= high):
            raise WorkspaceError(
                f"parameter {name!r} begins at {init:g}, outside its bounds [{low:g}, {high:g}]; "
                f"change its inits or bounds in measurement {measurement!r}"
            )


def _check_observations(workspace: pyhf.Workspace, model: pyhf.Model) -> None:
    for channel, bins in model.config.channel_nbins.items():
        counts = workspace.observations.get(channel)
        if counts is None or len(counts) != bins:
            found = "none" if counts is None else len(counts)
            raise WorkspaceError(
                f"channel {channel!r} has {bins} bins, but observations for {found}; "
                "give one number for each bin"
            )
        if min(counts) < 0:
            raise WorkspaceError(
                f"channel {channel!r}, bin {counts.index(min(counts))}: {min(counts):g} observed "
                "events; no count is below 0, mend the observation"
            )


def _apply(spec: dict[str, Any], patch: str) -> Any:
    path, _, name = patch.partition("#")
    place = _place("patch", path)
    content = _read_json(path, place)
    if isinstance(content, dict):
        content = _choose(content, path, name, spec)
    elif name:
        raise WorkspaceError(f"{place} is no patch set; leave out '#{name}'")
    if not isinstance(content, list):
        raise WorkspaceError(
            f"{place} is no JSON patch ({_shortened(repr(content))}); give a list of operations, "
            "each with op, path and mostly value"
        )
    try:
        return jsonpatch.apply_patch(spec, content)
    except jsonpatch.InvalidJsonPatch as error:
        raise WorkspaceError(
            f"patch '{patch}' is no JSON patch ({_one_line(error)}); give a list of operations, "
            "each with op, path and mostly value"
        ) from None
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError) as error:
        raise WorkspaceError(
            f"patch '{patch}' does not apply to the workspace ({_one_line(error)}); "
            "is it made for this one?"
        ) from None


def _choose(content: dict[str, Any], path: str, name: str, spec: dict[str, Any]) -> Any:
    """The operations of one patch of a set, if the set is made for this workspace."""
    with PYHF_LOCK:
        return _chosen(_made(pyhf.PatchSet, content, f"patch set '{path}'"), path, name, spec)


def _chosen(patch_set: pyhf.PatchSet, path: str, name: str, spec: dict[str, Any]) -> Any:
    names = [patch.name for patch in patch_set]
    if name not in names:
        what = f"has no patch {name!r}" if name else "is a patch set"
        few = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        raise WorkspaceError(
            f"'{path}' {what}; choose one of its {len(names)} as {path}#NAME, from {few}"
        )
    try:
        patch_set.verify(spec)
    except (pyhf.exceptions.PatchSetVerificationError, ValueError):
        raise WorkspaceError(
            f"patch set '{path}' is made for another workspace: the digests differ; patch that "
            "one, or take the patch out with 'pyhf patchset extract'"
        ) from None
    return patch_set[name].patch


def _place(what: str, path: str | Path) -> str:
    return f"{what} on standard input" if str(path) == _STDIN else f"{what} '{path}'"


def _read_json(path: str | Path, place: str) -> Any:
    try:
        data = read_stream(sys.stdin.buffer) if str(path) == _STDIN else read_given(path)
        if data.lstrip().startswith(b"<"):
            raise WorkspaceError("it is XML; make a workspace of it with 'pyhf xml2json'")
        return json.loads(
            data,
            parse_float=_finite,
            parse_int=_whole,
            parse_constant=_finite,
            object_pairs_hook=_once,
        )
    except OSError as error:
        raise WorkspaceError(
            f"{place} cannot be read ({error.strerror}); give a JSON file, or - for standard input"
        ) from None
    except WorkspaceError as error:
        raise WorkspaceError(f"{place}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise WorkspaceError(f"{place} is no JSON ({_one_line(error)}); give a JSON file") from None


def _finite(text: str) -> float:
    """Python reads NaN and Infinity; JSON has neither."""
    value = float(text)
    if not math.isfinite(value):
        raise WorkspaceError(f"{text[:_SHOWN]} is no finite number, as JSON has; give one")
    return value


def _whole(text: str) -> int:
    """Python reads whole numbers of any length; a float holds only some."""
    if len(text) > _DIGITS:
        raise WorkspaceError(f"{text[:12]}... has {len(text)} digits, too many; round it")
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Python takes the last of two equal keys."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise WorkspaceError(f"key {twice!r} is there twice in one object; leave one out")
    return found


def _one_line(error: Exception) -> str:
    """The first line of what others say."""
    lines = (line for line in str(error).splitlines() if line.strip())
    return _shortened(next(lines, type(error).__name__))


def _shortened(text: str) -> str:
    half = _SHOWN // 2
    return text if len(text) <= _SHOWN else f"{text[:half]} ... {text[-half:]}"
