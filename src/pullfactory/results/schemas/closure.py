"""`closure.json`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pullfactory.described import Count, Flat, Later, Size
from pullfactory.inference.density_rows import DensityVerdict
from pullfactory.results.schemas.parts import OfStudy, VerdictRow

ByName = dict[str, float | None]


@dataclass
class GridVerdictRow:
    """What the morphing does to one parameter, on the grid too.

    Attributes:
        verdict: As in the summary of a run.
        grid_bias: Largest bias on the grid; not in a run.
        grid_theta: Where; not in a run.
        grid_biased_from: Events per toy from which on the largest bias is above 0.1; not in a run.
    """

    verdict: Annotated[VerdictRow, Flat]
    grid_bias: float | None
    grid_theta: ByName
    grid_biased_from: Size | None


@dataclass
class WorstBin:
    """A bin of the workspace that is far off."""

    channel: str
    bin: Count
    theta: ByName
    exact: float
    predicted: float
    relative: float | None
    significance: float | None


@dataclass
class GridPoint:
    """One point of the grid."""

    kind: Literal["centre", "axis", "diagonal", "random"]
    theta: ByName
    fitted: ByName
    error: ByName
    bias: ByName
    exact: list[float]
    predicted: list[float]


@dataclass
class ScanPoint:
    """The bias of one parameter at one number of events."""

    events: Size
    parameter: str
    bias: float | None
    grid_bias: float | None


@dataclass
class ChannelBins:
    """Bins of one channel."""

    name: str
    edges: list[float]


@dataclass
class ClosureFile(OfStudy):
    """What morphing and templates alone do to the fits.

    Attributes:
        schema: `pullfactory-closure/2`.
        sample_events: Events of the samples (`--events`) that the exact rates of the grid come
            from; None: from the densities.
        verdicts: One row for each parameter.
        worst_bins: The bins farthest off: `channel`, `bin` (from 0), `theta`, `exact` and
            `predicted` rate, `relative` difference, and its `significance` in units of the
            statistical error.
        grid: For each point its `kind`, the true `theta`, and by parameter `fitted`, `error` and
            `bias`, None where a fit failed or ended at a bound; and the `exact` and `predicted`
            rates, channel by channel.
        scan: For each number of `events` per toy and `parameter`, the `bias` of the ensemble and
            the largest `grid_bias`.
        densities: What held-out events say of the joint density of each method, at each rho.
        channels: For each channel its `name` and the `edges` of its bins.
    """

    schema: Literal["pullfactory-closure/2"]
    sample_events: Count | None
    verdicts: list[GridVerdictRow]
    worst_bins: list[WorstBin]
    grid: list[GridPoint]
    scan: list[ScanPoint]
    densities: Annotated[list[DensityVerdict], Later]
    channels: list[ChannelBins]
