"""What several files of numbers have: the study, where numbers come from, how fits ended."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from pullfactory.described import Count, Flat, Later, Part, Rho
from pullfactory.inference.closing import ClosureVerdict
from pullfactory.inference.shapes import PullShape
from pullfactory.settings.fields import FileName, Name

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Matrix = list[list[float | None]]


@dataclass
class Versions:
    """Version of each package that the numbers depend on."""

    pullfactory: str


@dataclass
class Provenance:
    """Where numbers come from.

    Attributes:
        seed: Seed of all random numbers.
        versions: Version of each package that the numbers depend on.
        mixed: What other versions, or processors, have made some of the toys.
    """

    seed: Count
    versions: Versions
    mixed: Annotated[list[str], Later]


@dataclass
class StudyProvenance(Provenance):
    """Where the numbers of a study come from.

    Attributes:
        study_sha256: Digest of the study.
    """

    study_sha256: Digest


@dataclass
class Named:
    """What has a name, among other keys."""

    name: Name


@dataclass
class StudyKeys:
    """The study, with the keys of its TOML file."""

    name: FileName
    seed: int
    poi: str
    methods: list[str]
    ensemble: dict[str, Any]
    calibration: dict[str, Any]
    workspace: dict[str, Any]
    joint: dict[str, Any]
    parameter: Annotated[list[Named], Field(min_length=1)]
    observable: Annotated[list[Named], Field(min_length=1)]


@dataclass
class OfStudy:
    """A file of numbers of a study.

    Attributes:
        study: The study, with the keys of its TOML file.
        provenance: Seed, versions, and a digest of the study.
    """

    schema: str
    study: StudyKeys
    provenance: StudyProvenance


@dataclass
class Status:
    """How many fits ended how."""

    converged: Count
    recovered: Count
    at_bound: Count
    not_positive_definite: Count
    iteration_limit: Count
    non_finite: Count


@dataclass
class VerdictRow:
    """What the morphing does to one parameter.

    Attributes:
        verdict: The numbers.
        reason: What is to be known of the corrected errors in a sentence; None if the morphing
            closes.
    """

    verdict: Annotated[ClosureVerdict, Flat]
    reason: str | None


@dataclass
class ShapeRow:
    """The distribution of some pulls beside the unit normal one.

    Attributes:
        method: As in `pulls`; also the next two.
        rho: The correlation; None where there is no scan of it.
        shape: The distribution.
        ecdf: Part of the pulls whose transform is below 0.01, 0.02, ..., 0.99; None for slices.
    """

    method: str
    rho: Rho | None
    shape: Annotated[PullShape, Flat]
    ecdf: Annotated[list[Part], Field(min_length=99, max_length=99)] | None
