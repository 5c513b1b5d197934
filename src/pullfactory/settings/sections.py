"""The sections of a study: its parameters and observables, toys, samples, workspaces."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from pullfactory.densities import FAMILIES, Family, family
from pullfactory.settings.blocks import Morphing, ObservableBlock, ParameterBlock, WorkspaceBlock
from pullfactory.settings.fields import MOST_BINS, Bins, Bounds, Count, Frozen, Listed, Name, Text

_LARGEST = 1e12  # numbers, beside which an error would be lost

RHO = "rho"
"""The further parameter of a joint fit that determines the correlation."""


class Parameter(ParameterBlock):
    """One component of theta; one unit is one calibration step."""

    unit: Text = Field(default="", description="unit of one calibration step")
    constraint: Literal["free", "normal"] = Field(
        default="normal", description='"free", or "normal": a unit Gaussian constraint'
    )
    truth_mean: float = Field(default=0.0, description="centre of the true values")
    truth_sigma: float = Field(
        default=1.0,
        ge=0,
        le=_LARGEST,
        description='width of the true values (ensemble truth = "prior")',
    )
    bounds: Bounds = Field(default=(-10.0, 10.0), description="range allowed in the fits")
    points: Listed[float] = Field(
        default=(), description="calibration points on its axis besides -1, 0 and 1"
    )

    def _inside_bounds(self) -> dict[str, float]:
        return super()._inside_bounds() | {f"truth_mean = {self.truth_mean:g}": self.truth_mean}

    def calibration_steps(self, unit: float = 1.0) -> tuple[float, ...]:
        """Calibration points on its axis, in its unit, ascending.

        Args:
            unit: What 1 in the workspace means, which has templates there.
        """
        return tuple(sorted({-1.0, 0.0, 1.0, *map(float, self.points), unit, -unit}))


class Observable(ObservableBlock):
    """A number measured once per event; a channel of the workspace."""

    unit: Text = Field(default="", description="unit of mu and sigma")
    density: str = Field(default="normal", description=f"family: {', '.join(FAMILIES)}")
    shape: dict[str, float] = Field(
        default_factory=dict, description="shape parameters of the family, dimensionless"
    )
    mu: float = Field(description="true location at theta = 0")
    sigma: float = Field(gt=0, description="true scale at theta = 0")
    mu_slopes: dict[str, float] = Field(
        default_factory=dict, description="relative change of mu per unit"
    )
    sigma_slopes: dict[str, float] = Field(
        default_factory=dict, description="relative change of sigma per unit"
    )
    n_bins: Bins = None
    edges: Listed[float] | None = Field(
        default=None,
        min_length=3,
        description="bin edges instead; the outermost bins stay open",
        examples=[(160.0, 172.5, 185.0)],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.mu == 0:
            raise ValueError("mu = 0 cannot change relatively; shift the observable")
        if not abs(self.mu) <= _LARGEST or self.sigma > _LARGEST:
            raise ValueError(
                f"mu = {self.mu:g} and sigma = {self.sigma:g} must be at most {_LARGEST:g}; use a "
                "larger unit"
            )
        if self.sigma < abs(self.mu) / _LARGEST:
            raise ValueError(
                f"sigma = {self.sigma:g} is lost beside mu = {self.mu:g}, in the rounding of "
                "numbers; shift the observable"
            )
        family(self.density, self.shape)
        return self

    @property
    def family(self) -> Family:
        """The standardised density family, with its shape parameters."""
        return family(self.density, self.shape)


class Ensemble(Frozen):
    """The toys: how many, how large, with which truth and dependence."""

    n_toys: Count = Field(default=4000, ge=1, description="toys per rho")
    n_events: Count = Field(default=2000, ge=1, description="events per toy")
    n_events_law: Literal["fixed", "poisson"] = Field(
        default="fixed", description='"fixed", or "poisson": n_events is the mean'
    )
    truth: Literal["prior", "fixed"] = Field(
        default="prior",
        description='"prior": truth drawn, auxiliary data held; "fixed": the reverse',
    )
    rho: Listed[float] = Field(
        default=(-0.6, -0.3, 0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9),
        min_length=1,
        description="the scan of the correlation",
    )
    correlation: Listed[Listed[float]] | None = Field(
        default=None,
        description="matrix whose off-diagonal part rho scales; absent: ones",
        examples=[((1.0, 0.5), (0.5, 1.0))],
    )
    dependence: Literal["linear", "gaussian_copula", "t_copula", "class_mixture"] = Field(
        default="linear",
        description='"linear" (as the poster), or "gaussian_copula", "t_copula", "class_mixture": '
        "keep every marginal",
    )
    t_dof: float = Field(default=4.0, gt=0, description="t_copula: degrees of freedom")
    wrong_fraction: float = Field(
        default=0.3, gt=0, lt=1, description="class_mixture: fraction of wrong assignments"
    )
    wrong_width: float = Field(
        default=2.0, gt=0, description="class_mixture: their width beside that of the others"
    )


class CalibrationSettings(Frozen):
    """The calibration samples."""

    source: Literal["simulated", "exact"] = Field(
        default="simulated",
        description='"simulated" samples, or "exact": true response and bin contents',
    )
    events_per_point: Count = Field(
        default=1_000_000, ge=10, description="events of each calibration sample"
    )
    grid: Literal["full", "needed"] = Field(
        default="full",
        description='"full": all of {-1, 0, +1}^n; "needed": what the templates need',
    )
    replicas: Count = Field(
        default=1, ge=1, description="independent calibrations, which the toys take turns with"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.source == "exact" and self.replicas > 1:
            raise ValueError(
                f"replicas = {self.replicas} of an exact calibration are all the same; use 1, or "
                'source = "simulated"'
            )
        return self


Mass = Literal["normfactor", "histosys", "normsys", "wide"]

_MASS: Mapping[str, tuple[Mass, ...]] = {  # the first of each is "auto"
    "additive": ("normfactor", "histosys"),
    "additive_cross": ("normfactor",),
    "multiplicative": ("wide", "normsys"),
}
_MASS_REFUSED: Mapping[str, str] = {
    "additive": "a normsys scales whole samples, and only multiplicative has one for each bin",
    "additive_cross": "cross terms are modifiers of a sample that the mass itself scales",
    "multiplicative": "its bins are samples, which a normsys scales",
}


class WorkspaceSettings(WorkspaceBlock):
    """The pyhf workspace."""

    process: Name = Field(default="signal", description="name of the process, a sample")
    morphing: Morphing = Field(
        default="additive_cross",
        description='"additive" histosys, "additive_cross": with cross terms, '
        'or "multiplicative": normsys for every bin',
    )
    mass: Literal["auto"] | Mass = Field(
        default="auto",
        description='free parameters: "normfactor" or "histosys" (additive), "wide" or "normsys" '
        '(multiplicative); "auto": the first',
    )
    mass_step: float = Field(
        default=3.0, ge=1e-6, description='"wide": its templates are at +- this, in its unit'
    )
    mass_constraint: bool = Field(
        default=True,
        description="false: our fits drop the unit Gaussian that pyhf gives a histosys or normsys",
    )
    n_bins: Count = Field(
        default=20, ge=2, le=MOST_BINS, description="bins of equal population in every observable"
    )
    staterror: bool = Field(
        default=False, description="a staterror modifier for the nominal template"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        allowed = _MASS[self.morphing]
        if self.mass not in ("auto", *allowed):
            raise ValueError(
                f"mass = {self.mass!r} does not go with morphing = {self.morphing!r}: "
                f"{_MASS_REFUSED[self.morphing]}; use {' or '.join(map(repr, allowed))}"
            )
        return self

    @property
    def mass_encoding(self) -> Mass:
        """How free parameters are encoded, "auto" resolved."""
        return _MASS[self.morphing][0] if self.mass == "auto" else self.mass

    def units(self, free: Iterable[str]) -> dict[str, float]:
        """What 1 in the workspace means in the study, for parameters where that is not 1.

        Args:
            free: Names of the parameters without a constraint.
        """
        return dict.fromkeys(free, self.mass_step) if self.mass_encoding == "wide" else {}

    def unduly_constrained(self, free: Iterable[str]) -> tuple[str, ...]:
        """Free parameters that the workspace constrains nevertheless.

        Args:
            free: Names of the parameters without a constraint.
        """
        return () if self.mass_encoding == "normfactor" else tuple(free)


class JointSettings(Frozen):
    """The joint methods."""

    correlation: Literal["calibration", "given", "fitted"] = Field(
        default="calibration",
        description='unbinned_joint takes it from the "calibration" samples, as "given" by '
        'ensemble.rho, or "fitted": rho is a further parameter',
    )
    binning: Literal["nested", "grid"] = Field(
        default="nested",
        description='"nested": equal population, each observable inside the bins of those before '
        'it; "grid": the same bins of an observable everywhere',
    )
    n_bins: Count | Listed[Count] = Field(
        default=6, description="bins of every observable, or one number for each"
    )
    morphing: Morphing = Field(
        default="multiplicative", description="of the joint channel, as workspace.morphing"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for n in self.n_bins if isinstance(self.n_bins, tuple) else (self.n_bins,):
            if n < 2:
                raise ValueError(f"n_bins = {n} is no division; use at least 2")
        return self


class OptimalSettings(Frozen):
    """The optimal combinations of the observables."""

    weights: Literal["expected", "own"] = Field(
        default="expected",
        description='how observables of an event belong together: as "expected" of the events of '
        'the study, or as each toy\'s "own" events say',
    )


MOST_DEGREE = 9
"""Of the polynomials of a flow."""


class FlowSettings(Frozen):
    """The flow: a joint density that is learnt from the calibration samples."""

    shape: Literal["auto", "fixed", "linear"] = Field(
        default="auto",
        description="whether the density changes with parameters beyond location and scale: "
        '"fixed": no; "linear": its coefficients do; "auto": where a test finds it',
    )
    degree: Count = Field(
        default=5,
        ge=1,
        le=MOST_DEGREE,
        description="largest degree of its polynomials, which held-out events choose",
    )
    order: Listed[Name] | None = Field(
        default=None,
        description="observables in the order in which each is described given those before it; "
        "absent: that of the study",
        examples=[("m_W", "m_t")],
    )

    def positions(self, observables: Sequence[str]) -> tuple[int, ...]:
        """Positions of the observables in the order of the flow.

        Args:
            observables: Names.
        """
        return tuple(map(observables.index, self.order or observables))


def refuse_other_order(flow: FlowSettings | None, observables: Sequence[str]) -> None:
    """Refuse an order of a flow that is none of the observables.

    Args:
        flow: Settings; None without.
        observables: Names.

    Raises:
        ValueError: If a name is missing, unknown or there twice.
    """
    order = flow and flow.order
    if order and sorted(order) != sorted(observables):
        raise ValueError(
            f"flow.order = {', '.join(order)} is no order of the observables "
            f"{', '.join(observables)}; name each once, or leave it out"
        )
