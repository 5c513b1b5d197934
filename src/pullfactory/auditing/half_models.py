"""Models of halves of the simulated events."""

from dataclasses import dataclass
from functools import cached_property

from pullfactory.auditing.expected import Expected
from pullfactory.auditing.model import AuditModel, audit_likelihood
from pullfactory.auditing.templates import build_audit_workspace


@dataclass(frozen=True, kw_only=True, eq=False)
class HalfModels:
    """Models of an audit from halves of its events, which are made when they are first wanted.

    Attributes:
        model: From all events; gives the smoothing.
    """

    model: AuditModel

    @cached_property
    def pairs(self) -> tuple[tuple[AuditModel, AuditModel], ...]:
        """Of both halves, for every way to halve the events.

        Raises:
            CalibrationError: If a bin of a half has nothing expected.
        """
        return tuple(
            (self._model(one), self._model(other)) for one, other in self.model.expected.halves()
        )

    def _model(self, half: Expected) -> AuditModel:
        config, smoothing = half.config, self.model.smoothing
        likelihood = audit_likelihood(
            build_audit_workspace(half, smoothing=smoothing),
            config.parameter,
            constrained=config.workspace.mass_constraint,
            validate=False,
        )
        return AuditModel(expected=half, likelihood=likelihood, smoothing=smoothing)
