"""Configurations that are wrong in one way each, with events made here."""

import copy
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory import audit
from pullfactory.auditing import GateError
from pullfactory.errors import EventsError

DOCUMENT = Path(__file__).parents[2] / "docs" / "audit.md"
_HEAD = "| what is wrong | what is said | found |"

Table = dict[str, NDArray[Any]]
Tables = dict[str, Table]
Config = dict[str, Any]
Change = Callable[[Config, Tables], None]

SIMULATED, BACKGROUND = 24_000, 12_000
SIGNAL_EVENTS, BACKGROUND_EVENTS = 1500, 400
WIDE, SLIM = 11.0, 7.0  # GeV
MASS = 3.0  # GeV, of the mass points from nominal


def _events(rng: np.random.Generator, events: int, mass: float = 0.0) -> Table:
    """The signal: two masses with a common part, and the transverse momentum of a jet."""
    common, x, y = rng.standard_normal((3, events))
    return {
        "reco_mt": 172.5 + mass + WIDE * (0.5 * common + 0.75**0.5 * x),
        "reco_mW": 80.4 + SLIM * (0.5 * common + 0.75**0.5 * y),
        "pt": 25.0 + rng.exponential(40.0, events),
        "w": rng.uniform(0.8, 1.2, events),
    }


def _other(rng: np.random.Generator, events: int) -> Table:
    """The background: flat in both masses, but for a slope."""
    return {
        "reco_mt": 135.0 + rng.exponential(45.0, events),
        "reco_mW": rng.uniform(58.0, 108.0, events),
        "pt": 25.0 + rng.exponential(30.0, events),
        "w": rng.uniform(0.3, 1.7, events),
    }


def _scaled(table: Table, jsf: float) -> Table:
    """The same events with other jets."""
    moved = dict(table)
    moved["reco_mt"] = table["reco_mt"] * (1 + 0.005 * jsf)
    moved["reco_mW"] = table["reco_mW"] * (1 + 0.01 * jsf)
    moved["pt"] = table["pt"] * (1 + 0.01 * jsf)
    return moved


def _identified(table: Table, first: int) -> Table:
    return {**table, "event": first + np.arange(len(table["w"]))}


def _joined(*tables: Table) -> Table:
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def tables() -> Tables:
    """Samples by the name of their file; the data have m_t 0.5 GeV above nominal."""
    rng = np.random.default_rng(20261126)
    nominal = _identified(_events(rng, SIMULATED), 0)
    background = _identified(_other(rng, BACKGROUND), 10**8)
    background["w_up"] = background["w"] * (1 + 0.006 * (background["reco_mt"] - 170.0))
    background["w_down"] = background["w"] * (1 - 0.006 * (background["reco_mt"] - 170.0))
    data = _joined(_events(rng, SIGNAL_EVENTS, 0.5), _other(rng, BACKGROUND_EVENTS))
    return {
        "nominal": nominal,
        "mass_up": _identified(_events(rng, SIMULATED, MASS), 10**7),
        "mass_down": _identified(_events(rng, SIMULATED, -MASS), 2 * 10**7),
        "jsf_up": _scaled(nominal, 1.0),
        "jsf_down": _scaled(nominal, -1.0),
        "background": background,
        "data": _identified(data, 3 * 10**8),
    }


def config() -> Config:
    """What is right."""
    return {
        "name": "right",
        "seed": 3,
        "poi": "m_t",
        "optimal": False,  # tests of their own
        "selection": "pt > 30",
        "weight": "w",
        "identifier": ["event"],
        "replicas": 60,
        "figures": "none",
        "workspace": {"n_bins": 10},
        "joint": {"n_bins": 0},
        "toys": {"n_toys": 300, "unbinned": "none"},
        "parameter": [
            {"name": "m_t", "unit": "GeV", "constraint": "free", "step": MASS},
            {"name": "JSF"},
            {"name": "slope"},
        ],
        "observable": [
            {"name": "reco_mt", "unit": "GeV"},
            {"name": "reco_mW", "unit": "GeV", "edges": np.linspace(55.0, 105.0, 11).tolist()},
        ],
        "samples": {
            "nominal": {"process": "ttbar", "files": ["nominal.npz"], "scale": _scale("nominal")},
            "m_t": {"up": {"files": ["mass_up.npz"]}, "down": {"files": ["mass_down.npz"]}},
            "JSF": {"up": {"files": ["jsf_up.npz"]}, "down": {"files": ["jsf_down.npz"]}},
            "background": {
                "w_jets": {
                    "files": ["background.npz"],
                    "scale": _scale("background"),
                    "norm": 0.1,
                    "slope": {"up": {"weight": "w_up"}, "down": {"weight": "w_down"}},
                }
            },
            "data": {"files": ["data.npz"]},
        },
    }


def _scale(name: str) -> float:
    """Expected events for each simulated one."""
    return {
        "nominal": SIGNAL_EVENTS / SIMULATED,
        "background": BACKGROUND_EVENTS / BACKGROUND,
    }[name]


def write(folder: Path, samples: Tables) -> None:
    """Write the files of the samples."""
    for name, table in samples.items():
        columns: dict[str, Any] = dict(table)
        np.savez(folder / f"{name}.npz", **columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One way to be wrong.

    Attributes:
        name: In a few words.
        change: What is done to what is right.
        said: Words in what the audit says of it.
    """

    name: str
    change: Change
    said: str

    def outcome(self, folder: Path) -> "Outcome":
        """What is said of it.

        Args:
            folder: For its files.
        """
        settings, samples = config(), copy.deepcopy(tables())
        settings["name"] = "wrong"
        self.change(settings, samples)
        return outcome_of(settings, samples, folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an audit says.

    Attributes:
        level: "refused", before any fit; "withheld", the answer; "warned"; or "answered".
        causes: What was found.
        text: In words.
    """

    level: str
    causes: tuple[str, ...]
    text: str


def outcome_of(settings: Config, samples: Tables, folder: Path) -> Outcome:
    """What is said of some files.

    Args:
        settings: The configuration.
        samples: Of the files.
        folder: To write them to.
    """
    write(folder, samples)
    try:
        result = audit(settings, base=folder)
    except GateError as error:
        causes = dict.fromkeys(finding.cause for finding in error.gate.refused)
        return Outcome(level="refused", causes=tuple(causes), text=str(error))
    except EventsError as error:
        return Outcome(level="refused", causes=("events",), text=str(error))
    warned = [finding for finding in result.gate if finding.level == "warn"]
    causes = dict.fromkeys(finding.cause for finding in warned)
    text = " ".join(map(str, warned))
    if result.withheld:
        assert "Cannot be told" in result.title
        assert result.independent is None
        return Outcome(level="withheld", causes=tuple(causes), text=f"{result.withheld} {text}")
    if warned:
        assert "but only if what is warned of is meant so" in result.title
    return Outcome(level="warned" if warned else "answered", causes=tuple(causes), text=text)


def wrong_inputs() -> tuple[Wrong, ...]:
    """All ways."""
    return tuple(
        Wrong(name=name, change=change, said=said) for name, (change, said) in _WRONG.items()
    )


def row_of(wrong: Wrong, outcome: Outcome) -> str:
    """Its row in the table of the documentation."""
    causes = ", ".join(f"`{cause}`" for cause in outcome.causes)
    return f"| {wrong.name} | {outcome.level} | {causes} |"


# --- how to be wrong ----------------------------------------------------------------------------


def _files(role: str, side: str, file: str) -> Change:
    def change(settings: Config, _samples: Tables) -> None:
        settings["samples"][role][side]["files"] = [f"{file}.npz"]

    return change


def _column(file: str, compute: Callable[[Table], Table]) -> Change:
    def change(_settings: Config, samples: Tables) -> None:
        samples[file] = {**samples[file], **compute(samples[file])}

    return change


def _rows(file: str, choose: Callable[[Table], NDArray[np.bool_]]) -> Change:
    def change(_settings: Config, samples: Tables) -> None:
        chosen = choose(samples[file])
        samples[file] = {name: column[chosen] for name, column in samples[file].items()}

    return change


def _table(path: str, **keys: Any) -> Change:
    """Set keys of the table of one sample."""

    def change(settings: Config, _samples: Tables) -> None:
        table = settings["samples"]
        for part in path.split("."):
            table = table[part]
        table.update(keys)

    return change


def _edges_in_other_units(settings: Config, _samples: Tables) -> None:
    settings["observable"][1]["edges"] = [1000.0 * x for x in settings["observable"][1]["edges"]]


def _swapped_mass(settings: Config, _samples: Tables) -> None:
    mass = settings["samples"]["m_t"]
    mass["up"], mass["down"] = mass["down"], mass["up"]


def _swapped_processes(settings: Config, _samples: Tables) -> None:
    signal, background = (
        settings["samples"]["nominal"],
        settings["samples"]["background"]["w_jets"],
    )
    signal["scale"], background["scale"] = background["scale"], signal["scale"]


def _swapped_files(_settings: Config, samples: Tables) -> None:
    nominal, background = samples["nominal"], samples["background"]
    weights = dict.fromkeys(("w_up", "w_down"), nominal["w"])
    samples["nominal"], samples["background"] = background, {**nominal, **weights}


def _no_mass(settings: Config, _samples: Tables) -> None:
    for side in ("up", "down"):
        settings["samples"]["m_t"][side]["files"] = ["nominal.npz"]


def _far_down(_settings: Config, samples: Tables) -> None:
    samples["jsf_down"] = _scaled(samples["nominal"], -8.0)


def _no_scale(settings: Config, _samples: Tables) -> None:
    del settings["samples"]["nominal"]["scale"]


def _nominal_as_data(settings: Config, _samples: Tables) -> None:
    settings["samples"]["data"]["files"] = ["nominal.npz"]


def _some_nominal_as_data(_settings: Config, samples: Tables) -> None:
    some = {
        name: column[: SIGNAL_EVENTS + BACKGROUND_EVENTS]
        for name, column in samples["nominal"].items()
    }
    samples["data"] = some


def _data_as_nominal(settings: Config, samples: Tables) -> None:
    samples["data"]["w"] = np.ones(len(samples["data"]["event"]))
    settings["samples"]["nominal"]["files"] = ["data.npz"]
    settings["samples"]["nominal"]["scale"] = 1.0


def _twice(settings: Config, _samples: Tables) -> None:
    settings["observable"].append({"name": "again", "expression": "0.001 * reco_mW"})


def _no_background(settings: Config, _samples: Tables) -> None:
    del settings["samples"]["background"]
    settings["parameter"].pop()


def _duplicate(settings: Config, _samples: Tables) -> None:
    settings["parameter"].append({"name": "JES"})
    settings["samples"]["JES"] = copy.deepcopy(settings["samples"]["JSF"])


def _one_sided(_settings: Config, samples: Tables) -> None:
    rng = np.random.default_rng(5)
    for side in ("up", "down"):
        moved = dict(samples["nominal"])
        smear = rng.standard_normal(SIMULATED)
        moved["reco_mW"] = moved["reco_mW"] + 3.0 * smear
        samples[f"jsf_{side}"] = moved


def _regenerated(_settings: Config, samples: Tables) -> None:
    """A variation without effect, with events of its own."""
    rng = np.random.default_rng(6)
    for side in ("up", "down"):
        samples[f"jsf_{side}"] = _identified(_events(rng, SIMULATED), 5 * 10**8)


def _placeholder(_settings: Config, samples: Tables) -> None:
    for name, table in samples.items():
        lost = np.random.default_rng(len(name)).random(len(table["event"])) < 0.05
        table["reco_mt"] = np.where(lost, -999.0, table["reco_mt"])


_WRONG: dict[str, tuple[Change, str]] = {
    "edges of an observable in MeV": (_edges_in_other_units, "reco_mW"),
    "one variation in MeV": (
        _column("jsf_up", lambda t: {"reco_mt": 1000.0 * t["reco_mt"]}),
        "JSF",
    ),
    "data in MeV": (
        _column("data", lambda t: {"reco_mt": 1000.0 * t["reco_mt"]}),
        "reco_mt",
    ),
    "weights applied twice in one variation": (
        _table("background.w_jets.slope.up", weight="w_up * w"),
        "slope",
    ),
    "weights ten times too large in one variation": (
        _column("jsf_up", lambda t: {"w": 10.0 * t["w"]}),
        "JSF",
    ),
    "another selection in one variation": (
        _table("JSF.up", selection="pt > 45"),
        "JSF.up",
    ),
    "another selection of the data": (_rows("data", lambda t: t["pt"] > 50.0), "events"),
    "the nominal sample as data": (_nominal_as_data, "samples.data"),
    "some events of the nominal sample as data": (_some_nominal_as_data, "data"),
    "the data as nominal sample": (_data_as_nominal, "samples.nominal"),
    "scales of two processes swapped": (_swapped_processes, "fit"),
    "files of two processes swapped": (_swapped_files, "nominal"),
    "up and down are one file": (_files("JSF", "down", "jsf_up"), "JSF"),
    "down is the nominal file": (_files("JSF", "down", "nominal"), "JSF.down"),
    "up and down both widen": (_one_sided, "JSF"),
    "mass points without effect": (
        _no_mass,
        "m_t",
    ),
    "mass points swapped": (_swapped_mass, "m_t.up"),
    "a mass point in the place of a variation": (_files("JSF", "up", "mass_up"), "JSF"),
    "a variation regenerated without its effect": (_regenerated, "JSF"),
    "steps of +1 and -8": (
        _far_down,
        "JSF",
    ),
    "two parameters with the same files": (_duplicate, "JES"),
    "neither events nor scale": (_no_scale, "samples.nominal"),
    "a missing process": (_no_background, "fit"),
    "a background twice as large": (
        _table("background.w_jets", scale=2 * _scale("background")),
        "fit",
    ),
    "an observable twice, in other units": (_twice, "again"),
    "a placeholder for what is not measured": (_placeholder, "reco_mt"),
}


def _write_table() -> None:
    """Write the table of the documentation anew."""
    rows = []
    for wrong in wrong_inputs():
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row_of(wrong, wrong.outcome(Path(folder))))
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(f"{_HEAD}\n")
    after = rest.partition("\n\n")[2]
    table = "\n".join([_HEAD, "| --- | --- | --- |", *rows])
    DOCUMENT.write_text(f"{before}{table}\n\n{after}", encoding="utf-8")


if __name__ == "__main__":
    _write_table()
