"""Toys of any workspace."""

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pyhf
import pytest

from pullfactory import BinnedLikelihood, FitStatus, fit_toys, throw_toys
from pullfactory.errors import LikelihoodError, WorkspaceError
from pullfactory.fitting import fit_minuit
from pullfactory.runs.toys import run_toys

TOYS = 100


@pytest.fixture(scope="module")
def likelihood(seven: pyhf.Workspace) -> BinnedLikelihood:
    return BinnedLikelihood.from_pyhf(seven)


@pytest.fixture(scope="module")
def quick(small: pyhf.Workspace) -> BinnedLikelihood:
    """For fits whose number of bins does not matter."""
    return BinnedLikelihood.from_pyhf(small)


def _single(data: list[float], modifiers: list[dict[str, Any]], **parameter: Any) -> pyhf.Model:
    """One channel, one sample, and settings of the parameter `mu`."""
    spec = {
        "channels": [
            {
                "name": "SR",
                "samples": [{"name": "s", "data": data, "modifiers": modifiers}],
            }
        ],
        "parameters": [{"name": "mu", **parameter}] if parameter else [],
    }
    names = {modifier["name"] for modifier in modifiers}
    return pyhf.Model(spec, poi_name="mu" if "mu" in names else None)


MU = {"name": "mu", "type": "normfactor", "data": None}


def test_nll_is_minus_the_logpdf_of_pyhf(
    seven: pyhf.Workspace, likelihood: BinnedLikelihood
) -> None:
    model = seven.model()
    rng = np.random.default_rng(2)
    data = np.asarray(seven.data(model))
    assert np.allclose(likelihood.observed, data)
    for _ in range(5):
        theta = np.clip(
            likelihood.init + 0.1 * rng.standard_normal(len(likelihood.init)),
            *likelihood.limits.T,
        )
        expected = -float(model.logpdf(theta, data)[0])
        assert float(likelihood.nll(theta, data)) == pytest.approx(expected, rel=1e-11)
        rates = np.concatenate([likelihood.expected(theta), likelihood.expected_aux(theta)])
        assert np.allclose(rates, model.expected_data(theta))


@pytest.mark.slow
@pytest.mark.parametrize("which", ["seven", "large"])
def test_against_pyhf_with_minuit(which: str, request: pytest.FixtureRequest) -> None:
    """The minimum is never above Minuit's; where Minuit is valid, the numbers are its own.

    pyhf's Minuit limits errors at bounds, so toys with a parameter at one are left out there.
    """
    workspace = request.getfixturevalue(which)
    model = workspace.model()
    found = BinnedLikelihood.from_pyhf(workspace)
    toys = 40 if which == "seven" else 8
    thrown = throw_toys(found, toys, seed=3)
    fits = fit_toys(found, thrown.data)
    assert np.all(fits.status <= FitStatus.AT_BOUND)
    before = pyhf.get_backend()
    pyhf.set_backend("jax", pyhf.optimize.minuit_optimizer(tolerance=1e-3, strategy=1))
    compared = 0
    try:
        for toy, row in enumerate(thrown.data):
            reference, twice_nll, answer = pyhf.infer.mle.fit(
                row,
                model,
                return_uncertainties=True,
                return_fitted_val=True,
                return_result_obj=True,
            )
            assert 2 * fits.nll[toy] <= float(twice_nll) + 1e-3
            if fits.status[toy] == FitStatus.CONVERGED and answer.minuit.valid:
                estimate, error = np.asarray(reference).T
                assert np.all(np.abs(fits.estimate[toy] - estimate) < 0.02 * error)
                assert np.all(np.abs(fits.error[toy] / error - 1) < 0.02)
                compared += 1
    finally:
        pyhf.set_backend(*before)
    assert compared > toys / 2


def test_fixed_ensemble_draws_as_pyhf_defines(likelihood: BinnedLikelihood) -> None:
    """Means and variances of 20 000 toys: Poisson and Gaussian, each within five errors."""
    n = 20_000
    thrown = throw_toys(likelihood, n, seed=5)
    assert np.all(thrown.truth == likelihood.init)
    main = likelihood.n_main
    rates = np.asarray(likelihood.expected(likelihood.init))
    aux = np.asarray(likelihood.expected_aux(likelihood.init))
    poisson = np.array([True] * main + list(likelihood.aux_poisson))
    mean = np.concatenate([rates, aux])
    variance = np.where(poisson, mean, np.concatenate([np.ones(main), likelihood.aux_sigma**2]))
    assert np.all(np.abs(thrown.data.mean(axis=0) - mean) < 5 * np.sqrt(variance / n))
    excess = np.divide(1.0, mean, out=np.zeros_like(mean), where=poisson)
    spread = np.sqrt((2 + excess) / n)  # of a sample variance
    assert np.all(np.abs(thrown.data.var(axis=0) / variance - 1) < 5 * spread)


def test_prior_ensemble_draws_parameters(likelihood: BinnedLikelihood) -> None:
    n = 20_000
    thrown = throw_toys(likelihood, n, seed=5, ensemble="prior")
    main = likelihood.n_main
    assert np.all(thrown.data[:, main:] == likelihood.observed[main:])
    for term, k in enumerate(likelihood.aux_index):
        truth = thrown.truth[:, k]
        if likelihood.aux_poisson[term]:
            width = 1 / np.sqrt(likelihood.aux_factor[term])
        else:
            width = likelihood.aux_sigma[term]
        assert abs(truth.mean() - likelihood.init[k]) < 5 * width / np.sqrt(n)
        assert abs(truth.std() / width - 1) < 5 / np.sqrt(n)
    free = [k for k in range(len(likelihood.names)) if k not in likelihood.aux_index]
    assert np.all(thrown.truth[:, free] == likelihood.init[free])


def test_toys_are_the_first_of_more(likelihood: BinnedLikelihood) -> None:
    more = throw_toys(likelihood, 300, seed=1)
    assert np.array_equal(throw_toys(likelihood, 5, seed=1).data, more.data[:5])
    assert not np.array_equal(throw_toys(likelihood, 5, seed=2).data, more.data[:5])


@pytest.mark.slow
@pytest.mark.parametrize("ensemble", ["fixed", "prior"])
def test_pulls_have_unit_width(likelihood: BinnedLikelihood, ensemble: Any) -> None:
    """2000 toys: widths known to 0.016, 29 of them; five errors."""
    result = run_toys(likelihood, 2000, 7, ensemble=ensemble)
    assert result.failed_fraction < 0.01
    for row in result.pulls:
        assert row.pulls.width is not None
        assert abs(row.pulls.width - 1) < 5 * 0.016, row


def test_workers_do_not_matter(quick: BinnedLikelihood) -> None:
    one = run_toys(quick, 300, 7, workers=1)
    two = run_toys(quick, 300, 7, workers=2)
    assert one.toys.read().equals(two.toys.read())
    assert one.pulls == two.pulls


def test_truth_by_name_and_by_fit(small: pyhf.Workspace, quick: BinnedLikelihood) -> None:
    named = throw_toys(quick, 3, seed=1, truth={"mu": 2.0, "shape": 0.5})
    values = dict(zip(quick.names, named.truth[0], strict=True))
    assert (values["mu"], values["shape[0]"], values["shape[1]"]) == (2.0, 0.5, 0.5)
    fitted = throw_toys(quick, 3, seed=1, truth="fit").truth[0]
    reference = fit_toys(quick, quick.observed[None]).estimate[0]
    assert np.array_equal(fitted, reference)
    bare = BinnedLikelihood.from_pyhf(small.model())
    with pytest.raises(LikelihoodError, match="needs observations"):
        throw_toys(bare, 3, seed=1, truth="fit")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_toys": 0}, "n_toys = 0 must be at least 1"),
        ({"truth": {"nothing": 1.0}}, "'nothing' is no parameter of the model; known: .*mu"),
        ({"truth": {"mu": 99.0}}, r"'mu' = 99 is outside its bounds \[0, 10\]"),
        ({"truth": "guess"}, "'guess' is not 'init', 'fit'"),
        ({"seed": -1}, "seed = -1 must be 0 or more"),
        ({"ensemble": "priors"}, "'priors' is neither 'fixed' nor 'prior'"),
    ],
)
def test_bad_toys_are_refused(
    likelihood: BinnedLikelihood, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(LikelihoodError, match=message):
        throw_toys(likelihood, **{"n_toys": 3, "seed": 1, **arguments})


# --- fixing and freeing -------------------------------------------------------------------------


def test_fixed_parameters_stay_and_free_ones_lose_their_constraint(
    quick: BinnedLikelihood,
) -> None:
    thrown = throw_toys(quick, 8, seed=1)
    held = fit_toys(quick.fix({"lumi": 1.01, "shape": None}), thrown.data)
    names = quick.names
    assert np.all(held.estimate[:, names.index("lumi")] == 1.01)
    assert np.all(np.isnan(held.error[:, names.index("shape[1]")]))
    plain = fit_toys(quick, thrown.data)
    freed = fit_toys(quick.free(["syst0"]), thrown.data)
    k = names.index("syst0")
    good = (freed.status == FitStatus.CONVERGED) & (plain.status == FitStatus.CONVERGED)
    assert good.any()
    assert np.all(freed.error[good, k] > plain.error[good, k])
    with pytest.raises(LikelihoodError, match="'mu' has no constraint"):
        quick.free(["mu"])
    with pytest.raises(LikelihoodError, match="outside its bounds"):
        quick.fix({"mu": -3.0})


def test_parameters_fixed_in_the_measurement() -> None:
    model = _single([50.0], [MU, {"name": "k", "type": "normfactor", "data": None}], fixed=True)
    found = BinnedLikelihood.from_pyhf(model)
    result = run_toys(found, 64, 1)
    assert result.parameters == ("k",)
    assert result.status["converged"] == 64
    with pytest.raises(LikelihoodError, match="every parameter is fixed"):
        run_toys(found.fix({"k": None}), 5, 1)


# --- awkward models -----------------------------------------------------------------------------


def test_best_fit_at_its_bound() -> None:
    """Signal strength with no signal: half of the toys end at 0, the background fits on."""
    spec = {
        "channels": [
            {
                "name": "SR",
                "samples": [
                    {"name": "s", "data": [5.0, 10.0], "modifiers": [MU]},
                    {
                        "name": "b",
                        "data": [50.0, 60.0],
                        "modifiers": [
                            {"name": "k", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
                        ],
                    },
                ],
            }
        ]
    }
    found = BinnedLikelihood.from_pyhf(pyhf.Model(spec, poi_name="mu"))
    result = run_toys(found, 400, 3, truth={"mu": 0.0})
    at_bound = result.status["at_bound"]
    assert abs(at_bound - 200) < 4 * 10  # binomial, sqrt(400 / 4)
    pulls = {row.pulls.parameter: row.pulls for row in result.pulls}
    assert pulls["mu"].n_at_bound == at_bound
    assert pulls["k"].n_at_bound == 0
    assert pulls["k"].n_failed == 0


def test_fits_without_errors_are_named() -> None:
    """Bounds nearer than the error: no fit between them tells the parameter."""
    near = {"name": "mu", "bounds": [[0.99, 1.01]], "inits": [1.0]}
    spec = _single([50.0, 60.0], [MU]).spec
    model = pyhf.Model({"channels": spec["channels"], "parameters": [near]}, poi_name="mu")
    result = run_toys(BinnedLikelihood.from_pyhf(model), 16, 1)
    assert result.status["not_positive_definite"] + result.status["at_bound"] == 16
    assert result.status["not_positive_definite"] > 0
    assert result.pulls[0].pulls.width is None
    table = result.toys.read()
    assert table["error"].null_count == table.num_rows


def test_empty_bin() -> None:
    """A bin without prediction and without counts takes no part."""
    model = _single([0.0, 100.0], [MU])
    result = run_toys(BinnedLikelihood.from_pyhf(model), 64, 1)
    assert result.status["converged"] == 64


def test_rates_that_cross_zero() -> None:
    """Nominal rate 0.2 and a large histosys: the log has a pole, the fit no hang."""
    modifiers: list[dict[str, Any]] = [
        MU,
        {
            "name": "k",
            "type": "histosys",
            "data": {"hi_data": [0.8, 55.0, 40.0], "lo_data": [0.05, 45.0, 60.0]},
        },
    ]
    result = run_toys(BinnedLikelihood.from_pyhf(_single([0.2, 50.0, 50.0], modifiers)), 200, 1)
    assert sum(result.status.values()) == 200
    assert result.failed_fraction < 0.05
    assert "NaN" not in str(result.summary())


FOLDED = {
    "name": "fold",
    "type": "histosys",
    "data": {"hi_data": [320.0, 215.0, 75.0], "lo_data": [316.0, 214.0, 79.0]},
}
ONE_SIDED = {
    "name": "side",
    "type": "histosys",
    "data": {"hi_data": [300.0, 225.0, 125.0], "lo_data": [300.0, 200.0, 100.0]},
}
STRAIGHT = {"name": "straight", "type": "normsys", "data": {"hi": 1.2, "lo": 0.85}}


def test_lower_of_two_minima() -> None:
    """Up and down move the rates alike: never above the best of Minuit from each side."""
    model = _single([300.0, 200.0, 100.0], [MU, FOLDED, ONE_SIDED, STRAIGHT])
    found = BinnedLikelihood.from_pyhf(model).fix({"straight": 0.0})
    positions = tuple(found.names.index(name) for name in ("fold", "side"))
    assert found.folded == tuple(sorted(positions))
    assert found.fix({"fold": 0.0}).folded == positions[1:]
    data = throw_toys(found, 16, seed=4, ensemble="prior").data
    fits = fit_toys(found, data)
    assert np.all(fits.status == FitStatus.CONVERGED)
    for toy, row in enumerate(data):
        best = np.inf
        for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            start = found.init.copy()
            start[list(positions)] = signs
            best = min(best, fit_minuit(found, row, start=start).nll)
        assert fits.nll[toy] <= best + 5e-4
    one_side = fit_toys(replace(found, one_sided=np.zeros_like(found.held)), data)
    assert np.any(one_side.nll > fits.nll + 5e-4)
    others = fit_toys(found, data[[3, *[0] * 15]])
    assert np.allclose(others.estimate[:2], fits.estimate[[3, 0]], atol=1e-6)


def test_negative_rate_at_the_truth_is_refused() -> None:
    modifiers = [{"name": "k", "type": "histosys", "data": {"hi_data": [3.0], "lo_data": [-1.0]}}]
    found = BinnedLikelihood.from_pyhf(_single([1.0], modifiers))
    with pytest.raises(LikelihoodError, match="channel 'SR', bin 0: expected rate -"):
        throw_toys(found, 3, seed=1, truth={"k": -3.0})


def test_model_without_poi() -> None:
    model = _single(
        [40.0, 60.0], [{"name": "k", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}]
    )
    found = BinnedLikelihood.from_pyhf(model)
    assert found.poi is None
    assert run_toys(found, 64, 1).status["converged"] == 64


@pytest.mark.parametrize(
    "codes",
    [
        ("code1", "code0"),
        pytest.param(("code4", "code2"), marks=pytest.mark.slow),
        pytest.param(("code1", "code4p"), marks=pytest.mark.slow),
    ],
)
def test_interpolation_codes(small: pyhf.Workspace, codes: tuple[str, str]) -> None:
    """Rates are pyhf's; minima never above Minuit's; errors as Minuit's away from the kinks."""
    settings = dict(zip(("normsys", "histosys"), codes, strict=True))
    found = BinnedLikelihood.from_pyhf(small, modifier_settings=settings)
    model = small.model(modifier_settings={k: {"interpcode": v} for k, v in settings.items()})
    assert (len(found.kinked) > 0) == ("code1" in codes or "code0" in codes)
    theta = found.init + 0.3
    assert np.allclose(found.expected(theta), model.expected_data(theta, include_auxdata=False))
    thrown = throw_toys(found, 10, seed=1)
    fits = fit_toys(found, thrown.data)
    before = pyhf.get_backend()
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3, strategy=1))
    compared = 0
    try:
        for toy, row in enumerate(thrown.data):
            if fits.status[toy] > FitStatus.AT_BOUND:
                continue
            reference, twice_nll = pyhf.infer.mle.fit(
                row, model, return_uncertainties=True, return_fitted_val=True
            )
            assert 2 * fits.nll[toy] <= float(twice_nll) + 1e-3
            away = np.all(np.abs(fits.estimate[toy][list(found.kinked)]) > 0.1)
            if fits.status[toy] == FitStatus.CONVERGED and away:
                estimate, error = np.asarray(reference).T
                assert np.all(np.abs(fits.estimate[toy] - estimate) < 0.02 * error)
                assert np.all(np.abs(fits.error[toy] / error - 1) < 0.02)
                compared += 1
    finally:
        pyhf.set_backend(*before)
    assert compared >= 3


def test_unknown_measurement_and_code(seven: pyhf.Workspace) -> None:
    with pytest.raises(WorkspaceError, match="'other' is not in the workspace; known: meas"):
        BinnedLikelihood.from_pyhf(seven, measurement="other")
    with pytest.raises(WorkspaceError, match="normsys=code9 is unknown; normsys: code1, code4"):
        BinnedLikelihood.from_pyhf(seven, modifier_settings={"normsys": "code9"})


# --- the caller's pyhf --------------------------------------------------------------------------


def test_backend_and_optimizer_survive_threads_and_errors(seven: pyhf.Workspace) -> None:
    before = pyhf.get_backend()
    optimizer = pyhf.optimize.minuit_optimizer()
    pyhf.set_backend("numpy", optimizer)
    broken = seven.model()
    broken.main_model.expected_data = None
    seen: list[bool] = []

    def work(good: bool) -> None:
        for _ in range(3):
            if good:
                BinnedLikelihood.from_pyhf(seven)
                seen.append(True)
            else:
                with pytest.raises(TypeError):
                    BinnedLikelihood.from_pyhf(broken)
                seen.append(False)

    try:
        threads = [threading.Thread(target=work, args=(i % 2 == 0,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert pyhf.get_backend()[0].name == "numpy"
        assert pyhf.get_backend()[1] is optimizer
    finally:
        pyhf.set_backend(*before)
    assert sorted(seen) == [False] * 9 + [True] * 9


def test_held_parameters_stay_at_their_value_whatever_the_truth() -> None:
    """Fitted at mu = 1 while the truth is 3, the other factor makes up for it."""
    spec = {
        "channels": [
            {
                "name": "SR",
                "samples": [
                    {"name": "s", "data": [100.0], "modifiers": [MU]},
                    {
                        "name": "b",
                        "data": [100.0],
                        "modifiers": [{"name": "k", "type": "normfactor", "data": None}],
                    },
                ],
            }
        ]
    }
    found = BinnedLikelihood.from_pyhf(pyhf.Model(spec, poi_name="mu")).fix({"mu": 1.0})
    pulls = run_toys(found, 64, 1, truth={"mu": 3.0}).pulls[0].pulls
    assert pulls.parameter == "k"
    assert pulls.bias == pytest.approx(2.0, abs=4 * 0.2 / 8)  # sqrt(400) / 100 a toy, 64 toys


def test_truth_of_a_drawn_parameter_is_refused(likelihood: BinnedLikelihood) -> None:
    with pytest.raises(LikelihoodError, match="'lumi' is drawn from its constraint"):
        throw_toys(likelihood, 3, seed=1, truth={"lumi": 1.1}, ensemble="prior")
