"""What is learnt from the calibration samples."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Self

import hist
import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration._plain import whole
from pullfactory.calibration.flow import refuse_foreign
from pullfactory.calibration.grid import label_points
from pullfactory.calibration.histograms import from_uhi, to_uhi, varied_histogram
from pullfactory.calibration.joint import JointSample
from pullfactory.calibration.templates import Templates
from pullfactory.described import Size
from pullfactory.errors import CalibrationError
from pullfactory.files import digest_of, is_sealed, read_given, sealed
from pullfactory.flows.learning import LearntFlow
from pullfactory.flows.verdict import FlowVerdict
from pullfactory.numbers import finite_array
from pullfactory.settings.sections import Observable, Parameter
from pullfactory.settings.study import Study
from pullfactory.simulation.response import Response

_SCHEMA = "pullfactory-calibration/2"
_READ = ("pullfactory-calibration/1", _SCHEMA)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRow:
    """One number of the response of one observable.

    Attributes:
        observable: Name.
        quantity: "mu", "sigma" or a relative slope such as "s_mu(JSF)".
        truth: What was simulated.
        result: What the calibration found.
        error: Its standard error; 0 for an exact calibration.
    """

    observable: str
    quantity: str
    truth: float
    result: float
    error: Size


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """What is learnt from the calibration samples of a study.

    Attributes:
        study: The study, whose truth only the toys may look at.
        points: Where there are samples, shape (points, parameters), in calibration steps; the
            nominal point first.
        moments: Estimated location and scale, shape (points, observables, 2), in the
            observables' units.
        moment_errors: Their standard errors, same shape; 0 for an exact calibration.
        response: Fitted location and scale against theta.
        response_covariance: Of value and slopes of the location, then of the scale; shape
            (observables, 2 + 2 parameters, 2 + 2 parameters).
        edges: Bin edges of each observable, in its unit; the outermost bins are open.
        counts: Events of each point in these bins, one array of shape (points, bins) per
            observable.
        spectra: The same in fine regular bins, for drawing.
        joint: What is learnt of the observables together, at each rho of the scan; empty unless
            a method needs it.
    """

    study: Study
    points: NDArray[np.float64]
    moments: NDArray[np.float64]
    moment_errors: NDArray[np.float64]
    response: Response
    response_covariance: NDArray[np.float64]
    edges: tuple[NDArray[np.float64], ...]
    counts: tuple[NDArray[np.float64], ...]
    spectra: tuple[hist.Hist[Any], ...]
    joint: tuple[JointSample, ...] = ()

    @property
    def sha256(self) -> str:
        """Digest of what was learnt."""
        return digest_of(self._content())

    @property
    def labels(self) -> tuple[str, ...]:
        """Name of each point, such as "nominal" or "JSF+1"."""
        return label_points(self.study.parameter_names, self.points)

    @property
    def templates(self) -> tuple[hist.Hist[Any], ...]:
        """One histogram per observable with axes `variation` and the observable."""
        return tuple(
            varied_histogram(self.labels, *one)
            for one in zip(self.study.observable, self.edges, self.counts, strict=True)
        )

    def template(
        self, observable: int, steps: Mapping[str, float] | None = None
    ) -> NDArray[np.float64]:
        """Counts of one observable at one point, shape (bins,).

        Args:
            observable: Position of the observable.
            steps: Calibration step of each parameter that is not 0; None for the nominal point.

        Raises:
            CalibrationError: If there is no sample at this point.
        """
        return self.channels.template(observable, steps)

    @property
    def channels(self) -> Templates:
        """The templates of all observables, for a workspace."""
        return Templates(
            study=self.study,
            workspace=self.study.workspace,
            free_totals=self.study.free_totals,
            channels=self.study.observable_names,
            points=self.points,
            counts=self.counts,
        )

    def joint_at(self, rho: float) -> JointSample:
        """What is known of the observables together at one correlation of the scan.

        Args:
            rho: Factor of the off-diagonal part of the correlation matrix.

        Raises:
            CalibrationError: If there are no samples with it.
        """
        for sample in self.joint:
            if sample.rho == rho:
                return sample
        raise CalibrationError(
            f"there are no calibration samples with rho = {rho:g}; calibrate a study that has it "
            "in ensemble.rho and the joint method among its methods"
        )

    def flow(self, rho: float) -> LearntFlow:
        """The flow at one correlation of the scan.

        Args:
            rho: Factor of the off-diagonal part of the correlation matrix.

        Raises:
            CalibrationError: If there is none.
        """
        found = self.joint_at(rho).flow
        if found is None:
            raise CalibrationError(
                "the calibration has no flow; calibrate a study with 'flow' among its methods"
            )
        return found

    def judged(self, verdicts: Mapping[float, FlowVerdict | None]) -> Self:
        """This calibration with verdicts on its flows.

        Args:
            verdicts: By rho; None takes one away, and what is not named stays.
        """
        joint = tuple(
            sample
            if sample.flow is None or sample.rho not in verdicts
            else replace(sample, flow=replace(sample.flow, verdict=verdicts[sample.rho]))
            for sample in self.joint
        )
        return replace(self, joint=joint)

    def joint_channel(self, rho: float) -> Templates:
        """The templates of the joint channel at one correlation of the scan, for a workspace.

        Args:
            rho: Factor of the off-diagonal part of the correlation matrix.

        Raises:
            CalibrationError: If there are none.
        """
        sample = self.joint_at(rho)
        if sample.counts is None:
            raise CalibrationError(
                "the calibration has no joint templates; calibrate a study with 'binned_joint' "
                "among its methods"
            )
        workspace = self.study.joint_workspace
        return Templates(
            study=self.study,
            workspace=workspace,
            free_totals=workspace.frees_totals(self.study.ensemble.n_events_law),
            channels=("joint",),
            points=sample.points,
            counts=(sample.counts,),
        )

    def comparison(self) -> tuple[ResponseRow, ...]:
        """Truth, result and error of every number of the response."""
        true = Response.from_study(self.study)
        names = self.study.parameter_names
        rows = []
        for o, observable in enumerate(self.study.observable):
            errors = np.sqrt(np.maximum(np.diag(self.response_covariance[o]), 0.0))
            quantities = itertools.product(("mu", "sigma"), range(1 + len(names)))
            for (part, k), error in zip(quantities, errors, strict=True):
                rows.append(
                    ResponseRow(
                        observable=observable.name,
                        quantity=f"s_{part}({names[k - 1]})" if k else part,
                        truth=_number(true, part, o, k),
                        result=_number(self.response, part, o, k),
                        error=float(error),
                    )
                )
        return tuple(rows)

    def for_study(self, study: Study) -> Self:
        """This calibration for the toys of another study with the same parameters and observables.

        Args:
            study: The study to run.

        Raises:
            CalibrationError: If the studies differ in what the calibration depends on.
        """
        for key, depends in (
            ("parameter", {"name", "constraint"}),
            ("observable", set(Observable.model_fields) - {"label", "unit"}),
        ):
            mine, theirs = (
                [entry.model_dump(include=depends) for entry in getattr(one, key)]
                for one in (self.study, study)
            )
            if mine != theirs:
                raise CalibrationError(
                    f"the calibration was made for other values of '{key}' than study "
                    f"{study.name!r} has; calibrate that study"
                )
        if self.study.workspace.n_bins != study.workspace.n_bins:
            raise CalibrationError(
                f"the calibration has {self.study.workspace.n_bins} bins, study {study.name!r} "
                f"wants {study.workspace.n_bins}; calibrate that study"
            )
        self._check_points(study.parameter, study.name)
        if study.learns_correlation:
            keys = ["joint.binning", "joint_bins", "ensemble.dependence", "ensemble.correlation"]
            if study.learns.flow:
                keys += ["flow_settings.shape", "flow_settings.degree", "flow_order"]
            for key in keys:
                mine, theirs = (attrgetter(key)(one) for one in (self.study, study))
                if mine != theirs:
                    raise CalibrationError(
                        f"the calibration was made for {key.replace('flow_settings', 'flow')} = "
                        f"{mine}, study {study.name!r} has {theirs}; calibrate that study"
                    )
            for rho in study.ensemble.rho:
                self.joint_at(rho)
        settings = self.study.calibration.model_copy(update={"replicas": 1})
        return replace(self, study=study.model_copy(update={"calibration": settings}))

    def _check_points(self, parameters: Sequence[Parameter], name: str) -> None:
        for k, parameter in enumerate(parameters):
            there = self.points[~np.delete(self.points, k, axis=1).any(axis=1), k]
            for point in parameter.points:
                if point not in there:
                    raise CalibrationError(
                        f"the calibration has no point {parameter.name} = {point:g}, which study "
                        f"{name!r} asks for; calibrate that study"
                    )

    def subset(self, observables: Iterable[str]) -> Self:
        """This calibration for the study with some of its observables.

        What was learnt of the observables together is left out.

        Args:
            observables: Names.

        Raises:
            StudyError: If a name is unknown, or a free parameter would be left without slopes.
        """
        names = tuple(observables)
        chosen = list(self.study.observable_positions(names))
        return replace(
            self,
            study=self.study.subset(names),
            moments=self.moments[:, chosen],
            moment_errors=self.moment_errors[:, chosen],
            response=Response(*(np.asarray(part)[chosen] for part in self.response)),
            response_covariance=self.response_covariance[chosen],
            edges=tuple(self.edges[o] for o in chosen),
            counts=tuple(self.counts[o] for o in chosen),
            spectra=tuple(self.spectra[o] for o in chosen),
            joint=(),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; the histograms in the form of UHI."""
        return sealed(self._content())

    def _content(self) -> dict[str, Any]:
        return {
            "schema": _SCHEMA,
            "study": self.study.to_dict(),
            "points": self.points.tolist(),
            "labels": list(self.labels),
            "moments": self.moments.tolist(),
            "moment_errors": self.moment_errors.tolist(),
            "response": {k: np.asarray(v).tolist() for k, v in self.response._asdict().items()},
            "response_covariance": self.response_covariance.tolist(),
            "templates": {
                name: to_uhi(template)
                for name, template in zip(self.study.observable_names, self.templates, strict=True)
            },
            "spectra": {
                name: to_uhi(spectrum)
                for name, spectrum in zip(self.study.observable_names, self.spectra, strict=True)
            },
            "joint": [sample.to_dict() for sample in self.joint],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Args:
            data: What it gave.

        Raises:
            CalibrationError: If the data are no calibration.
            StudyError: If the study inside is not valid.
        """
        if data.get("schema") not in _READ:
            raise CalibrationError(
                f"no calibration: its schema is not {_SCHEMA!r}; 'pullfactory calibrate' writes one"
            )
        if not is_sealed(data):
            raise CalibrationError(
                "the calibration is damaged or was edited: its content does not match its sha256; "
                "write it again with 'pullfactory calibrate'"
            )
        with whole():
            return cls._of(Study.from_dict(data["study"], place="study of the calibration"), data)

    @classmethod
    def _of(cls, study: Study, data: Mapping[str, Any]) -> Self:
        names = study.observable_names
        n_obs, n_par = len(names), len(study.parameter)
        points = finite_array(data["points"], -1, n_par)
        templates, spectra = (
            tuple(from_uhi(data[key][name], len(points)) for name in names)
            for key in ("templates", "spectra")
        )
        sizes = {"mu": (n_obs,), "sigma": (n_obs,)}
        made = cls(
            study=study,
            points=points,
            moments=finite_array(data["moments"], len(points), n_obs, 2),
            moment_errors=finite_array(data["moment_errors"], len(points), n_obs, 2),
            response=Response(
                **{
                    k: finite_array(v, *sizes.get(k, (n_obs, n_par)))
                    for k, v in data["response"].items()
                }
            ),
            response_covariance=finite_array(
                data["response_covariance"], n_obs, 2 + 2 * n_par, 2 + 2 * n_par
            ),
            edges=tuple(np.asarray(template.axes[1].edges) for template in templates),
            counts=tuple(np.asarray(template.values()) for template in templates),
            spectra=spectra,
            joint=tuple(
                JointSample.from_dict(entry, n_obs, n_par) for entry in data.get("joint", ())
            ),
        )
        for sample in made.joint:
            refuse_foreign(study, made.response, sample.flow)
        return made

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read what `pullfactory calibrate` wrote.

        Args:
            path: The file.

        Raises:
            CalibrationError: If the file cannot be read or is no calibration.
        """
        try:
            data = json.loads(read_given(path))
        except OSError as error:
            raise CalibrationError(
                f"calibration file '{path}' cannot be read ({error.strerror}); "
                "'pullfactory calibrate' writes one"
            ) from None
        except (RecursionError, ValueError) as error:
            raise CalibrationError(
                f"calibration file '{path}' is no JSON ({error}); "
                "write it again with 'pullfactory calibrate'"
            ) from None
        return cls.from_dict(data if isinstance(data, dict) else {})


def _number(response: Response, part: str, observable: int, k: int) -> float:
    """The value at theta = 0 (k = 0) or a slope of one observable's location or scale."""
    if k == 0:
        return float(getattr(response, part)[observable])
    return float(getattr(response, f"{part}_slopes")[observable, k - 1])
