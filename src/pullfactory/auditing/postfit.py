"""Rates of each process at a point of the model."""

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.model import AuditModel
from pullfactory.auditing.templates import build_audit_workspace
from pullfactory.workspaces._pyhf import PYHF_LOCK, pyhf


def process_rates(model: AuditModel, theta: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Rates of the bins by process, as pyhf has them; they add up to those of the likelihood.

    Args:
        model: Of the observables taken as independent.
        theta: Parameters of its likelihood, shape (parameters,), in their units.

    Returns:
        Shape (bins,) each, in the order of the configuration.
    """
    names = [process.name for process in model.expected.processes]
    spec = build_audit_workspace(model.expected)
    with PYHF_LOCK:
        program = pyhf.Workspace(spec, validate=False).model(validate=False)
        by_sample = np.asarray(
            program.main_model.expected_data(
                (theta / model.likelihood.units).tolist(), return_by_sample=True
            ),
            dtype=np.float64,
        )
        samples = program.config.samples
    found = {name: np.zeros(by_sample.shape[1]) for name in names}
    for sample, rates in zip(samples, by_sample, strict=True):
        found[_owner(sample, names)] += rates
    return found


def _owner(sample: str, names: list[str]) -> str:
    """The process that a sample of a workspace belongs to; some have one for each parameter."""
    return max((name for name in names if f"{sample}_".startswith(f"{name}_")), key=len)
