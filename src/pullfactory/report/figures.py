"""Figures as records: what each shows, where it stands on the page, and what draws it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pullfactory.report.palette import method_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Each = Literal["observable", "parameter", "method", "rho"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureKind:
    """A kind of figure of a result.

    Attributes:
        stem: What its files are called.
        caption: What it shows; {} for what one of several is of.
        section: Of the page, where it stands.
        each: What there is one of it for; None where there is one.
    """

    stem: str
    caption: str
    section: str = ""
    each: Each | None = None

    def name(self, of: str = "") -> str:
        """Of the files of one figure.

        Args:
            of: What it is of; nothing where there is one.
        """
        return f"{self.stem}_{of}" if of else self.stem

    def told(self, of: str = "") -> str:
        """The caption of one figure.

        Args:
            of: What it is of.
        """
        return self.caption.format(method_label(of) if self.each == "method" else of)

    def drawn(self, draw: "Callable[[], Figure]", of: str = "") -> "DrawnFigure":
        """One figure of this kind.

        Args:
            draw: Draws it; called within `figure_style`.
            of: What it is of.
        """
        return DrawnFigure(kind=self, of=of, draw=draw)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFigure:
    """One figure of a result.

    Attributes:
        kind: What it shows.
        of: Which of several it is; "" where there is one.
        draw: Draws it; called within `figure_style`.
    """

    kind: FigureKind
    of: str
    draw: "Callable[[], Figure]"

    @property
    def name(self) -> str:
        """Of its files."""
        return self.kind.name(self.of)


Figures = Mapping[str, DrawnFigure]
"""Figures by name."""
Kinds = Mapping[str, FigureKind]
"""Kinds of figures by what their files are called, in the order of the page."""


def by_name(figures: Iterable[DrawnFigure]) -> Figures:
    """Figures by their names.

    Args:
        figures: In order.
    """
    return {figure.name: figure for figure in figures}


def figure_names(kinds: Kinds, names: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Names of all figures that there may be.

    Args:
        kinds: Of a result.
        names: Of observables, parameters, methods and so on.
    """
    for kind in kinds.values():
        yield from map(kind.name, names[kind.each] if kind.each else ("",))


def _kinds(*kinds: FigureKind) -> Kinds:
    return MappingProxyType({kind.stem: kind for kind in kinds})


_ECDF = (
    "Part of the pulls of {} below each value, less that of a unit Gaussian; unit normal pulls "
    "stay in the band with 95 % probability, everywhere at once."
)

_FAILED = (
    "Part of the fits{} that do not give all errors, against the correlation and the truth of the "
    "parameters; the intervals have 68 % confidence."
)

STUDY = _kinds(
    FigureKind(
        stem="joint_distribution",
        caption="Two observables of the same events, without and with correlation.",
        section="calibration",
    ),
    FigureKind(
        stem="calibration",
        caption="Calibration samples of {} and the densities fitted to them, and their ratio.",
        section="calibration",
        each="observable",
    ),
    FigureKind(
        stem="response",
        caption="Location and scale of the observables against each parameter.",
        section="calibration",
    ),
    FigureKind(
        stem="templates",
        caption="Templates of {} and their ratio to nominal.",
        section="templates",
        each="observable",
    ),
    FigureKind(
        stem="pull_width",
        caption="Pull width against the correlation; the lines are predicted without toys.",
        section="width",
    ),
    FigureKind(
        stem="pulls",
        caption="Pull distributions of the {} fit beside the unit Gaussian.",
        section="distributions",
        each="method",
    ),
    FigureKind(
        stem="pull_ecdf",
        caption=_ECDF.format("the {} fit"),
        section="distributions",
        each="method",
    ),
    FigureKind(
        stem="pull_mean",
        caption="Mean pull against the correlation.",
        section="distributions",
    ),
    FigureKind(
        stem="repair",
        caption="Pull width with claimed and with corrected errors against the correlation.",
        section="repair",
    ),
    FigureKind(
        stem="interval_coverage",
        caption="How often intervals from the likelihood ratio have the true value, plain and "
        "corrected, against the correlation; the dashed lines are nominal.",
        section="intervals",
    ),
    FigureKind(
        stem="failures",
        caption=_FAILED.format(" with the {} fit"),
        section="failures",
        each="method",
    ),
)
TOYS = _kinds(
    FigureKind(
        stem="pulls",
        caption="Mean and width of the pulls of every parameter.",
        section="distributions",
    ),
    FigureKind(stem="pull_ecdf", caption=_ECDF.format("every parameter"), section="distributions"),
    FigureKind(
        stem="correlation",
        caption="Correlation of the estimates over toys, beside the mean of what fits claim.",
        section="correlation",
    ),
    FigureKind(
        stem="minimum_nll",
        caption="Distribution of the minimum of the negative log-likelihood over toys.",
        section="minima",
    ),
    FigureKind(stem="failures", caption=_FAILED.format(""), section="failures"),
)
AUDIT = _kinds(
    FigureKind(
        stem="goodness",
        caption="Distance of the data from the fit, and those of toys thrown at the fitted point.",
        section="fit",
    ),
    FigureKind(
        stem="response",
        caption="By how much rate, means and widths change up and down in each parameter.",
        section="response",
    ),
    FigureKind(
        stem="errors",
        caption="By what claimed errors are to be multiplied, and pull widths of toys.",
        section="errors",
    ),
    FigureKind(
        stem="impacts",
        caption="Pulls and constraints of the nuisance parameters, and their impacts on the "
        "parameter of interest, claimed and corrected. Impacts do not add; the bars are what each "
        "nuisance adds to the error in quadrature.",
        section="impacts",
    ),
    FigureKind(
        stem="optimal",
        caption="Errors of the {} fit over those that the product claims, and how much each "
        "observable counts for each parameter: optimally, and as independent (hollow). The whole "
        "error has the noise of the templates.",
        section="optimal",
        each="method",
    ),
    FigureKind(
        stem="flow_shifts",
        caption="Shift of the estimates with a flow of half of the events at every point, by the "
        "other half. Thick bars: errors of the differences from the nominal point.",
        section="flow",
    ),
    FigureKind(
        stem="flow_transforms",
        caption="Probability integral transforms of each observable, given the others, at the "
        "point with the least uniform ones.",
        section="flow",
    ),
    FigureKind(
        stem="calibration",
        caption="Estimate against generated value, with templates of one half of the simulated "
        "events and pseudo-data of the other; below less the line that the formula expects.",
        section="calibration",
    ),
    FigureKind(
        stem="correlations",
        caption="Correlation coefficients of pairs of observables, with their errors.",
        section="dependence",
    ),
    FigureKind(
        stem="bin_pairs",
        caption="Events in pairs of bins, beside those of independent observables.",
        section="dependence",
    ),
    FigureKind(
        stem="sets",
        caption="Claimed and actual errors with sets of the observables, and how far the actual "
        "ones are above the lowest, with the error of the difference.",
        section="sets",
    ),
    FigureKind(
        stem="postfit",
        caption="Data on the fitted rates of the processes, and the rates before the fit; the "
        "band is the corrected error.",
        section="fit",
    ),
    FigureKind(
        stem="likelihood_ratio",
        caption="Twice the log of the profile likelihood ratio of the data, as it is and divided "
        "by lambda; the dashed lines are those of 68 and 95 %, and the lines below the curves the "
        "ends of the intervals of 68 %.",
        section="ratio",
    ),
    FigureKind(
        stem="covariance",
        caption="Correlation of the estimates, as claimed and corrected.",
        section="covariance",
    ),
    FigureKind(stem="pull_ecdf", caption=_ECDF.format("the {} fit"), section="toys", each="method"),
    FigureKind(
        stem="templates",
        caption="Templates of {} and their ratio to nominal.",
        section="templates",
        each="parameter",
    ),
    FigureKind(
        stem="failures",
        caption=_FAILED.format(" with the {} fit"),
        section="failures",
        each="method",
    ),
)
SHARING = _kinds(
    FigureKind(
        stem="shared",
        caption="Part of the events in one or the other of two channels that is in both.",
        section="shared",
    ),
    FigureKind(
        stem="goodness",
        caption="Distance of the observations from the fit, and those of toys of whole events; of "
        "many channels those that are most off.",
        section="fit",
    ),
    FigureKind(
        stem="errors",
        caption="Actual over claimed errors, and what they are at most whatever channels share; "
        "the band is 5 %.",
        section="errors",
    ),
)
CLOSURE = _kinds(
    FigureKind(stem="rates", caption="Rates of the workspace over exact ones, in every bin."),
    FigureKind(stem="axes", caption="Bias in units of the error along each parameter."),
    FigureKind(stem="events", caption="Bias in units of the error against the events per toy."),
    FigureKind(
        stem="density_shifts",
        caption="Shift of the estimates of the {} fit at every calibration point, in errors.",
        each="method",
    ),
    FigureKind(
        stem="density_transforms",
        caption="Probability of values below those of held-out events given the other observables, "
        "by the density of the {} fit; it is uniform for a right one.",
        each="method",
    ),
)
SCAN = _kinds(
    FigureKind(stem="scan", caption="Pull mean and width against the scanned key.", each="rho")
)
PREDICTION = _kinds(
    FigureKind(stem="prediction", caption="Pull width and errors predicted without toys."),
    FigureKind(
        stem="weights", caption="How much each observable counts for each parameter.", each="method"
    ),
)
SELECTION = _kinds(
    FigureKind(stem="selection", caption="Claimed and actual errors with sets of the observables.")
)
