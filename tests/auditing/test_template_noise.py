"""What the finite number of nominal events does to the estimates."""

from typing import Any

import numpy as np
import pytest

from pullfactory.auditing import (
    AuditConfig,
    ErrorModel,
    Expected,
    audit_likelihood,
    build_audit_workspace,
    predict_errors,
    read_events,
)

N_SIMULATED, N_EVENTS = 10_000, 1000.0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("yields", "noise"), [({"scale": N_EVENTS / N_SIMULATED}, 0.01), ({"events": N_EVENTS}, 0.0)]
)
def test_a_given_number_of_events_is_no_noise(
    yields: dict[str, float], noise: float, weighted: bool
) -> None:
    rng = np.random.default_rng(1)
    weight = rng.exponential(size=N_SIMULATED) if weighted else np.ones(N_SIMULATED)
    weight /= weight.mean()
    x, y = rng.standard_normal((2, N_SIMULATED))
    nominal: dict[str, Any] = {"in_memory": True, "norm": "free", **yields}
    config = AuditConfig.from_dict(
        {
            "name": "noise",
            "poi": "shift",
            "weight": "w",
            "replicas": 10,
            "workspace": {"n_bins": 8},
            "joint": {"n_bins": 0},
            "parameter": [{"name": "shift", "constraint": "free"}],
            "observable": [{"name": "x"}, {"name": "y"}],
            "samples": {
                "nominal": nominal,
                "shift": {
                    "up": {"observables": {"x": "x + 0.1"}},
                    "down": {"observables": {"x": "x - 0.1"}},
                },
            },
        }
    )
    read = read_events(config, {"nominal": {"x": x, "y": y, "w": weight}})
    expected = Expected.of(config, read)
    likelihood = audit_likelihood(build_audit_workspace(expected), expected)
    predicted = predict_errors(ErrorModel.of(expected, likelihood))
    shift, rate = predicted.template
    effective = read.samples["nominal"].check.effective
    assert rate == pytest.approx(noise * np.sqrt(N_SIMULATED / effective), abs=1e-6)
    claimed = predicted.errors[0][0]
    assert shift == pytest.approx(claimed * np.sqrt(N_EVENTS / effective), rel=0.2)
