"""Kinds of audits whose truth is known."""

from dataclasses import dataclass, replace
from typing import Literal

N = 2000  # events of the data

Smooth = Literal[5, 7, 9, "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """A parameter, and samples for it.

    Attributes:
        name: Of the parameter.
        moves: What one step adds to each observable.
        widens: What it adds to the width of each, as a part of that.
        events: Of samples of its own up and down; 0 for the nominal events, changed.
        free: Whether it has no constraint.
        sides: Which samples there are; of one the other is the mirror image.
        step: What they are away from nominal.
    """

    name: str
    moves: tuple[float, ...]
    widens: tuple[float, ...]
    events: int
    free: bool = False
    sides: tuple[str, ...] = ("up", "down")
    step: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One kind of audit: a mass `m` and a scale `j`, unless something else is said.

    Attributes:
        rho: Correlation of the observables.
        events: Simulated events of each sample.
        apart: Events of samples of their own for the noisy nuisances; 0 for the nominal ones.
        held: Whether auxiliary values stay 0 whatever is true.
        smooth: How derivatives of templates are smoothed.
        weights: Standard deviation of the logarithms of the weights.
        peak: Part of the signal that responds, in a peak on a wide rest.
        background: Part of the data, with samples of its own and a free rate.
        poisson: Whether the number of events is Poisson.
        observables: How many.
        bins: Of each observable.
        edges: Whether bins are chosen from the nominal sample, or fixed beforehand.
        step: Of the mass samples.
        paired: Whether the mass samples are the nominal events, moved.
        yields: What the configuration says of the number of events, over what is true.
        nuisances: "scale"; "idle": another one, without an effect; "resolution": scale and
            resolution of jets, both from samples apart; "five", of which two are from samples
            apart; "one-sided": only the sample up.
        staterror: Whether the nominal templates have a `staterror`.
        unbinned: Whether the fit is the unbinned one.
        design: What the prototype of these rules found.
    """

    rho: float
    events: int
    apart: int = 0
    held: bool = True
    smooth: Smooth = "none"
    weights: float = 0.0
    peak: float = 1.0
    background: float = 0.0
    poisson: bool = False
    observables: int = 2
    bins: int = 20
    edges: Literal["sample", "fixed"] = "sample"
    step: float = 1.0
    paired: bool = False
    yields: float = 1.0
    nuisances: Literal["scale", "idle", "resolution", "five", "one-sided"] = "scale"
    staterror: bool = False
    unbinned: bool = False
    design: str = ""

    @property
    def name(self) -> str:
        """What it is called."""
        said = {
            "": f"rho {self.rho:g}, {self.events} events",
            "unbinned": self.unbinned,
            "auxiliary value measured": not self.held,
            f"weights {self.weights:g}": self.weights,
            f"peak {self.peak:g}": self.peak < 1,
            f"background {self.background:g}": self.background,
            "Poisson": self.poisson,
            f"{self.observables} observables": self.observables != 2,
            f"{self.bins} bins": self.bins != 20,
            "bins fixed": self.edges == "fixed",
            f"masses at {self.step:g} steps": self.step != 1,
            "masses of the nominal events": self.paired,
            f"yields {self.yields:g}": self.yields != 1,
            "a nuisance without effect": self.nuisances == "idle",
            f"JSF and JRF from {self.apart} others": self.nuisances == "resolution",
            f"two of five nuisances from {self.apart} others": self.nuisances == "five",
            "scale one-sided": self.nuisances == "one-sided",
            f"scale from {self.apart} others": self.apart
            and self.nuisances in ("scale", "one-sided"),
            "staterror": self.staterror,
            f"degree {self.smooth}": self.smooth != "none",
        }
        return ", ".join(text or str(known) for text, known in said.items() if known)

    @property
    def names(self) -> str:
        """Of the observables, a letter each."""
        return "abc"[: self.observables]

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """The parameters, the mass first."""
        mass = Knob(
            name="m",
            moves=(0.986, 0.0249, 0.36)[: self.observables],
            widens=(0.0,) * self.observables,
            events=0 if self.paired else self.events,
            free=True,
            step=self.step,
        )
        match self.nuisances:
            case "resolution":
                wide = replace(mass, widens=(0.008, 0.0))
                scale = _knob("jsf", (0.79, 0.4415), (0.0095, 0.0074), self.apart)
                return wide, scale, _knob("jrf", (0.086, 0.1333), (0.02, 0.02), self.apart)
            case "five":
                return (
                    mass,
                    _knob("j", (0.782, 0.4399), (0.0, 0.0), 0),
                    _knob("k", (0.4, -0.2), (0.0, 0.0), self.apart),
                    _knob("r", (0.0, 0.0), (0.02, 0.02), 0),
                    _knob("s", (0.3, 0.1), (0.01, -0.01), self.apart),
                    _knob("t", (-0.2, 0.3), (0.005, 0.0), 0),
                )
            case "idle":
                idle = _knob("u", (0.0, 0.0), (0.0, 0.0), self.events)
                return mass, self._scale(), idle
            case "one-sided":
                return mass, self._scale(sides=("up",))
        return mass, self._scale()

    def _scale(self, sides: tuple[str, ...] = ("up", "down")) -> Knob:
        moves = (0.782, 0.4399, 0.48)[: self.observables]
        return Knob(
            name="j", moves=moves, widens=(0.0,) * len(moves), events=self.apart, sides=sides
        )


def _knob(name: str, moves: tuple[float, ...], widens: tuple[float, ...], events: int) -> Knob:
    return Knob(name=name, moves=moves, widens=widens, events=events)


LINES = (
    # of the table of the design
    Line(rho=0.0, events=200_000, design="yes 100; small 100; 0.684"),
    Line(rho=0.3, events=200_000, design="no 100; matters 100 (0.853); 0.698"),
    Line(rho=0.0, events=20_000, design="calibrate 96, yes 0; small; 0.674"),
    Line(rho=0.3, events=20_000, design="calibrate 98, yes 0; matters 100 (0.849); 0.682"),
    Line(rho=-0.2, events=5_000, design="cannot 98; unknown 98"),
    Line(rho=0.2, events=5_000, design="cannot 98; unknown 98"),
    Line(rho=0.13, events=1_500, design="cannot 100"),
    Line(rho=0.16, events=1_000, design="cannot 100"),
    Line(rho=0.0, events=5_000, weights=1.0, design="cannot 100"),
    Line(
        rho=0.0,
        events=200_000,
        background=0.3,
        poisson=True,
        design="yes 100; small 100; 0.67 to 0.70",
    ),
    Line(rho=0.0, events=200_000, observables=3, design="yes 100; small 100; 0.67 to 0.70"),
    Line(rho=0.0, events=200_000, poisson=True, design="yes 100; small 100; 0.67 to 0.70"),
    Line(rho=0.0, events=50_000, smooth=5, design="yes 99; small; 0.68 to 0.70"),
    Line(rho=0.3, events=20_000, smooth=5, design="no 84; matters; 0.68 to 0.70"),
    Line(rho=0.2, events=5_000, smooth=5, design="calibrate 80, cannot 13; 0.68 to 0.70"),
    Line(rho=-0.2, events=5_000, smooth=5, design="calibrate 80, cannot 13; 0.68 to 0.70"),
    Line(rho=0.4, events=50_000, peak=0.6, smooth=5, design="no 71; matters 92; 0.67 to 0.71"),
    Line(
        rho=0.2,
        events=50_000,
        background=0.2,
        poisson=True,
        smooth=5,
        design="unknown 100; matters 97; 0.67 to 0.71",
    ),
    Line(rho=0.0, events=100_000, weights=0.7, smooth=5, design="yes 100; small; 0.67 to 0.71"),
    # others of the prototypes
    Line(rho=0.0, events=100_000, weights=1.0),
    Line(rho=0.07, events=50_000, smooth=5),
    Line(rho=-0.105, events=200_000),
    Line(rho=0.122, events=200_000),
    Line(rho=0.0, events=100_000, paired=True),
    Line(rho=0.3, events=20_000, paired=True),
    Line(rho=0.3, events=20_000, step=3.0),
    Line(rho=0.0, events=50_000, bins=10),
    Line(rho=0.0, events=200_000, bins=50),
    Line(rho=0.0, events=150_000, peak=0.6, smooth=5),
    Line(rho=0.1, events=60_000, observables=3, smooth=5),
    Line(rho=0.0, events=60_000, apart=60_000, smooth=5),
    Line(rho=0.3, events=20_000, apart=20_000),
    Line(rho=0.0, events=200_000, apart=5_000, design="factor 1.60, taken for 1.00 before"),
    Line(rho=0.3, events=200_000, apart=20_000, held=False),
    Line(rho=0.3, events=20_000, held=False),
    # never simulated before
    Line(rho=0.3, events=20_000, edges="fixed"),
    Line(rho=0.3, events=20_000, smooth=5, edges="fixed"),
    Line(rho=0.0, events=50_000, smooth=5, staterror=True),
    Line(rho=0.3, events=20_000, smooth=5, staterror=True),
    Line(rho=0.0, events=50_000, smooth=5, nuisances="one-sided"),
    Line(rho=0.0, events=50_000, apart=50_000, smooth=5, nuisances="one-sided"),
    Line(rho=0.0, events=50_000, smooth=5, nuisances="idle"),
    Line(rho=0.0, events=50_000, smooth=5, yields=1.03),
    Line(rho=0.0, events=1_000_000, apart=20_000, nuisances="resolution", design="1.13 for 1.00"),
    Line(rho=0.0, events=100_000, apart=10_000, smooth=5, nuisances="five"),
    Line(rho=0.0, events=20_000, unbinned=True),
    Line(rho=0.3, events=20_000, unbinned=True),
    Line(rho=0.3, events=2_000, unbinned=True),
)
