"""Every figure of a run, for any study."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pullfactory import FitBatch, FitStatus, Study, calibrate
from pullfactory.inference import PullSums
from pullfactory.progress import Advance
from pullfactory.report.drawing import write_figures
from pullfactory.report.poster import make_figures
from pullfactory.report.style import figure_style
from pullfactory.settings.fields import FIGURE_FORMATS

Sums = dict[tuple[float, str], PullSums]


def draw_sums(study: Study, status: FitStatus = FitStatus.CONVERGED) -> Sums:
    """Sums over unit Gaussian pulls."""
    toys, pars = 50, len(study.parameter)
    rng = np.random.default_rng(7)

    def one() -> PullSums:
        estimate = rng.standard_normal((toys, pars))
        fits = FitBatch(
            parameters=study.parameter_names,
            estimate=estimate,
            covariance=np.tile(np.eye(pars), (toys, 1, 1)),
            nll=np.zeros(toys),
            status=np.full(toys, status, dtype=np.int8),
        )
        return PullSums.of(fits, np.zeros_like(estimate))

    return {(rho, method): one() for rho in study.ensemble.rho for method in study.methods}


def names(files: Iterable[Path]) -> set[str]:
    return {file.stem for file in files}


def test_every_figure_is_written(tiny_study: Study, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "figures"
    calibration, sums = calibrate(tiny_study), draw_sums(tiny_study)
    drawn: list[int] = []

    @contextmanager
    def progress(stage: str, total: int) -> Iterator[Advance]:
        assert (stage, total) == ("figures", 13)
        yield drawn.append

    files = write_figures(
        folder,
        lambda: make_figures(study=tiny_study, calibration=calibration, sums=sums),
        ("png", "svg"),
        progress=progress,
    )
    assert drawn == [1] * 13
    assert names(files) == {
        "joint_distribution",
        "calibration_m_t",
        "calibration_m_W",
        "templates_m_t",
        "templates_m_W",
        "response",
        "pulls_unbinned",
        "pull_ecdf_unbinned",
        "pulls_binned",
        "pull_ecdf_binned",
        "pull_width",
        "pull_mean",
        "repair",
    }
    assert sorted({file.suffix for file in files}) == [".png", ".svg"]
    assert set(files) == set(folder.iterdir())


@pytest.fixture(scope="module")
def one() -> Study:
    """One of everything."""
    return Study.from_dict(
        {
            "name": "one",
            "poi": "strength",
            "methods": ["binned"],
            "ensemble": {"rho": [0.0]},
            "calibration": {"source": "exact"},
            "parameter": [{"name": "strength"}],
            "observable": [
                {"name": "x", "mu": -1.0, "sigma": 0.1, "mu_slopes": {"strength": 0.05}}
            ],
        }
    )


def test_one_of_everything_and_no_pulls(one: Study, tmp_path: Path) -> None:
    sums = draw_sums(one, FitStatus.NON_FINITE)
    figures = make_figures(study=one, calibration=calibrate(one), sums=sums)
    files = write_figures(tmp_path, lambda: figures, ("png",))
    assert names(files) == {
        "calibration_x",
        "templates_x",
        "response",
        "pulls_binned",
        "pull_ecdf_binned",
        "pull_width",
        "pull_mean",
        "repair",
    }


def test_same_numbers_give_the_same_files(one: Study, tmp_path: Path) -> None:
    figures = make_figures(study=one, calibration=calibrate(one), sums=draw_sums(one))
    first, second = (
        write_figures(tmp_path / name, lambda: figures, FIGURE_FORMATS)
        for name in ("first", "second")
    )
    for file, again in zip(first, second, strict=True):
        assert file.read_bytes() == again.read_bytes(), file.name


@pytest.fixture(scope="module")
def four() -> Study:
    """Four observables, four parameters, no units, not every correlation possible."""
    observables = [
        {"name": f"x{i}", "mu": 10.0, "sigma": 1.0, "mu_slopes": {f"p{i}": 0.02}} for i in range(4)
    ]
    return Study.from_dict(
        {
            "name": "four",
            "poi": "p0",
            "ensemble": {
                "rho": [0.0, 0.3],
                "correlation": (2.0 * np.eye(4) - 1.0).tolist(),
            },
            "calibration": {"source": "exact", "grid": "needed"},
            "parameter": [{"name": f"p{i}"} for i in range(4)],
            "observable": observables,
        }
    )


def test_four_observables_and_parameters(four: Study) -> None:
    figures = make_figures(study=four, calibration=calibrate(four), sums=draw_sums(four))
    assert {f"calibration_x{i}" for i in range(4)} < set(figures)
    with figure_style():
        assert len(figures["pull_width"].draw().axes) == 4
        assert len(figures["response"].draw().axes) == 8
        joint = figures["joint_distribution"].draw().axes
    assert len(joint) == 6 * 2 * 2  # pairs, values of rho, panel and colour bar
    titles = [ax.get_title(loc="left")[-3:] for ax in joint]
    assert titles.count("0.3") == 6  # 0.5 would not be positive definite


@pytest.mark.parametrize("scan", [(0.4,), (-0.6, -0.3, 0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)])
def test_pull_distributions_span_the_scan(tiny_study: Study, scan: tuple[float, ...]) -> None:
    study = tiny_study.with_settings({"ensemble.rho": scan, "methods": ["unbinned"]})
    figures = make_figures(study=study, calibration=calibrate(study), sums=draw_sums(study))
    with figure_style():
        legend = figures["pulls_unbinned"].draw().axes[0].get_legend()
    assert legend is not None
    texts = [text.get_text().replace("\N{MINUS SIGN}", "-") for text in legend.get_texts()]
    shown = [float(text.split(":")[0]) for text in texts[1:]]
    assert shown == sorted(shown)
    assert {min(scan), max(scan)} <= set(shown) <= set(scan)
    assert len(shown) == min(len(scan), 4)
