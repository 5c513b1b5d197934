"""The study: everything that defines a run, read once, checked once, frozen after."""

import math
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, Strict, model_validator

from pullfactory.densities import FAMILIES, Family, family
from pullfactory.errors import StudyError
from pullfactory.settings.document import Document, refuse_repeats, refuse_totals
from pullfactory.settings.fields import Count, Frozen, Listed, Name, Text
from pullfactory.settings.toml import parse_toml, parse_value

__all__ = [
    "METHODS",
    "RHO",
    "CalibrationSettings",
    "Ensemble",
    "JointSettings",
    "Method",
    "Morphing",
    "Observable",
    "Parameter",
    "Study",
    "WorkspaceSettings",
    "preset_text",
]

Method = Literal["unbinned", "binned", "unbinned_joint", "binned_joint"]
METHODS: tuple[Method, ...] = get_args(Method)
RHO = "rho"
"""The further parameter of a joint fit that determines the correlation."""


class Parameter(Frozen):
    """One component of theta; one unit is one calibration step."""

    name: Name = Field(description="name in every file and table")
    label: Text = Field(default="", description="LaTeX label for figures; empty: the name")
    unit: Text = Field(default="", description="unit of one calibration step")
    constraint: Literal["free", "normal"] = Field(
        default="normal", description='"free", or "normal": a unit Gaussian constraint'
    )
    truth_mean: float = Field(default=0.0, description="centre of the true values")
    truth_sigma: float = Field(
        default=1.0, ge=0, description='width of the true values (ensemble truth = "prior")'
    )
    bounds: Annotated[tuple[float, float], Strict(strict=False)] = Field(
        default=(-10.0, 10.0), description="range allowed in the fits"
    )
    points: Listed[float] = Field(
        default=(), description="calibration points on its axis besides -1, 0 and 1"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = self.bounds
        if not low < self.truth_mean < high or not low < 0 < high:
            raise ValueError(
                f"bounds = {list(self.bounds)} must increase and enclose 0 and "
                f"truth_mean = {self.truth_mean:g}"
            )
        return self


class Observable(Frozen):
    """A number measured once per event; a channel of the workspace."""

    name: Name = Field(description="name of the observable and of its channel")
    label: Text = Field(default="", description="LaTeX label for figures; empty: the name")
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
    n_bins: Count | None = Field(
        default=None,
        ge=2,
        description="bins of equal population; absent: workspace.n_bins",
        examples=[10],
    )
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
        if self.edges is not None and self.n_bins is not None:
            raise ValueError("give n_bins or edges, not both")
        if self.edges is not None and any(np.diff(np.array(self.edges)) <= 0):
            raise ValueError(f"edges = {list(self.edges)} must increase; sort them")
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


Morphing = Literal["additive", "additive_cross", "multiplicative"]
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


class WorkspaceSettings(Frozen):
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
        default=3.0, gt=0, description='"wide": its templates are at +- this, in its unit'
    )
    mass_constraint: bool = Field(
        default=True,
        description="false: our fits drop the unit Gaussian that pyhf gives a histosys or normsys",
    )
    n_bins: Count = Field(
        default=20, ge=2, description="bins of equal population in every observable"
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


def _all_methods(value: object) -> object:
    """The word "all" for every method."""
    return METHODS if value in ("all", ["all"], ("all",)) else value


class Study(Document):
    """Everything that defines a run.

    Read from a TOML file with `Study.from_toml`, from a preset with `Study.preset`; changed
    with `with_settings`, which checks again.
    """

    kind: ClassVar[str] = "study"
    command: ClassVar[str] = "pullfactory init FILE"
    keys: ClassVar[str] = "ensemble.n_events or parameter.m_t.truth_sigma"

    methods: Annotated[Listed[Method], BeforeValidator(_all_methods)] = Field(
        default=("unbinned", "binned"),
        min_length=1,
        description=f'likelihoods: {", ".join(METHODS)}; or "all"',
    )
    ensemble: Ensemble = Field(default_factory=Ensemble)
    calibration: CalibrationSettings = Field(default_factory=CalibrationSettings)
    workspace: WorkspaceSettings = Field(default_factory=WorkspaceSettings)
    joint: JointSettings = Field(default_factory=JointSettings)
    parameter: Listed[Parameter] = Field(min_length=1)
    observable: Listed[Observable] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for kind, names in (
            ("parameter", self.parameter_names),
            ("observable", self.observable_names),
            ("method", self.methods),
        ):
            refuse_repeats(kind, names)
        refuse_repeats("rho", self.ensemble.rho)
        if self.calibration.replicas > self.ensemble.n_toys:
            raise ValueError(
                f"calibration.replicas = {self.calibration.replicas} exceeds ensemble.n_toys = "
                f"{self.ensemble.n_toys}; use fewer replicas or more toys"
            )
        known = self.parameter_names
        if self.poi not in known:
            raise ValueError(f"poi = {self.poi!r} is no parameter; use one of {', '.join(known)}")
        refuse_totals(self.parameter_names, (*self.observable_names, "joint"))
        self._check_slopes()
        self._check_dependence()
        self._check_joint()
        return self

    def _check_joint(self) -> None:
        n, bins = len(self.observable), self.joint.n_bins
        if isinstance(bins, tuple) and len(bins) not in (1, n):
            raise ValueError(f"joint.n_bins has {len(bins)} entries for {n} observables; give {n}")
        if "unbinned_joint" in self.methods and self.joint.correlation == "fitted":
            if RHO in self.parameter_names:
                raise ValueError(
                    f'joint.correlation = "fitted" has a parameter {RHO!r} of its own; '
                    "rename that of the study"
                )
            if not np.any(self.correlation(1.0) - np.eye(n)):
                raise ValueError(
                    'joint.correlation = "fitted" has nothing to fit: ensemble.correlation has no '
                    'entries off its diagonal; use "given"'
                )

    def _check_slopes(self) -> None:
        known = self.parameter_names
        idle = {parameter.name for parameter in self.parameter if parameter.constraint == "free"}
        for observable in self.observable:
            for key in ("mu_slopes", "sigma_slopes"):
                for name, slope in getattr(observable, key).items():
                    place = f"observable.{observable.name}.{key}.{name} = {slope:g}"
                    if name not in known:
                        raise ValueError(
                            f"{place}: {name!r} is no parameter; use one of {', '.join(known)}"
                        )
                    if abs(slope) >= 1:
                        raise ValueError(
                            f"{place}: reaches 0 within one calibration step; keep it below 1"
                        )
                    if slope:
                        idle.discard(name)
                    self._check_points(place, name, slope)
        for name in sorted(idle):
            raise ValueError(
                f"parameter.{name} is free, but no observable depends on it; "
                "give it a slope or a constraint"
            )

    def _check_points(self, place: str, name: str, slope: float) -> None:
        steps = set(self.calibration_steps(name))
        if "binned_joint" in self.methods:  # its mass templates may be further apart
            steps.update(self.joint_study.calibration_steps(name))
        for step in sorted(steps):
            if 1 + slope * step <= 0:
                raise ValueError(
                    f"{place}: reaches 0 at the calibration point {step:g}; keep points "
                    "(parameter.points, workspace.mass_step) nearer 0"
                )

    def _check_dependence(self) -> None:
        matrix = self.ensemble.correlation
        n = len(self.observable)
        if matrix is not None:
            if len(matrix) != n or any(len(row) != n for row in matrix):
                raise ValueError(
                    f"ensemble.correlation must be {n} x {n}, one row for each observable"
                )
            array = np.array(matrix)
            if (array != array.T).any() or (np.diag(array) != 1).any() or (abs(array) > 1).any():
                raise ValueError(
                    "ensemble.correlation must be symmetric, with ones on its diagonal and "
                    "numbers from -1 to 1 elsewhere"
                )
        for rho in self.ensemble.rho:
            if abs(rho) > 1:
                raise ValueError(f"ensemble.rho = {rho:g} is no correlation; keep |rho| below 1")
            self.cholesky(rho)
        if self.ensemble.dependence == "class_mixture" and (
            matrix is not None or (n > 2 and min(self.ensemble.rho) < 0)
        ):
            raise ValueError(
                'ensemble.dependence = "class_mixture" has one class for all observables: leave '
                "out ensemble.correlation and, for more than two observables, negative rho"
            )
        if self.ensemble.dependence == "linear":
            for observable in self.observable:
                if not math.isfinite(observable.family.std):
                    raise ValueError(
                        f"observable.{observable.name}.density = {observable.density!r} has no "
                        'finite variance, which ensemble.dependence = "linear" needs; '
                        'use ensemble.dependence = "gaussian_copula"'
                    )

    # --- reading and writing -----------------------------------------------------------------

    @classmethod
    def from_toml_text(cls, text: str | bytes, *, place: str = "study") -> Self:
        """Read the content of a study file.

        Args:
            text: TOML.
            place: Where the text came from, for messages.

        Raises:
            StudyError: If the text is no valid study.
        """
        return cls.from_dict(parse_toml(text, place), place=place)

    @classmethod
    def preset(cls, name: str = "poster") -> Self:
        """Read a study that comes with the package.

        Args:
            name: One of `Study.presets()`.

        Raises:
            StudyError: If there is no such preset.
        """
        if name not in cls.presets():
            raise StudyError(f"preset {name!r} does not exist; choose {', '.join(cls.presets())}")
        text = preset_text(f"{name}.toml")
        return cls.from_toml_text(text, place=f"preset {name!r}")

    @staticmethod
    def presets() -> tuple[str, ...]:
        """Names of the studies that come with the package."""
        files = (entry.name for entry in _preset_folder().iterdir())
        return tuple(sorted(file[:-5] for file in files if file.endswith(".toml")))

    def subset(self, observables: Iterable[str]) -> Self:
        """The study with some of its observables, in the order that they have here.

        Args:
            observables: Names.

        Raises:
            StudyError: If a name is unknown, or a free parameter would be left without slopes.
        """
        chosen = self.observable_positions(observables)
        data = self.to_dict()
        data["observable"] = [data["observable"][o] for o in chosen]
        matrix = data["ensemble"].get("correlation")
        if matrix is not None:
            data["ensemble"]["correlation"] = [[matrix[i][j] for j in chosen] for i in chosen]
        bins = data["joint"]["n_bins"]
        if isinstance(bins, list):
            data["joint"]["n_bins"] = [bins[o] for o in chosen]
        return type(self).from_dict(data, place=f"study {self.name!r}")

    def observable_positions(self, observables: Iterable[str]) -> tuple[int, ...]:
        """Where observables stand, ascending.

        Args:
            observables: Names.

        Raises:
            StudyError: If a name is unknown.
        """
        for name in (wanted := tuple(observables)):
            if name not in self.observable_names:
                raise StudyError(
                    f"{name!r} is no observable; use one of {', '.join(self.observable_names)}"
                )
        return tuple(o for o, name in enumerate(self.observable_names) if name in wanted)

    @staticmethod
    def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
        """Read `KEY=VALUE` texts; a value is TOML, or a plain string.

        Args:
            settings: Texts such as "ensemble.n_events=5000".

        Raises:
            StudyError: If a text has no "=".
        """
        parsed: dict[str, Any] = {}
        for text in settings:
            key, equals, value = text.partition("=")
            if not equals or not key:
                raise StudyError(
                    f"setting {text!r} is not KEY=VALUE; write for example ensemble.n_events=5000"
                )
            parsed[key.strip()] = parse_value(value.strip())
        return parsed

    # --- what the other rooms ask ------------------------------------------------------------

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The blocks `[[parameter]]`."""
        return self.parameter

    @property
    def observables(self) -> tuple[Observable, ...]:
        """The blocks `[[observable]]`."""
        return self.observable

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order of every array with a parameter axis."""
        return tuple(parameter.name for parameter in self.parameter)

    @property
    def observable_names(self) -> tuple[str, ...]:
        """Names of the observables, in the order of every array with an observable axis."""
        return tuple(observable.name for observable in self.observable)

    @property
    def families(self) -> tuple[Family, ...]:
        """The density family of each observable."""
        return tuple(observable.family for observable in self.observable)

    @property
    def constrained(self) -> NDArray[np.bool_]:
        """Which parameters carry a unit Gaussian constraint; shape (parameters,)."""
        return np.array([parameter.constraint == "normal" for parameter in self.parameter])

    @property
    def truth_mean(self) -> NDArray[np.float64]:
        """Centre of the true values, shape (parameters,), in their units."""
        return np.array([parameter.truth_mean for parameter in self.parameter])

    @property
    def aux_variance(self) -> NDArray[np.float64]:
        """Variance over the ensemble of auxiliary value minus truth, shape (parameters,).

        In squared units of the parameters; what a constraint would see.
        """
        if self.ensemble.truth == "prior":
            return np.array([parameter.truth_sigma**2 for parameter in self.parameter])
        return np.where(self.constrained, 1.0, 0.0)

    @property
    def bounds(self) -> NDArray[np.float64]:
        """Lower and upper bound of each parameter; shape (parameters, 2), in its unit."""
        return np.array([parameter.bounds for parameter in self.parameter])

    @property
    def workspace_units(self) -> dict[str, float]:
        """What 1 in the workspace means in the study, for parameters where that is not 1."""
        if self.workspace.mass_encoding != "wide":
            return {}
        return {p.name: self.workspace.mass_step for p in self.parameter if p.constraint == "free"}

    @property
    def unduly_constrained(self) -> tuple[str, ...]:
        """Free parameters that the workspace constrains nevertheless."""
        if self.workspace.mass_encoding == "normfactor":
            return ()
        return tuple(p.name for p in self.parameter if p.constraint == "free")

    @property
    def free_totals(self) -> bool:
        """Whether the workspace leaves the number of events of each channel free.

        It is fixed in the toys, and products of factors would not keep it.
        """
        fixed = self.ensemble.n_events_law == "fixed"
        return fixed and self.workspace.morphing == "multiplicative"

    @property
    def joint_study(self) -> Self:
        """This study with the joint channel's workspace, and the calibration points it needs."""
        same = self.joint.morphing == self.workspace.morphing
        changes = {} if same else {"morphing": self.joint.morphing, "mass": "auto"}
        return self.model_copy(
            update={
                "workspace": self.workspace.model_copy(update=changes),
                "calibration": self.calibration.model_copy(update={"grid": "needed"}),
            }
        )

    @property
    def joint_bins(self) -> tuple[int, ...]:
        """Bins of each observable in the joint channel."""
        bins = self.joint.n_bins
        bins = bins if isinstance(bins, tuple) else (bins,)
        return bins if len(bins) > 1 else bins * len(self.observable)

    @property
    def learns_correlation(self) -> bool:
        """Whether a method needs calibration samples with the correlations of the scan."""
        from_samples = self.joint.correlation == "calibration"
        return "binned_joint" in self.methods or ("unbinned_joint" in self.methods and from_samples)

    @property
    def has_normal_scores(self) -> bool:
        """Whether the normal scores of the observables of an event are multivariate normal."""
        gaussian = all(member.sufficient for member in self.families)
        return self.ensemble.dependence == "gaussian_copula" or (
            gaussian and self.ensemble.dependence == "linear"
        )

    @property
    def without_normal_scores(self) -> str:
        """What to say where they are not."""
        return (
            f'ensemble.dependence = "{self.ensemble.dependence}" is no Gaussian copula of these '
            "observables"
        )

    def calibration_steps(self, name: str) -> tuple[float, ...]:
        """Calibration points on the axis of one parameter, in its unit, ascending.

        Args:
            name: Of the parameter.
        """
        points = self.parameter[self.parameter_names.index(name)].points
        step = self.workspace_units.get(name, 1.0)
        return tuple(sorted({-1.0, 0.0, 1.0, *map(float, points), step, -step}))

    def single_rho(self, rho: float | None = None) -> float:
        """The correlation where only one is asked for.

        Args:
            rho: Which one; None for that of the scan.

        Raises:
            StudyError: If the scan has several and none is chosen, or the one chosen is refused.
        """
        if rho is None:
            if len(self.ensemble.rho) > 1:
                raise StudyError(
                    f"ensemble.rho has {len(self.ensemble.rho)} values; "
                    f"choose one, such as {self.ensemble.rho[-1]:g}"
                )
            rho = self.ensemble.rho[0]
        self.cholesky(rho)
        return rho

    def correlation(self, rho: float) -> NDArray[np.float64]:
        """Correlation matrix of the observables for one point of the scan.

        Args:
            rho: Factor of the off-diagonal part.

        Returns:
            Shape (observables, observables).
        """
        n = len(self.observable)
        matrix = np.ones((n, n)) if self.ensemble.correlation is None else None
        full = matrix if matrix is not None else np.array(self.ensemble.correlation)
        return np.asarray(np.where(np.eye(n, dtype=bool), 1.0, rho * full))

    def cholesky(self, rho: float) -> NDArray[np.float64]:
        """Lower triangular factor of `correlation(rho)`.

        Args:
            rho: Factor of the off-diagonal part.

        Raises:
            StudyError: If the matrix is not positive definite.
        """
        matrix = self.correlation(rho)
        if np.linalg.eigvalsh(matrix)[0] < 1e-12:
            raise StudyError(
                f"rho = {rho:g}: the correlation matrix of {len(matrix)} observables is not "
                "positive definite; choose a rho nearer 0 or another ensemble.correlation"
            )
        return np.asarray(np.linalg.cholesky(matrix))


def preset_text(file: str) -> str:
    """Content of a file that comes with the package.

    Args:
        file: Its name in `presets`.
    """
    return str((_preset_folder() / file).read_text(encoding="utf-8"))


def _preset_folder() -> Any:
    return resources.files("pullfactory") / "settings" / "presets"
