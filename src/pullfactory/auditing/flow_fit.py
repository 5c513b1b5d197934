"""The joint fit of an audit by a flow, told: expected errors, verdict, and the fit of the data.

What is judged is a flow of half of the events of each sample, by the other half, which it has not
seen: the flow that is fitted has seen all. Their shapes are the same but for noise, which that of
half has 1.4 times as much of.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Self

import numpy as np

from pullfactory.auditing.densities import UnbinnedModel
from pullfactory.auditing.flow import FlowModel, flow_likelihood, learn_half
from pullfactory.auditing.flow_errors import predict_flow
from pullfactory.auditing.flow_rows import FlowFit, FlowRow
from pullfactory.auditing.measurement import DataFit
from pullfactory.auditing.model import AuditModel
from pullfactory.auditing.prediction import PredictedErrors
from pullfactory.errors import CalibrationError, EventsError
from pullfactory.flows.described import described_maps
from pullfactory.inference.density_answer import Judged
from pullfactory.inference.density_sums import Ensemble
from pullfactory.inference.density_verdict import judge_density
from pullfactory.inference.judgement import TOLERATED_BIAS
from pullfactory.methods import FLOW
from pullfactory.methods.flow import FREEDOM
from pullfactory.settings.sections import FlowSettings

_MOST = 2**20  # events of a point that a flow is judged by


class AuditFlow(NamedTuple):
    """The flow of an audit.

    Attributes:
        model: The flow; None where there is none.
        fit: What is told of it.
    """

    model: FlowModel | None
    fit: FlowFit

    @classmethod
    def of(
        cls, audit: AuditModel, unbinned: UnbinnedModel | None, product: Mapping[str, float]
    ) -> Self:
        """Learn the flow that an audit asks for, and tell what is expected of its fits.

        Args:
            audit: The samples.
            unbinned: Densities of the observables, if they are known.
            product: Actual errors of the product of the observables by parameter.
        """
        try:
            model = FlowModel.learn(audit, unbinned)
            errors = predict_flow(model)
        except (CalibrationError, EventsError) as error:
            return cls(None, FlowFit(reason=str(error)))
        told = FlowFit(
            reason=None,
            maps=tuple(described_maps(model.learnt)),
            events=model.number,
            coefficients=len(np.asarray(model.density.free)),
            rows=tuple(_rows(model, errors, product)),
        )
        return cls(model, _judged(model, told))

    def told(self, data: Sequence[DataFit]) -> FlowFit:
        """What is told of it, with its fit of the data.

        Args:
            data: The fit, if there is one.
        """
        if not data:
            return self.fit
        (fit,) = data
        rows = tuple(
            replace(
                row,
                estimate=own["estimate"],
                error=own["claimed_error"],
                sandwich_error=own["sandwich_error"],
                bootstrap_error=own["bootstrap_error"],
                bootstrap_error_error=own["bootstrap_error_error"],
            )
            for row, own in zip(self.fit.rows, fit.estimates(), strict=True)
        )
        return replace(self.fit, status=fit.status, rows=rows)


def _rows(
    model: FlowModel, found: PredictedErrors, product: Mapping[str, float]
) -> Iterator[FlowRow]:
    claimed, actual = found.errors
    nominal = model.events.points[0].number
    for k, name in enumerate(found.parameters):
        noise = float(found.template[k])
        wanted = nominal * (noise / (TOLERATED_BIAS * float(claimed[k]))) ** 2
        yield FlowRow(
            parameter=name,
            claimed_error=float(claimed[k]),
            claimed_error_error=float(found.claimed_error[k]),
            actual_error=float(actual[k]),
            actual_error_error=float(found.actual_error[k]),
            width=float(actual[k] / claimed[k]),
            width_error=float(found.width_error[k]),
            product_error=product.get(name),
            sample_noise=noise,
            simulated_events=wanted,
        )


def _judged(model: FlowModel, told: FlowFit) -> FlowFit:
    """With the verdict on a flow of half of the events."""
    config = model.audit.expected.config
    n_events = max(round(model.audit.expected.n_events), 1)
    try:
        half = learn_half(model)
    except CalibrationError as error:
        return replace(told, answer="cannot tell", cause=f"of half of the events: {error}")
    likelihood = flow_likelihood(config, half.learnt.density)
    settings = config.flow or FlowSettings()
    judged = Judged(
        method=FLOW.name,
        rho=np.nan,
        observables=config.observable_names,
        ensemble=Ensemble(n_events, likelihood.constraint, likelihood.constraint),
        reach=np.array([0.0 if one.free else 1.0 for one in config.parameter]),
        learnt_from=half.events,
        freedom=FREEDOM[settings.shape],
    )
    samples = [point.first(_MOST).held_out for point in half.held_out]
    verdict = judge_density(likelihood, samples, judged)
    if verdict.answer == "cannot tell":
        verdict = replace(verdict, reason=f"{verdict.reason}, half of those of each sample")
    return told.judged(verdict, half.events)
