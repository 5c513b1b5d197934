"""A flow of another package, flowjax, as a method: fitted, predicted, and judged as any density."""

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pullfactory as pf
from pullfactory.calibration.held_out import held_out_events
from tests.likelihoods.true_density import RHO, true_response

flowjax = pytest.importorskip("flowjax")

EPOCHS = int(os.environ.get("EPOCHS", "8"))
STUDY = pf.Study.preset("poster").with_settings(
    {
        "name": "flowjax",
        "calibration.source": "exact",
        "ensemble.n_toys": 64,
        "ensemble.n_events": 200,
        "ensemble.rho": [RHO],
        "methods": ["unbinned_joint"],
    }
)


def trained() -> Any:
    """An autoregressive flow of two layers in calibrated coordinates, from 20 000 events."""
    from flowjax.distributions import Normal
    from flowjax.flows import masked_autoregressive_flow
    from flowjax.train import fit_to_data

    (sample,) = held_out_events(STUDY.with_settings({"seed": 7}), RHO, np.zeros((1, 3)), 20_000)
    location, scale = true_response(np.zeros(3))
    key, other = jax.random.split(jax.random.key(1))
    flow = masked_autoregressive_flow(
        key, base_dist=Normal(jnp.zeros(2)), flow_layers=2, nn_width=16
    )
    flow, _ = fit_to_data(
        other,
        flow,
        (sample.events - location) / scale,
        max_epochs=EPOCHS,
        batch_size=500,
        learning_rate=3e-3,
        show_progress=False,
    )
    return flow


@pytest.mark.slow
def test_a_flow_of_flowjax_is_a_method() -> None:
    """Beside the true Gaussian copula, in toys and by the verdict.

    Of 20 000 events the noise alone shifts estimates of 200 events by 0.1 of an error.
    """
    flow = trained()

    def log_prob(x: jax.Array, theta: jax.Array) -> jax.Array:
        location, scale = true_response(theta)
        return jnp.asarray(flow.log_prob((x - location) / scale) - jnp.log(scale).sum())

    given = pf.density_method(log_prob, name="flowjax", events=20_000)
    result = pf.run(STUDY, methods=["unbinned_joint", given])
    widths = result.pulls.to_pandas().pivot(index="parameter", columns="method", values="width")
    np.testing.assert_allclose(widths["flowjax"], widths["unbinned_joint"], rtol=0.1)
    (verdict,) = pf.closure(STUDY, methods=[given], points=1).densities
    assert verdict.answer in ("closes", "does not close", "cannot tell"), verdict.reason
    assert verdict.left_out == ()
    for row in verdict.levels:
        assert abs(row.level) < 0.3 + 3 * row.level_error
        assert row.width == pytest.approx(1.0, abs=0.05)
        assert row.excess < 1.05 + 3 * row.excess_error
