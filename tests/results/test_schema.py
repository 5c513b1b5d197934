"""Schemas of the files of numbers: what is written fits them, and what is not so does not."""

import copy
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pyhf
import pytest

from pullfactory import (
    BinnedLikelihood,
    FitStatus,
    PullSummary,
    Study,
    StudyResult,
    ToysResult,
    json_schema,
    run,
    run_toys,
)
from pullfactory.errors import OutputError
from pullfactory.inference.calibration_noise import CalibrationNoise
from pullfactory.inference.closing import ClosureVerdict
from pullfactory.inference.remarks import Remark
from pullfactory.inference.shapes import PullShape

KINDS = (
    *("summary", "audit", "prediction", "selection", "bootstrap", "closure", "scan"),
    "workspace_audit",
)
CASES = Path(__file__).parents[1] / "cases"
SCHEMA = json_schema("summary")
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

Summary = dict[str, Any]


def written(result: StudyResult | ToysResult) -> Summary:
    """The summary as it is read from its file."""
    content: Summary = json.loads(json.dumps(result.summary(), allow_nan=False))
    return content


@pytest.fixture(scope="module")
def of_a_study(tiny_study: Study) -> Summary:
    """With a simulated calibration, whose noise has rows of its own."""
    simulated = {"calibration.source": "simulated", "calibration.events_per_point": 20_000}
    study = tiny_study.with_settings(simulated)
    return written(run(study))


@pytest.fixture(scope="module")
def of_toys() -> Summary:
    model = pyhf.simplemodels.uncorrelated_background([9.0], [50.0], [5.0])
    return written(run_toys(BinnedLikelihood.from_pyhf(model), 4, seed=0))


@pytest.mark.parametrize("kind", KINDS)
def test_schema_is_one(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(kind))


def test_unknown_schema_is_refused() -> None:
    with pytest.raises(OutputError, match="no schema of 'toys'; there are those of summary, "):
        json_schema("toys")


WRITTEN = [
    path
    for kind in KINDS
    for path in sorted(CASES.glob(f"*/expected/files/**/{kind}.json"))
    if "schema" in json.loads(path.read_text(encoding="utf-8"))  # one case damages it
]


def test_every_kind_is_written_by_a_case() -> None:
    assert {path.stem for path in WRITTEN} == set(KINDS)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.relative_to(CASES).as_posix())
def test_what_commands_write_fits(path: Path) -> None:
    """Cases leave out what changes with the version."""
    content = json.loads(path.read_text(encoding="utf-8"))
    digests = dict.fromkeys(("study_sha256", "config_sha256"), "0" * 64)
    content["provenance"] = {"seed": 0, "versions": {"pullfactory": "1"}, **digests}
    jsonschema.Draft202012Validator(json_schema(path.stem)).validate(content)


def test_study_fits(of_a_study: Summary) -> None:
    VALIDATOR.validate(of_a_study)
    assert of_a_study["calibration_noise"]


def test_unbinned_study_fits(tiny_study: Study) -> None:
    study = tiny_study.with_settings({"methods": ["unbinned"]})
    VALIDATOR.validate(written(run(study)))


def test_toys_fit(of_toys: Summary) -> None:
    VALIDATOR.validate(of_toys)


def test_too_few_toys_fit() -> None:
    """With one toy most numbers cannot be had."""
    model = pyhf.simplemodels.uncorrelated_background([9.0], [50.0], [5.0])
    VALIDATOR.validate(written(run_toys(BinnedLikelihood.from_pyhf(model), 1, seed=0)))


@pytest.mark.parametrize(
    ("part", "names"),
    [
        (
            "PullRow",
            ["method", "rho", *(field.name for field in fields(PullSummary)), "optimal_error"],
        ),
        ("Remark", [field.name for field in fields(Remark)]),
        ("ShapeRow", ["method", "rho", *(field.name for field in fields(PullShape))]),
        ("CalibrationNoise", [field.name for field in fields(CalibrationNoise)]),
        ("VerdictRow", [*(field.name for field in fields(ClosureVerdict)), "reason"]),
        ("Status", [status.label for status in FitStatus]),
    ],
)
def test_rows_have_all_keys(part: str, names: list[str]) -> None:
    assert list(SCHEMA["$defs"][part]["properties"]) == names
    required = [name for name in names if name != "optimal_error"]  # earlier files lack it
    assert SCHEMA["$defs"][part]["required"] == required


@pytest.mark.parametrize("kind", KINDS)
def test_keys_are_described(kind: str) -> None:
    """Those of the file and of its rows of numbers."""
    schema = json_schema(kind)
    rows = [one for name, one in schema["$defs"].items() if name.endswith(("Row", "File"))]
    said = {key: one for part in [schema, *rows] for key, one in part.get("properties", {}).items()}
    assert [key for key, one in said.items() if not one.get("description")] == []


def changed(summary: Summary, path: str, value: Any) -> Summary:
    """A copy with another value at a place such as `pulls.0.width`; `...` drops the key."""
    *outer, last = path.split(".")
    whole = copy.deepcopy(summary)
    place: Any = whole
    for key in outer:
        place = place[int(key) if key.isdigit() else key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return whole


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", ...),
        ("schema", "pullfactory-summary/3"),
        ("study", None),  # then it is not a summary of toys either
        ("study.observable", ...),
        ("provenance.study_sha256", ...),
        ("provenance.study_sha256", "short"),
        ("closure", ...),
        ("closure.0.closes", "yes"),
        ("pulls.0.width", -1.0),
        ("pulls.0.coverage_68", 1.5),
        ("pulls.0.mean", "nan"),
        ("pulls.0.rho", 2.0),
        ("pulls.0.n_toys", 1.5),
        ("pulls.0.claimed_error", ...),
        ("status.binned.at_bound", ...),
    ],
)
def test_wrong_study_does_not_fit(of_a_study: Summary, path: str, value: Any) -> None:
    assert not VALIDATOR.is_valid(changed(of_a_study, path, value))


@pytest.mark.parametrize("path", ["surprise", "pulls.0.surprise", "status.binned.surprise"])
def test_keys_may_be_added(of_a_study: Summary, path: str) -> None:
    VALIDATOR.validate(changed(of_a_study, path, 1))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("study", ...),
        ("study", {}),
        ("ensemble", "bayesian"),
        ("truth", ...),
        ("truth.mu", None),
        ("correlation.fitted", ...),
        ("correlation.over_toys", [[1.0, "x"]]),
        ("pulls", ...),
    ],
)
def test_wrong_toys_do_not_fit(of_toys: Summary, path: str, value: Any) -> None:
    assert not VALIDATOR.is_valid(changed(of_toys, path, value))
