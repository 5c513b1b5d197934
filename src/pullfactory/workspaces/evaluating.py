"""Rates of a workspace at many points, as pyhf computes them all at once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import printable
from pullfactory.workspaces._pyhf import PYHF_LOCK, pyhf


def evaluate_rates(
    spec: Mapping[str, Any], values: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Expected counts of all bins; nothing is compiled, nor compared with the schema.

    Args:
        spec: A workspace of a form that pyhf knows to be valid.
        values: At least one parameter by its name, each of shape (points,), as the model has them;
            others keep their initial values, and those that the model lacks are left out.

    Returns:
        Shape (points, bins), channels in the order of the model.
    """
    points = len(next(iter(values.values())))
    with _numpy_backend():
        workspace = pyhf.Workspace(spec, validate=False)
        first = workspace.measurement_names[0]
        model = workspace.model(
            measurement_name=first, poi_name=None, validate=False, batch_size=points
        )
        theta = np.tile(np.array(model.config.suggested_init(), dtype=np.float64), (points, 1))
        for k, name in enumerate(map(printable, model.config.par_names)):
            if name in values:
                theta[:, k] = values[name]
        return np.asarray(model.main_model.expected_data(theta), dtype=np.float64)


@contextmanager
def _numpy_backend() -> Iterator[None]:
    """Select pyhf's NumPy backend in double precision; restore the caller's on the way out."""
    with PYHF_LOCK:
        backend, optimizer = pyhf.get_backend()
        if (backend.name, backend.precision) == ("numpy", "64b"):
            yield
            return
        try:
            pyhf.set_backend("numpy", precision="64b")
            yield
        finally:
            pyhf.set_backend(backend, optimizer)
