"""Single precision is refused wherever it was chosen, and before anything is computed."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import jax
import jax.numpy as jnp
import numpy as np
import pyhf
import pytest

import pullfactory as pf
from pullfactory import BinnedLikelihood, Study, _jax, build_method, calibrate, fit_toys
from pullfactory.errors import LikelihoodError
from pullfactory.fitting import fit_events, fit_minuit, throw_toys
from pullfactory.inference import bootstrap
from pullfactory.simulation.toys import draw_toys

STUDY = Study.preset("poster").with_settings(
    {"calibration.source": "exact", "ensemble.n_toys": 4, "ensemble.rho": [0.0]}
)
MODEL = pyhf.simplemodels.uncorrelated_background([5.0, 9.0], [50.0, 60.0], [7.0, 8.0])
REFUSED = r"double precision is off \(jax_enable_x64 = False\).*jax.config.update"


@contextmanager
def switched_off() -> Iterator[None]:
    """As another package would, for the whole process."""
    jax.config.update("jax_enable_x64", False)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]


@contextmanager
def off_in_a_block() -> Iterator[None]:
    with jax.enable_x64(False):
        yield


@pytest.fixture(scope="module")
def likelihood() -> BinnedLikelihood:
    return BinnedLikelihood.from_pyhf(MODEL)


@pytest.mark.parametrize("off", [switched_off, off_in_a_block])
@pytest.mark.parametrize(
    "verb",
    [
        lambda: calibrate(STUDY),
        lambda: pf.run(STUDY),
        lambda: pf.predict(STUDY),
        lambda: pf.select(STUDY),
        lambda: pf.closure(STUDY),
        lambda: pf.scan(STUDY, "ensemble.n_events", [100]),
        lambda: pf.bootstrap_toy(STUDY, replicas=4),
        lambda: pf.audit({}),
        lambda: BinnedLikelihood.from_pyhf(MODEL),
    ],
    ids=["calibrate", "run", "predict", "select", "closure", "scan", "bootstrap", "audit", "model"],
)
def test_every_verb_refuses(
    verb: Callable[[], object], off: Callable[[], AbstractContextManager[None]]
) -> None:
    with off(), pytest.raises(LikelihoodError, match=REFUSED):
        verb()


@pytest.mark.parametrize("off", [switched_off, off_in_a_block])
def test_every_evaluation_refuses(
    likelihood: BinnedLikelihood, off: Callable[[], AbstractContextManager[None]]
) -> None:
    """Those that have run in double precision before, and are compiled, too."""
    method = build_method("unbinned", calibrate(STUDY))
    block = draw_toys(STUDY, 0, 0.0)
    toys = throw_toys(likelihood, 4, 1)
    evaluations: list[Callable[[], object]] = [
        lambda: fit_toys(likelihood, toys.data),
        lambda: fit_minuit(likelihood, toys.data[0]),
        lambda: fit_events(method, block),
        lambda: bootstrap(method, block, replicas=2),
        lambda: throw_toys(likelihood, 4, 1),
        lambda: pf.run_toys(likelihood, 4, 1),
        lambda: likelihood.nll(likelihood.init, toys.data[0]),
        lambda: likelihood.expected(likelihood.init),
        lambda: likelihood.slopes(likelihood.init),
        lambda: likelihood.expansion(likelihood.init, toys.data[0]),
        lambda: likelihood.hessian(jnp.asarray(likelihood.init), toys.data[0]),
        lambda: method.scatter(np.zeros((1, 3)), method.observe(block).pairs),
    ]
    evaluations[0]()
    with off():
        for evaluate in evaluations:
            with pytest.raises(LikelihoodError, match=REFUSED):
                evaluate()
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(evaluations[0])
            if off is switched_off:
                with pytest.raises(LikelihoodError, match=REFUSED):
                    done.result()
            else:  # the block belongs to the thread that entered it
                assert done.result()
    assert np.all(fit_toys(likelihood, toys.data).status <= pf.FitStatus.AT_BOUND)


def test_an_option_that_jax_does_not_know_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    known = _jax._options.__wrapped__()
    assert known == _jax._QUICK
    monkeypatch.setattr(_jax, "_QUICK", {"xla_no_such_option": False})
    assert _jax._options.__wrapped__() == {}


def test_compiled_functions_are_parts_of_others() -> None:
    double = _jax.jit(lambda x: 2.0 * x)
    assert jax.jit(lambda x: double(x) + 1.0)(3.0) == 7.0
    assert jax.grad(double)(3.0) == 2.0
    assert jax.vmap(double)(jnp.ones(2)).tolist() == [2.0, 2.0]
    assert double(3.0) == 6.0
