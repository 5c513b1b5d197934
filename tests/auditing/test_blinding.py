"""Blinded audits: no estimate anywhere, the same offset everywhere, and back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import pullfactory as pf
from pullfactory.auditing.blinding import blind_offset
from pullfactory.cli import cli
from pullfactory.errors import OutputError
from pullfactory.settings.audit import AuditConfig
from tests.auditing.fit_models import config, data, simulated, table

QUICK = {"replicas": 20, "toys.n_toys": 0, "figures": []}


@pytest.fixture(scope="module")
def tables() -> dict[str, Any]:
    rng = np.random.default_rng(4)
    found: dict[str, Any] = simulated(rng, 20_000, 2, 0.5, 0.0)
    return found | {"data": table(data(rng, 2, 0.5, 1000.0, tune=5.0))}


def asked(**settings: Any) -> AuditConfig:
    whole = config(2, 1000.0, 0.0) | {"optimal": True}
    return AuditConfig.from_dict(whole).with_settings(QUICK | settings)


@pytest.fixture(scope="module")
def shown(tables: dict[str, Any]) -> pf.AuditResult:
    return pf.audit(asked(), tables)


@pytest.fixture(scope="module")
def hidden(tables: dict[str, Any]) -> pf.AuditResult:
    return pf.audit(asked(blind=True), tables)


def estimates(result: pf.AuditResult) -> dict[str, list[float]]:
    """By parameter, of the binned and the unbinned fit, and of their optimal combinations."""
    found: dict[str, list[float]] = {}
    for fit in result.data:
        for row in fit.estimates:
            found.setdefault(row["parameter"], []).append(row["estimate"])
    for combined in result.optimal:
        for one in combined.rows:
            assert one.estimate is not None
            found.setdefault(one.parameter, []).append(one.estimate)
    return found


def test_the_offset_is_that_of_names_and_seed() -> None:
    again = {blind_offset(asked(replicas=30, blind=True), "m"), blind_offset(asked(), "m")}
    others = {
        blind_offset(asked(), "tune"),
        blind_offset(asked(seed=1), "m"),
        blind_offset(asked(name="other"), "m"),
    }
    assert len(again) == 1
    assert len(others | again) == 4


def test_offsets_are_several_steps_wide() -> None:
    """Uniform in ten steps to either side, whose standard deviation is 10 / sqrt(3)."""
    found = [blind_offset(asked(seed=seed), "m") for seed in range(400)]
    assert np.std(found) == pytest.approx(10 / np.sqrt(3), rel=4 * np.sqrt(0.8 / 4 / 400))
    assert np.abs(found).max() < 10


@pytest.mark.slow
def test_every_fit_has_the_same_offset(shown: pf.AuditResult, hidden: pf.AuditResult) -> None:
    true, told = estimates(shown), estimates(hidden)
    assert len(true["m"]) == 4  # the unbinned fit too, and what combines them
    for name, values in true.items():
        offset = blind_offset(shown.config, name)
        assert np.subtract(told[name], values) == pytest.approx([offset] * len(values))


@pytest.mark.slow
def test_errors_factors_and_goodness_are_shown(
    shown: pf.AuditResult, hidden: pf.AuditResult
) -> None:
    assert hidden.rows == shown.rows
    assert hidden.goodness == shown.goodness
    for one, other in zip(hidden.data, shown.data, strict=True):
        assert (one.column("claimed_error") == other.column("claimed_error")).all()


@pytest.mark.slow
def test_unblinded_it_is_as_if_it_never_had_been(
    shown: pf.AuditResult, hidden: pf.AuditResult, tmp_path: Path
) -> None:
    read = pf.AuditResult.read(hidden.write(tmp_path / "hidden"))
    for result in (hidden, read):
        found = result.unblinded()
        assert found.config == shown.config
        for one, other in zip(found.data, shown.data, strict=True):
            assert one.column("estimate") == pytest.approx(other.column("estimate"))
            for mine, theirs in zip(one.channels, other.channels, strict=True):
                assert mine.before == pytest.approx(theirs.before)
        for fit, right in zip(found.optimal, shown.optimal, strict=True):
            for own, true in zip(fit.rows, right.rows, strict=True):
                assert own.estimate == pytest.approx(true.estimate)
                assert own.to_dict().keys() == true.to_dict().keys()
        rows, wanted = (one.summary()["data"][0]["estimates"] for one in (found, shown))
        assert [row.keys() for row in rows] == [row.keys() for row in wanted]
    assert shown.unblinded().summary() == shown.summary()


@pytest.mark.slow
def test_no_file_has_an_estimate(
    shown: pf.AuditResult, hidden: pf.AuditResult, tmp_path: Path
) -> None:
    folder = hidden.write(tmp_path / "hidden", figures=("png",))
    assert any(one.cause == "pulled" for one in hidden.gate)
    texts = [path.read_text() for path in folder.rglob("*") if path.suffix not in (".png", "")]
    for values in estimates(shown).values():
        for value in values:
            assert not any(f"{abs(value):.6f}" in text for text in texts)
    summary = hidden.summary()
    assert all(row["blinded"] for fit in summary["data"] for row in fit["estimates"])
    assert all(channel["before"] is None for channel in summary["data"][0]["channels"])


@pytest.mark.slow
def test_everything_says_that_it_is_blinded(hidden: pf.AuditResult, tmp_path: Path) -> None:
    folder = hidden.write(tmp_path / "hidden")
    assert "Blinded" in hidden.title
    assert "estimate (blinded)" in (folder / "report.html").read_text()
    assert "(blinded)</title>" in (folder / "report.html").read_text()
    assert "blinded" in (folder / "tables" / "data.csv").read_text().splitlines()[0]


@pytest.mark.slow
def test_a_folder_stays_blinded_until_it_is_asked_for(
    tables: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for role, columns in tables.items():
        np.savez(f"{role}.npz", **columns)
    content = asked().with_settings({"toys.unbinned": "none", "replicas": 10}).to_dict()
    for role in ("nominal", "data"):
        content["samples"][role] |= {"in_memory": False, "files": [f"{role}.npz"]}
    for side in ("up", "down"):
        content["samples"]["m"][side] = {"files": [f"m.{side}.npz"]}
    Path("fit.toml").write_text(AuditConfig.from_dict(content).to_toml())

    def run(*options: str) -> tuple[bool, str]:
        done = CliRunner().invoke(cli, ["audit", "fit.toml", *options])
        assert done.exit_code == 0, done.output
        return pf.AuditResult.read("results/fit").config.blind, done.stderr

    assert not run()[0]
    blind, told = run("--blind")
    assert blind
    assert "blinded" not in told
    blind, told = run()
    assert blind
    assert "'results/fit' is blinded, and stays so; --unblind ends that" in told
    blind, told = run("--unblind")
    assert not blind
    assert "blinded" not in told
    assert not run()[0]


@pytest.mark.slow
def test_a_blinded_folder_takes_no_open_result_unless_it_is_asked_for(
    shown: pf.AuditResult, hidden: pf.AuditResult, tmp_path: Path
) -> None:
    folder = hidden.write(tmp_path / "out", figures=())
    with pytest.raises(OutputError, match="is blinded, and stays so"):
        shown.write(folder, figures=())
    hidden.unblinded().write(folder, figures=())
    shown.write(folder, figures=())
