"""Configurations of cabinetry: which events they put into which bins.

Read is the YAML file alone (https://cabinetry.readthedocs.io/en/latest/config.html): a filter of a
sample stands for that of the region, a bin has its lower edge, and what is beyond is dropped.
Expressions are those of uproot.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pullfactory.errors import StudyError
from pullfactory.files import read_given
from pullfactory.settings.mapping import EventMap


def read_cabinetry(path: str | Path) -> EventMap:
    """Read which events are in which bins.

    Args:
        path: A YAML file. Its input files are relative to the current folder, as for cabinetry.

    Raises:
        StudyError: If it cannot be read, is no such file, or makes its histograms otherwise than of
            events.
    """
    place = f"cabinetry file '{path}'"
    content = _loaded(path, place)
    if not isinstance(content, Mapping):
        raise StudyError(f"{place} has no sections; give a configuration of cabinetry")
    try:
        return _mapped(content, place)
    except (AttributeError, KeyError, TypeError) as error:
        raise StudyError(
            f"{place} is no configuration of cabinetry ({type(error).__name__}: {error}); it has "
            "General with InputPath, Regions with Variable and Binning, and Samples with Tree"
        ) from None


def _loaded(path: str | Path, place: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise StudyError(f"{place}: needs yaml ({error}); run pip install pyyaml") from None
    try:
        return yaml.safe_load(read_given(path))
    except OSError as error:
        raise StudyError(f"{place} cannot be read ({error.strerror}); give a YAML file") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise StudyError(f"{place} is no YAML: {said}; mend it") from None


def _mapped(content: Any, place: str) -> EventMap:
    general, regions = content["General"], content["Regions"]
    _refuse_histograms(content, place)
    channels: dict[str, Any] = {
        region["Name"]: {
            "observable": region["Variable"],
            "edges": [_edge(edge) for edge in region["Binning"]],
            "selection": region.get("Filter") or "",
        }
        for region in regions
    }
    simulated: dict[str, Any] = {}
    for sample in content["Samples"]:
        own = [r for r in regions if r["Name"] in _listed(sample.get("Regions", r["Name"]))]
        for region in own:
            files = _files(general["InputPath"], region, sample)
            if sample.get("Data"):
                channels[region["Name"]]["data"] = files
            else:
                channels[region["Name"]].setdefault("files", {})[sample["Name"]] = files
        if not sample.get("Data"):
            simulated[sample["Name"]] = {
                "weight": str(sample.get("Weight") or ""),
                "selection": sample.get("Filter") or "",
                "own_selection": bool(sample.get("Filter")),
            }
        elif sample.get("Filter"):
            raise StudyError(
                f"{place}: the data have a filter of their own; write it into the regions"
            )
        elif sample.get("Weight"):
            raise StudyError(
                f"{place}: the data have a weight, {sample['Weight']!r}, but their events count "
                "once; leave it out, here and in the workspace"
            )
    mapped = {"simulated": simulated, "channel": channels, "language": "uproot"}
    return EventMap.from_dict(mapped, place=place)


def _edge(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        raise TypeError(f"the edge {value!r} in Binning is no number") from None


def _refuse_histograms(content: Mapping[str, Any], place: str) -> None:
    """Refuse what is made of histograms, of which events are not known."""
    for sample in content["Samples"]:
        if "Tree" not in sample or ":" in content["General"]["InputPath"]:
            raise StudyError(
                f"{place}: sample {sample['Name']!r} is read from histograms, which do not say "
                "which events are in them; give a TOML file of events"
            )


def _files(pattern: str, region: Mapping[str, Any], sample: Mapping[str, Any]) -> list[str]:
    path = pattern.replace("{RegionPath}", region.get("RegionPath", ""))
    names = _listed(sample.get("SamplePath", ""))
    paths = dict.fromkeys(path.replace("{SamplePath}", name) for name in names)
    return [f"{one}:{sample['Tree']}" for one in paths]


def _listed(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
