"""The schema of summary.json: what is written fits it, and what is not so does not."""

import copy
import json
from dataclasses import fields
from importlib.resources import files
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
    run,
    run_toys,
)
from pullfactory.inference.calibration_noise import CalibrationNoise
from pullfactory.inference.closing import ClosureVerdict
from pullfactory.inference.remarks import Remark
from pullfactory.inference.shapes import PullShape

SCHEMAS = files("pullfactory") / "results" / "schemas"
SCHEMA = json.loads((SCHEMAS / "summary.schema.json").read_text())
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


def test_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


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
        ("pull", ["method", "rho", *(field.name for field in fields(PullSummary))]),
        ("remark", [field.name for field in fields(Remark)]),
        ("shape", ["method", "rho", *(field.name for field in fields(PullShape))]),
        ("noise", [field.name for field in fields(CalibrationNoise)]),
        ("verdict", [*(field.name for field in fields(ClosureVerdict)), "reason"]),
        ("status", [status.label for status in FitStatus]),
    ],
)
def test_rows_have_all_keys(part: str, names: list[str]) -> None:
    assert list(SCHEMA["$defs"][part]["properties"]) == names
    assert SCHEMA["$defs"][part]["required"] == names


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
        ("schema", "pullfactory-summary/2"),
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
        ("pulls.0.surprise", 1.0),
        ("pulls.0.claimed_error", ...),
        ("status.binned.lost", 3),
        ("status.binned.at_bound", ...),
        ("surprise", {}),
    ],
)
def test_wrong_study_does_not_fit(of_a_study: Summary, path: str, value: Any) -> None:
    assert not VALIDATOR.is_valid(changed(of_a_study, path, value))


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
        ("calibration", []),
        ("pulls", ...),
    ],
)
def test_wrong_toys_do_not_fit(of_toys: Summary, path: str, value: Any) -> None:
    assert not VALIDATOR.is_valid(changed(of_toys, path, value))
