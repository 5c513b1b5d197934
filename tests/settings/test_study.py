"""The study: read from TOML, changed by settings, written back."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pullfactory import Study
from pullfactory.errors import StudyError
from pullfactory.settings.toml import parse_value

AS_DESIGNED = """
name = "poster"
seed = 20240912
poi = "m_t"
methods = ["unbinned", "binned"]

[ensemble]
n_toys = 4000            # per rho
n_events = 2000          # per toy
n_events_law = "fixed"   # or "poisson"
truth = "prior"          # or "fixed"
rho = [-0.6, -0.3, 0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9]
dependence = "linear"    # or "gaussian_copula"

[calibration]
source = "simulated"     # or "exact"
events_per_point = 1_000_000

[workspace]
process = "ttbar"
morphing = "additive_cross"
mass = "auto"            # normfactor for additive kinds, wide for multiplicative
n_bins = 20              # equal population, outer bins open
staterror = false

[[parameter]]
name = "m_t"
unit = "GeV"
constraint = "free"      # or "normal"
truth_sigma = 0.33

[[parameter]]
name = "JSF"

[[parameter]]
name = "JRF"

[[observable]]
name = "m_t"
density = "normal"
mu = 171.8
sigma = 10.4
mu_slopes = {m_t = 0.0058, JSF = 0.0046, JRF = 0.0005}
sigma_slopes = {m_t = 0.008, JSF = 0.0095, JRF = 0.02}

[[observable]]
name = "m_W"
density = "normal"
mu = 83.3
sigma = 6.8
mu_slopes = {m_t = 0.0003, JSF = 0.0053, JRF = 0.0016}
sigma_slopes = {m_t = 0, JSF = 0.0074, JRF = 0.02}
"""


def without_texts(study: Study) -> dict[str, Any]:
    """A study's content but for labels and units, which no number depends on."""
    content = study.to_dict()
    for entry in (*content["parameter"], *content["observable"]):
        entry.pop("label")
        entry.pop("unit")
    return content


# --- reading ---------------------------------------------------------------------------------


def test_study_file_as_designed_is_the_poster(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(AS_DESIGNED)
    assert without_texts(Study.from_toml(file)) == without_texts(Study.preset("poster"))


def test_presets() -> None:
    assert Study.presets() == ("ljets", "poster", "poster_constrained")
    assert not Study.preset("poster").constrained[0]
    assert Study.preset("poster_constrained").constrained.all()


def test_file_from_an_editor_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_bytes(b"\xef\xbb\xbf" + AS_DESIGNED.replace("\n", "\r\n").encode())
    assert Study.from_toml(file).name == "poster"


def test_whole_numbers_serve_as_floats_and_the_reverse() -> None:
    study = Study.preset().with_settings({"ensemble.n_toys": 2e3, "observable.m_t.mu": 172})
    assert (study.ensemble.n_toys, study.observable[0].mu) == (2000, 172.0)
    assert isinstance(study.ensemble.n_toys, int)
    assert isinstance(study.observable[0].mu, float)


def test_study_is_frozen(tiny_study: Study) -> None:
    with pytest.raises(ValueError, match="frozen"):
        tiny_study.ensemble.n_toys = 3  # type: ignore[misc]


# --- changing --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5000", 5000),
        ("-0.5", -0.5),
        ("true", True),
        ("fixed", "fixed"),
        ('"0.5"', "0.5"),
        ("0,0.5", [0, 0.5]),
        ("-0.6, 0, 0.5", [-0.6, 0, 0.5]),
        ("[0, 0.5]", [0, 0.5]),
        ("unbinned,binned", ["unbinned", "binned"]),
        ("{JSF = 0.1}", {"JSF": 0.1}),
        ("", ""),
    ],
)
def test_value_on_the_command_line(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_settings_reach_every_place(tiny_study: Study) -> None:
    changes = Study.parse_settings(
        [
            "seed=3",
            "ensemble.truth=fixed",
            "ensemble.rho=0.5",
            "methods=binned",
            "parameter.m_t.truth_sigma=1.5",
            "parameter.JSF.bounds=-5,5",
            "observable.m_W.density=bifurcated_normal",
            "observable.m_W.shape.sigma_ratio=1.2",
            "observable.m_W.mu_slopes.JSF=0.1",
            r"observable.m_t.label=$m_\mathrm{t}$",
            "observable.m_t.edges=150,170,190",
        ]
    )
    study = tiny_study.with_settings(changes)
    assert (study.seed, study.ensemble.truth, study.methods) == (3, "fixed", ("binned",))
    assert study.ensemble.rho == (0.5,)
    assert study.parameter[0].truth_sigma == 1.5
    assert study.parameter[1].bounds == (-5.0, 5.0)
    top, w = study.observable
    assert (w.density, w.shape) == ("bifurcated_normal", {"sigma_ratio": 1.2})
    assert w.mu_slopes["JSF"] == 0.1
    assert top.label == r"$m_\mathrm{t}$"
    assert top.edges == (150.0, 170.0, 190.0)


def test_settings_leave_the_rest_and_the_original_alone(tiny_study: Study) -> None:
    before = tiny_study.to_dict()
    changed = tiny_study.with_settings({"ensemble.n_toys": 17})
    assert tiny_study.to_dict() == before
    assert changed.with_settings({"ensemble.n_toys": 16}) == tiny_study


def test_settings_take_arrays(tiny_study: Study) -> None:
    study = tiny_study.with_settings({"ensemble.rho": np.linspace(0.0, 0.5, 3)})
    assert study.ensemble.rho == (0.0, 0.25, 0.5)
    assert Study.from_toml_text(study.to_toml()) == study


@pytest.mark.parametrize(
    "key",
    ["ensembel.n_toys", "parameter.m_top.unit", "observable.m_t.mu.x", "parameter.0.unit", "."],
)
def test_setting_that_names_nothing_is_refused(tiny_study: Study, key: str) -> None:
    with pytest.raises(StudyError, match=f"{re.escape(repr(key))} names nothing in the study"):
        tiny_study.with_settings({key: 1})


# --- what the other rooms ask ----------------------------------------------------------------


def test_digest_follows_the_content(tiny_study: Study) -> None:
    assert tiny_study.sha256 == Study.from_dict(tiny_study.to_dict()).sha256
    assert tiny_study.sha256 != tiny_study.with_settings({"seed": 1}).sha256


def test_rho_scales_the_correlation_matrix(tiny_study: Study) -> None:
    study = tiny_study.with_settings({"ensemble.correlation": [[1, -0.5], [-0.5, 1]]})
    np.testing.assert_array_equal(study.correlation(0.5), [[1, -0.25], [-0.25, 1]])
    np.testing.assert_array_equal(tiny_study.correlation(0.5), [[1, 0.5], [0.5, 1]])
    factor = study.cholesky(0.5)
    np.testing.assert_allclose(factor @ factor.T, study.correlation(0.5), rtol=1e-15)


# --- writing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", Study.presets())
def test_written_preset_reads_back(name: str) -> None:
    study = Study.preset(name)
    assert Study.from_toml_text(study.to_toml()) == study


@pytest.mark.parametrize("name", Study.presets())
def test_written_study_has_every_key_and_a_comment_on_each(name: str) -> None:
    study = Study.preset(name)
    lines = study.to_toml().splitlines()
    keys = [re.match(r"(?:# )?(\w+) = ", line) for line in lines]
    for previous, line, key in zip(["", *lines], lines, keys, strict=False):
        if key:
            assert "  # " in line or previous.startswith("# "), f"{line!r} has no comment"
    found = {key[1] for key in keys if key}
    models = (study, study.ensemble, study.calibration, study.workspace, study.joint)
    entries = (*models, study.parameter[0], study.observable[0])
    tables = {"ensemble", "calibration", "workspace", "joint", "parameter", "observable"}
    assert found == {key for model in entries for key in type(model).model_fields} - tables
    assert max(map(len, lines)) <= 100


def test_absent_keys_are_examples_that_can_be_uncommented(tiny_study: Study) -> None:
    text = re.sub(r"# ((?:n_bins|correlation) = )", r"\1", tiny_study.to_toml())
    study = Study.from_toml_text(text)
    assert {observable.n_bins for observable in study.observable} == {10}
    assert study.ensemble.correlation == ((1.0, 0.5), (0.5, 1.0))
    text = re.sub(r"# (edges = )", r"\1", tiny_study.to_toml())
    assert len(Study.from_toml_text(text).observable[0].edges or ()) == 3


def test_latex_is_written_as_it_is(tiny_study: Study) -> None:
    assert r"label = '$\Delta m_\mathrm{t}$'" in tiny_study.to_toml()


def test_long_values_are_wrapped(tiny_study: Study) -> None:
    names = [f"nuisance_parameter_number_{k}" for k in range(5)]
    edges = [round(100 + 0.1 * k, 1) for k in range(60)]
    study = tiny_study.with_settings(
        {
            "parameter": [*tiny_study.to_dict()["parameter"], *({"name": name} for name in names)],
            "observable.m_t.edges": edges,
            **{f"observable.m_t.mu_slopes.{name}": 1e-3 for name in names},
        }
    )
    text = study.to_toml()
    assert max(map(len, text.splitlines())) <= 100
    assert Study.from_toml_text(text) == study


finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=1e-100, max_value=1e100)
measured = st.floats(-1e12, 1e12)
slopes = st.floats(min_value=-0.99, max_value=0.99)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,30}", fullmatch=True)
printed = st.text().filter(lambda text: "$" not in text and text.isprintable())
texts = printed | st.sampled_from(
    [r"$\Delta m_\mathrm{t}$", r"it's $\mu'$", 'a "quoted" \\ text', "'''", "10 % # \\"]
)
shapes: dict[str, dict[str, st.SearchStrategy[float]]] = {
    "normal": {},
    "bifurcated_normal": {"sigma_ratio": st.floats(0.5, 2.0)},
    "voigt": {"gamma": st.floats(0.1, 2.0)},
    "crystal_ball": {
        "alpha_low": st.floats(1.0, 2.0),
        "n_low": st.floats(4.0, 9.0),
        "alpha_high": st.floats(1.0, 2.0),
        "n_high": st.floats(4.0, 9.0),
    },
}


@st.composite
def observables(draw: st.DrawFn, name: str, parameters: list[str]) -> dict[str, Any]:
    density = draw(st.sampled_from(sorted(shapes)))
    some = st.dictionaries(st.sampled_from(parameters), slopes)
    entry = {
        "name": name,
        "label": draw(texts),
        "unit": draw(texts),
        "density": density,
        "shape": draw(st.fixed_dictionaries(shapes[density])),
        "mu": draw(measured.filter(bool)),
        "sigma": draw(st.floats(1.0, 1e12)),  # a smaller one would be lost beside mu
        "mu_slopes": draw(some),
        "sigma_slopes": draw(some),
    }
    binning = draw(
        st.none()
        | st.integers(2, 10**6)
        | st.lists(finite, min_size=3, max_size=40, unique=True).map(sorted)
    )
    if binning is not None:
        entry["n_bins" if isinstance(binning, int) else "edges"] = binning
    return entry


@st.composite
def studies(draw: st.DrawFn) -> Study:
    unique = st.lists(names, min_size=1, max_size=5, unique=True)
    parameters, observed = draw(unique), draw(unique)
    n = len(observed)
    matrix = np.eye(n)
    for i, j in zip(*np.triu_indices(n, 1), strict=True):
        matrix[i, j] = matrix[j, i] = draw(st.floats(-0.2, 0.2))
    ensemble: dict[str, Any] = {
        "n_toys": draw(st.integers(1, 10**9)),
        "rho": draw(st.lists(st.floats(-0.2, 0.9), min_size=1, max_size=20, unique=True)),
        "dependence": "gaussian_copula",
    }
    if draw(st.booleans()):
        ensemble["correlation"] = matrix.tolist()
    content = {
        "name": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)),
        "seed": draw(st.integers(0, 2**63 - 1)),
        "poi": draw(st.sampled_from(parameters)),
        "ensemble": ensemble,
        "parameter": [
            {
                "name": name,
                "label": draw(texts),
                "truth_sigma": draw(st.floats(0.0, 1e12)),
                "bounds": [-draw(positive), draw(positive)],
            }
            for name in parameters
        ],
        "observable": [draw(observables(name, parameters)) for name in observed],
    }
    return Study.from_dict(content)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(study=studies())
def test_any_study_reads_back(study: Study) -> None:
    assert Study.from_toml_text(study.to_toml()) == study
    assert Study.from_toml_text(study.to_toml().encode()) == study
    assert Study.from_dict(study.to_dict()) == study


@pytest.mark.parametrize(
    ("morphing", "mass"),
    [
        ("additive", "normsys"),
        ("additive", "wide"),
        ("additive_cross", "histosys"),
        ("additive_cross", "wide"),
        ("multiplicative", "normfactor"),
        ("multiplicative", "histosys"),
    ],
)
def test_encodings_that_make_no_sense_are_refused(morphing: str, mass: str) -> None:
    settings = {"workspace.morphing": morphing, "workspace.mass": mass}
    with pytest.raises(
        StudyError, match=f"mass = '{mass}' does not go with .* '{morphing}': .* use"
    ):
        Study.preset("poster").with_settings(settings)


def test_points_where_the_response_reaches_zero_are_refused() -> None:
    with pytest.raises(StudyError, match=r"mu_slopes.m_t = 0.0058: reaches 0 .* point -200"):
        Study.preset("poster").with_settings({"parameter.m_t.points": [-200]})
