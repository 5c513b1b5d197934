"""One-sided variations: what is not given is the mirror image, in shape and in rate."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory import AuditConfig, AuditResult, audit
from pullfactory.auditing import Expected, read_events
from pullfactory.errors import CalibrationError, StudyError

Table = dict[str, NDArray[Any]]

CONFIG: dict[str, Any] = {
    "name": "mirror",
    "poi": "m",
    "optimal": False,  # tests of their own
    "weight": "w",
    "replicas": 50,
    "workspace": {"n_bins": 8},
    "joint": {"n_bins": 3},
    "toys": {"n_toys": 0, "unbinned": "none"},
    "parameter": [
        {"name": "m", "constraint": "free", "bounds": [-30.0, 30.0]},
        {"name": "r", "symmetrise": True},
    ],
    "observable": [{"name": "x"}, {"name": "y"}],
    "samples": {
        "nominal": {"in_memory": True, "events": 900.0},
        "m": {"up": {"observables": {"x": "x + 1"}}, "down": {"observables": {"x": "x - 1"}}},
        "r": {"up": {"weight": "w * (1.1 + 0.01 * (y - 50))"}},
        "background": {
            "b": {
                "in_memory": True,
                "events": 100.0,
                "r": {"up": {"weight": "w * (1 + 0.02 * (y - 50))"}},
            }
        },
    },
}
# Linear in the weight, the mirror image is another weight of the same events.
MIRRORED = {
    "r": "w * (0.9 - 0.01 * (y - 50))",
    "b": "w * (1 - 0.02 * (y - 50))",
}


def events(seed: int, n: int = 20_000, mean: float = 100.0) -> Table:
    """Weighted events of two correlated observables."""
    rng = np.random.default_rng(seed)
    u, v = rng.standard_normal((2, n))
    return {
        "x": mean + 10 * u,
        "y": 50 + 5 * (0.5 * u + 0.87 * v),
        "w": rng.normal(1.0, 0.2, n),
    }


GIVEN: dict[str, Table] = {"nominal": events(1), "background.b": events(2, mean=115.0)}


def by_hand() -> dict[str, Any]:
    """The same with samples down that are the mirror image."""
    config = copy.deepcopy(CONFIG)
    config["parameter"][1].pop("symmetrise")
    config["samples"]["r"]["down"] = {"weight": MIRRORED["r"]}
    config["samples"]["background"]["b"]["r"]["down"] = {"weight": MIRRORED["b"]}
    return config


@pytest.fixture(scope="module")
def mirrored() -> AuditResult:
    """The audit with a mirror image."""
    return audit(CONFIG, GIVEN)


@pytest.fixture(scope="module")
def two_sided() -> AuditResult:
    """The audit with the same samples made by hand."""
    return audit(by_hand(), GIVEN)


def numbers(spec: Any) -> list[float]:
    """All numbers of a workspace, in its order."""
    if isinstance(spec, dict):
        return [n for key in sorted(spec) for n in numbers(spec[key])]
    if isinstance(spec, list):
        return [n for one in spec for n in numbers(one)]
    return [float(spec)] if isinstance(spec, int | float) else []


@pytest.mark.parametrize("which", ["workspace", "joint_workspace"])
def test_workspaces_are_those_made_by_hand(
    mirrored: AuditResult, two_sided: AuditResult, which: str
) -> None:
    """To the rounding of sums over 20 000 events."""
    one, other = numbers(getattr(mirrored, which)), numbers(getattr(two_sided, which))
    assert len(one) == len(other) > 20
    np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)


def test_errors_are_those_of_the_mirror_image(
    mirrored: AuditResult, two_sided: AuditResult
) -> None:
    for one, other in zip(mirrored.rows, two_sided.rows, strict=True):
        for key in ("claimed_error", "actual_error", "claimed_error_error", "inflate_by_error"):
            assert getattr(one, key) == pytest.approx(getattr(other, key), rel=1e-7)
    for row, its in zip(mirrored.closure, two_sided.closure, strict=True):
        assert row.bias == pytest.approx(its.bias, rel=1e-5)


def test_response_is_mirrored(mirrored: AuditResult) -> None:
    rates = {r.role: r.difference for r in mirrored.response if r.quantity == "rate"}
    assert rates["r.down"] == pytest.approx(-rates["r.up"], rel=1e-12)
    assert rates["background.b.r.down"] == pytest.approx(-rates["background.b.r.up"], rel=1e-9)
    assert "r.down" in mirrored.templates[0].axes[0]
    assert not mirrored.warnings


def test_variance_of_a_mirror_image() -> None:
    """As of events weighted by 0.9 - 0.01 (y - 50): from 128 groups, which know it to 6 %."""
    templates = []
    for config in (CONFIG, by_hand()):
        checked = AuditConfig.from_dict(config)
        expected = Expected.of(checked, read_events(checked, GIVEN))
        templates.append(expected.at({"r": -1})[0].variance(0))
    ratio = np.sqrt(templates[0] / templates[1])
    np.testing.assert_allclose(ratio, 1.0, atol=4 / np.sqrt(2 * 127))


def test_down_alone_is_mirrored_up() -> None:
    config = copy.deepcopy(CONFIG)
    for samples in (config["samples"], config["samples"]["background"]["b"]):
        samples["r"] = {"down": samples["r"]["up"]}
    checked = AuditConfig.from_dict(config)
    expected = Expected.of(checked, read_events(checked, GIVEN))
    up, nominal, down = (
        np.stack([point.template(1) for point in expected.at(steps)])
        for steps in ({"r": 1}, {}, {"r": -1})
    )
    np.testing.assert_allclose(up + down, 2 * nominal, rtol=1e-12)


def test_samples_of_their_own_events_are_mirrored_with_their_noise() -> None:
    """Half the difference is up - nominal: the noise of both is in it."""
    config = copy.deepcopy(CONFIG)
    config["samples"]["r"] = {"up": {"in_memory": True, "same_events": False}}
    config["samples"]["background"]["b"].pop("r")
    moved = events(3)
    moved["y"] = moved["y"] + 1.0
    checked = AuditConfig.from_dict(config)
    given: dict[str, object] = {**GIVEN, "r.up": moved}
    expected = Expected.of(checked, read_events(checked, given))
    nominal, up = (expected.sample(role) for role in ("nominal", "r.up"))
    noise = information = 0.0
    for o in range(2):
        rates = np.sum([point.template(o) for point in expected.at({})], axis=0)
        noise += float(np.sum((up.variance(o) + nominal.variance(o)) / rates))
        information += float(np.sum((up.template(o) - nominal.template(o)) ** 2 / rates))
    assert expected.noise_in_slopes() == {"r": pytest.approx(noise / information, rel=1e-9)}


def test_both_sides_given_is_told() -> None:
    config = by_hand()
    config["parameter"][1]["symmetrise"] = True
    config["samples"]["r"]["down"]["weight"] = "w * 3"  # not looked at
    result = audit(config, GIVEN)
    places = [one.place for one in result.gate if one.cause == "mirrored"]
    assert places == ["samples.r.down", "samples.background.b.r.down"]
    whole = audit(CONFIG, GIVEN)
    assert [r.claimed_error for r in result.rows] == [r.claimed_error for r in whole.rows]


def test_one_side_alone_is_refused_without_it() -> None:
    config = copy.deepcopy(CONFIG)
    config["parameter"][1].pop("symmetrise")
    remedy = r"samples\.r\.down: missing; add it, or set parameter\.r\.symmetrise = true"
    with pytest.raises(StudyError, match=remedy):
        AuditConfig.from_dict(config)


def test_from_toml_and_by_setting(tmp_path: Path) -> None:
    text = AuditConfig.from_dict(CONFIG).to_toml()
    assert "symmetrise = true" in text
    (tmp_path / "audit.toml").write_text(text)
    config = AuditConfig.from_toml(tmp_path / "audit.toml")
    assert config == AuditConfig.from_dict(CONFIG)
    both = AuditConfig.from_dict(by_hand()).with_settings({"parameter.r.symmetrise": True})
    assert both.sample_set.unused == ("r.down", "background.b.r.down")


def test_unbinned_fit_with_a_mirror_image() -> None:
    """A shift by 2 is a location that is mirrored exactly; only one process, which is normal."""
    config: dict[str, Any] = copy.deepcopy(CONFIG)
    config["toys"] = {"n_toys": 0, "unbinned": "declared"}
    config["observable"] = [{"name": "x", "density": "normal"}, {"name": "y", "density": "normal"}]
    config["samples"].pop("background")
    config["samples"]["r"] = {"up": {"observables": {"y": "y + 0.5", "x": "x - 0.5"}}}
    hand = copy.deepcopy(config)
    hand["parameter"][1].pop("symmetrise")
    hand["samples"]["r"]["down"] = {"observables": {"y": "y - 0.5", "x": "x + 0.5"}}
    given = {"nominal": GIVEN["nominal"]}
    found, wanted = (
        [row for row in audit(one, given).rows if row.method == "unbinned"]
        for one in (config, hand)
    )
    assert len(found) == len(wanted) == 2
    for one, other in zip(found, wanted, strict=True):
        assert one.claimed_error == pytest.approx(other.claimed_error, rel=1e-9)
        assert one.actual_error == pytest.approx(other.actual_error, rel=1e-9)


def test_two_steps_at_once() -> None:
    """m.up.r.down is 2 m.up - m.up.r.up."""
    config = copy.deepcopy(CONFIG)
    config["workspace"]["morphing"] = "additive_cross"
    config["samples"]["background"]["b"].pop("r")
    config["samples"]["r"] = {"up": {"observables": {"y": "y + 0.5"}}}
    checked = AuditConfig.from_dict(config)
    expected = Expected.of(checked, read_events(checked, GIVEN))
    at = {
        (m, r): expected.at({k: v for k, v in (("m", m), ("r", r)) if v})[0].template(1)
        for m in (-1, 0, 1)
        for r in (-1, 0, 1)
    }
    for m in (-1, 0, 1):
        np.testing.assert_allclose(at[m, -1], 2 * at[m, 0] - at[m, 1], rtol=1e-12)
    assert audit(config, GIVEN).rows


def test_an_image_without_events_in_a_bin_is_refused_by_products() -> None:
    config = copy.deepcopy(CONFIG)
    config["workspace"]["morphing"] = "multiplicative"
    config["samples"]["r"]["up"]["weight"] = "w * where(y > 55, 3, 1)"
    with pytest.raises(CalibrationError, match="not positive"):
        audit(config, GIVEN)
