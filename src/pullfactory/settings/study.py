"""The study: everything that defines a run, read once, checked once, frozen after."""

import math
from collections.abc import Iterable
from importlib import resources
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pullfactory.densities import Family
from pullfactory.errors import StudyError
from pullfactory.settings.constraints import ConstraintSettings
from pullfactory.settings.document import CONSTRAINTS, Document, refuse_repeats, refuse_unknown
from pullfactory.settings.fields import Listed, Name, listed
from pullfactory.settings.methods import BUILT_IN, DEFAULT, Learns, learns
from pullfactory.settings.sections import (
    RHO,
    CalibrationSettings,
    Ensemble,
    FlowSettings,
    JointSettings,
    Observable,
    OptimalSettings,
    Parameter,
    WorkspaceSettings,
    refuse_other_order,
)
from pullfactory.settings.toml import parse_toml, parse_value


def _all_methods(value: object) -> object:
    """The word "all" for every method of the package."""
    return tuple(BUILT_IN) if value in ("all", ["all"], ("all",)) else value


def _known(name: str) -> str:
    learns(name)
    return name


Method = Annotated[Name, AfterValidator(_known)]


class Study(Document[Parameter, Observable]):
    """Everything that defines a run.

    Read from a TOML file with `Study.from_toml`, from a preset with `Study.preset`; changed
    with `with_settings`, which checks again.
    """

    kind: ClassVar[str] = "study"
    command: ClassVar[str] = "pullfactory init FILE"
    keys: ClassVar[str] = "ensemble.n_events or parameter.m_t.truth_sigma"

    methods: Annotated[Listed[Method], BeforeValidator(_all_methods)] = Field(
        default=DEFAULT,
        min_length=1,
        description=f'likelihoods: {", ".join(BUILT_IN)}; or "all"',
    )
    optimal: OptimalSettings | None = Field(
        default=None,
        description='weights of the optimal methods: "expected" of the events of the study (the '
        'default), or each toy\'s "own"',
        examples=[{"weights": "own"}],
    )
    flow: FlowSettings | None = Field(
        default=None,
        description='the method `flow`: how its density is learnt; absent: shape = "auto"',
        examples=[{"shape": "linear"}],
    )
    intervals: Annotated[Listed[Name] | None, BeforeValidator(listed)] = Field(
        default=None,
        description="parameters whose likelihood-ratio intervals are tested by toys; absent: none",
        examples=[("m_t",)],
    )
    ensemble: Ensemble = Field(default_factory=Ensemble)
    calibration: CalibrationSettings = Field(default_factory=CalibrationSettings)
    workspace: WorkspaceSettings = Field(default_factory=WorkspaceSettings)
    joint: JointSettings = Field(default_factory=JointSettings)
    constraints: ConstraintSettings | None = CONSTRAINTS
    parameter: Listed[Parameter] = Field(min_length=1)
    observable: Listed[Observable] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse_repeats("method", self.methods)
        refuse_repeats("rho", self.ensemble.rho)
        refuse_unknown("intervals", self.intervals or (), self.parameter_names)
        if self.calibration.replicas > self.ensemble.n_toys:
            raise ValueError(
                f"calibration.replicas = {self.calibration.replicas} exceeds ensemble.n_toys = "
                f"{self.ensemble.n_toys}; use fewer replicas or more toys"
            )
        self._check_slopes()
        self._check_dependence()
        self._check_joint()
        refuse_other_order(self.flow, self.observable_names)
        return self

    def _check_joint(self) -> None:
        n, bins = len(self.observable), self.joint.n_bins
        if isinstance(bins, tuple) and len(bins) not in (1, n):
            raise ValueError(f"joint.n_bins has {len(bins)} entries for {n} observables; give {n}")
        if self.learns.correlation and self.joint.correlation == "fitted":
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
        idle = set(self.free_names)
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
        if self.learns.bins:  # its mass templates may be further apart
            steps.update(self._steps(name, self.joint_workspace))
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
        return cls.from_read(parse_toml(text, place), place=place)

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
        if self.flow and self.flow.order:
            names = [self.observable_names[o] for o in chosen]
            data["flow"]["order"] = [name for name in self.flow.order if name in names]
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
            StudyError: If a text has no "=", or undoes an earlier one.
        """
        parsed: dict[str, Any] = {}
        for text in settings:
            key, equals, value = text.partition("=")
            if not equals or not key:
                raise StudyError(
                    f"setting {text!r} is not KEY=VALUE; write for example ensemble.n_events=5000"
                )
            _refuse_given(parsed, key.strip())
            parsed[key.strip()] = parse_value(value.strip())
        return parsed

    # --- what the other rooms ask ------------------------------------------------------------

    @property
    def families(self) -> tuple[Family, ...]:
        """The density family of each observable."""
        return tuple(observable.family for observable in self.observable)

    @property
    def constrained(self) -> NDArray[np.bool_]:
        """Which parameters carry a unit Gaussian constraint; shape (parameters,)."""
        return np.array([not parameter.free for parameter in self.parameter])

    @property
    def truth_mean(self) -> NDArray[np.float64]:
        """Centre of the true values, shape (parameters,), in their units."""
        return np.array([parameter.truth_mean for parameter in self.parameter])

    @property
    def centre(self) -> dict[str, float]:
        """Centre of the true values, by parameter, in its unit."""
        return {parameter.name: parameter.truth_mean for parameter in self.parameter}

    @property
    def aux_centre(self) -> NDArray[np.float64]:
        """Mean of the auxiliary values of the toys, shape (parameters,); 0 without a constraint."""
        return np.where(self.constrained, self.truth_mean, 0.0)

    @property
    def truth_covariance(self) -> NDArray[np.float64]:
        """Covariance of true values that are drawn, shape (parameters, parameters).

        In products of the parameters' units; those whose constraints are correlated are, too.
        """
        widths = np.array([parameter.truth_sigma for parameter in self.parameter])
        free = np.diag(np.where(self.constrained, 0.0, 1.0))
        return np.asarray(np.outer(widths, widths) * (self.constraint_correlation + free))

    @property
    def aux_covariance(self) -> NDArray[np.float64]:
        """Covariance over the ensemble of auxiliary value minus truth, what a constraint would see.

        Shape (parameters, parameters), in products of the parameters' units.
        """
        fixed = self.ensemble.truth == "fixed"
        return self.constraint_correlation if fixed else self.truth_covariance

    @property
    def aux_scatter(self) -> NDArray[np.float64]:
        """Covariance K of the score of the constraints, shape (parameters, parameters)."""
        information = self.constraint_information
        return np.asarray(information @ self.aux_covariance @ information)

    @property
    def bounds(self) -> NDArray[np.float64]:
        """Lower and upper bound of each parameter; shape (parameters, 2), in its unit."""
        return np.array([parameter.bounds for parameter in self.parameter])

    @property
    def resimulated(self) -> NDArray[np.bool_]:
        """Which parameters are varied by simulating anew, shape (parameters,).

        Free parameters and the POI are properties of the generated process: their points are
        independent samples. The others vary the reconstruction of the same events.
        """
        poi = np.array([name == self.poi for name in self.parameter_names])
        return np.asarray(~self.constrained | poi)

    @property
    def channel_bins(self) -> tuple[int, ...]:
        """Bins of equal population of each observable in its own channel."""
        return tuple(one.n_bins or self.workspace.n_bins for one in self.observable)

    @property
    def free_totals(self) -> bool:
        """Whether the workspace leaves the number of events of each channel free."""
        return self.workspace.frees_totals(self.ensemble.n_events_law)

    @property
    def own_weights(self) -> bool:
        """Whether the optimal methods weigh each toy by its own events."""
        return self.optimal is not None and self.optimal.weights == "own"

    @property
    def flow_settings(self) -> FlowSettings:
        """How the flow is learnt."""
        return self.flow or FlowSettings()

    @property
    def flow_order(self) -> tuple[int, ...]:
        """Positions of the observables in the order of the flow."""
        return self.flow_settings.positions(self.observable_names)

    @property
    def joint_workspace(self) -> WorkspaceSettings:
        """The settings of the joint channel's workspace."""
        same = self.joint.morphing == self.workspace.morphing
        changes = {} if same else {"morphing": self.joint.morphing, "mass": "auto"}
        return self.workspace.model_copy(update=changes)

    @property
    def joint_bins(self) -> tuple[int, ...]:
        """Bins of each observable in the joint channel."""
        bins = self.joint.n_bins
        bins = bins if isinstance(bins, tuple) else (bins,)
        return bins if len(bins) > 1 else bins * len(self.observable)

    @property
    def workspace_units(self) -> dict[str, float]:
        """What 1 in the workspace means in the study, for parameters where that is not 1."""
        return self.workspace.units(self.free_names)

    @property
    def learns(self) -> Learns:
        """What its methods must be told by calibration samples of correlated events."""
        return Learns(*(any(told) for told in zip(*map(learns, self.methods), strict=True)))

    @property
    def learns_correlation(self) -> bool:
        """Whether a method needs calibration samples with the correlations of the scan."""
        wanted = self.learns
        needed = wanted.correlation and self.joint.correlation == "calibration"
        return wanted.bins or wanted.flow or needed

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
        return self._steps(name, self.workspace)

    def _steps(self, name: str, workspace: WorkspaceSettings) -> tuple[float, ...]:
        unit = workspace.units(self.free_names).get(name, 1.0)
        return self.parameter[self.parameter_names.index(name)].calibration_steps(unit)

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


def _refuse_given(earlier: Iterable[str], key: str) -> None:
    """Refuse a setting that would replace an earlier one."""
    for one in earlier:
        if one == key:
            raise StudyError(f"setting {key!r} is given twice; keep one")
        if one.startswith(f"{key}."):
            raise StudyError(
                f"setting {one!r} has no effect: {key!r}, given after it, replaces all of them; "
                "give it first"
            )


def preset_text(file: str) -> str:
    """Content of a file that comes with the package.

    Args:
        file: Its name in `presets`.
    """
    return str((_preset_folder() / file).read_text(encoding="utf-8"))


def _preset_folder() -> Any:
    return resources.files("pullfactory") / "settings" / "presets"
