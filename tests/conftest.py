"""What many tests need: a study that runs in a moment, and the command line."""

import gc
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

import numpy as np
import pytest
from numpy.typing import NDArray

import pullfactory as pf
from pullfactory import Study
from pullfactory.cli import main

# Workers, commands and notebooks compile the same programs, and keep them in one place. JAX reads
# this when it is loaded, which is later.
_CACHE = Path(__file__).parents[1] / "build" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ.setdefault("NPROC", "1")  # of XLA's threads: pytest's workers are side by side already
_MOST_MAPS = 30_000  # Linux allows 65 530, and aborts the process that needs more


@pytest.fixture(scope="module", autouse=True)
def _bounded_programs() -> Iterator[None]:
    """Forget compiled programs before the system has no maps of memory left for more."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and len(maps.read_bytes().splitlines()) > _MOST_MAPS:
        import jax

        jax.clear_caches()  # type: ignore[no-untyped-call]
        gc.collect()


@pytest.fixture(scope="session")
def tiny_study() -> Study:
    """The poster study, small and without calibration noise."""
    return Study.preset("poster").with_settings(
        {
            "name": "tiny",
            "ensemble.n_toys": 16,
            "ensemble.n_events": 200,
            "ensemble.rho": [0.0, 0.5],
            "calibration.source": "exact",
        }
    )


@pytest.fixture(scope="session")
def study_file(tmp_path_factory: pytest.TempPathFactory, tiny_study: Study) -> Path:
    path = tmp_path_factory.mktemp("study") / "tiny.toml"
    path.write_text(tiny_study.to_toml())
    return path


@pytest.fixture(scope="session")
def tiny_audit() -> "pf.AuditResult":
    """An audit of two observables, with a background, toys and data."""
    rng = np.random.default_rng(1)

    def events(n: int, mass: float, width: float = 10.0) -> dict[str, NDArray[np.float64]]:
        shared = rng.standard_normal(n)
        m_t, m_w = 0.5 * shared + 0.87 * rng.standard_normal((2, n))
        return {"m_t": 172.0 + mass + width * m_t, "m_W": 83.0 + 7.0 * m_w}

    up, down = ({"observables": {o: f"{o} * {f}" for o in ("m_t", "m_W")}} for f in (1.01, 0.99))
    memory = {"in_memory": True}
    return pf.audit(
        {
            "name": "tiny_audit",
            "poi": "m_t",
            "replicas": 20,
            "workspace": {"n_bins": 5},
            "joint": {"n_bins": 3},
            "toys": {"n_toys": 16, "unbinned": "none"},
            "parameter": [
                {"name": "m_t", "unit": "GeV", "constraint": "free", "label": r"$\Delta m$"},
                {"name": "JSF"},
            ],
            "observable": [
                {"name": "m_t", "unit": "GeV", "label": r"$m_\mathrm{t}$"},
                {"name": "m_W", "unit": "GeV", "label": r"$m_\mathrm{W}$"},
            ],
            "samples": {
                "nominal": {**memory, "events": 1000.0, "norm": 0.05},
                "m_t": {"up": memory, "down": memory},
                "JSF": {"up": up, "down": down},
                "background": {
                    "w_jets": {**memory, "events": 100.0, "JSF": {"up": up, "down": down}}
                },
                "data": memory,
            },
        },
        {
            "nominal": events(20_000, 0.0),
            "m_t.up": events(20_000, 1.0),
            "m_t.down": events(20_000, -1.0),
            "background.w_jets": events(5_000, -20.0, 25.0),
            "data": {
                name: np.concatenate([one, other])
                for (name, one), other in zip(
                    events(1_000, 0.0).items(), events(100, -20.0, 25.0).values(), strict=True
                )
            },
        },
    )


@pytest.fixture(scope="session")
def invoke() -> Callable[..., CompletedProcess[str]]:
    """Runs the command line in this process, as a terminal would."""

    def run(*arguments: object) -> CompletedProcess[str]:
        command = ["pullfactory", *map(str, arguments)]
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
        with (
            patch.object(sys, "argv", command),
            redirect_stdout(streams[0]),
            redirect_stderr(streams[1]),
            pytest.raises(SystemExit) as ending,
        ):
            main()
        code = ending.value.code
        assert isinstance(code, int)
        for stream in streams:
            stream.seek(0)
        return CompletedProcess(command, code, *(stream.read() for stream in streams))

    return run
