"""What the finite number of nominal events does to the estimates."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory.auditing import (
    AuditModel,
    ErrorModel,
    Expected,
    build_audit_workspace,
    predict_errors,
    read_events,
)
from pullfactory.settings.audit import AuditConfig

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
            "optimal": False,  # tests of their own
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
    model = AuditModel.of(expected, build_audit_workspace(expected))
    predicted = predict_errors(ErrorModel.of(model))
    shift, rate = predicted.template
    effective = read.samples["nominal"].check.effective
    assert rate == pytest.approx(noise * np.sqrt(N_SIMULATED / effective), abs=1e-6)
    claimed = predicted.errors[0][0]
    assert shift == pytest.approx(claimed * np.sqrt(N_EVENTS / effective), rel=0.2)


def test_noise_in_slopes_is_what_the_information_has_too_much() -> None:
    """With it taken off, small samples have the information of large ones on average."""
    rng = np.random.default_rng(3)

    def events(n: int, mean: float) -> dict[str, NDArray[np.float64]]:
        return {"x": mean + rng.standard_normal(n)}

    config = AuditConfig.from_dict(
        {
            "name": "noise",
            "poi": "t",
            "optimal": False,  # tests of their own
            "parameter": [{"name": "t", "constraint": "free"}],
            "observable": [{"name": "x", "edges": np.linspace(-2, 2, 9).tolist()}],
            "samples": {
                "nominal": {"in_memory": True, "events": 100.0},
                "t": {"up": {"in_memory": True}, "down": {"in_memory": True}},
            },
        }
    )
    nominal = events(100_000, 0.0)

    def information(n: int) -> tuple[float, float]:
        samples = {"nominal": nominal, "t.up": events(n, 0.3), "t.down": events(n, -0.3)}
        expected = Expected.of(config, read_events(config, samples))
        roles = ("nominal", "t.up", "t.down")
        rates, up, down = (expected.sample(role).template(0) for role in roles)
        return float(np.sum((up - down) ** 2 / 4 / rates)), expected.noise_in_slopes()["t"]

    large, part = information(100_000)
    assert part < 0.01
    totals, parts = np.array([information(400) for _ in range(64)]).T
    corrected = totals * (1 - parts)
    # The mean of 64 has an eighth of their spread as standard error; three of them.
    assert abs(corrected.mean() - large) < 3 * corrected.std(ddof=1) / 8
    assert totals.mean() - large > 3 * totals.std(ddof=1) / 8
