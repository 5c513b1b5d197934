"""The answer of a run in a sentence for each method, over all its correlations."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pullfactory.inference import ClosureVerdict
from pullfactory.inference.judgement import TOLERATED
from pullfactory.methods import method_kind
from pullfactory.numbers import plain
from pullfactory.report.palette import method_label
from pullfactory.report.verdict import Verdict, listed_names

_RIGHT = f"right within {100 * TOLERATED:.0f} %"
_UNSHIFTED = "no pulls are shifted as far as the toys tell"
_LISTED = 4  # values of rho that are told one by one

Verdicts = Mapping[float, Verdict]
"""Of one parameter, by rho."""


def study_answers(
    rows: Sequence[Mapping[str, Any]],
    observables: Sequence[str],
    poi: str,
    closure: Sequence[ClosureVerdict] = (),
) -> Iterator[str]:
    """A sentence for each method that takes the observables as independent, after the question.

    Args:
        rows: Summaries of pulls, as plain data.
        observables: Their names.
        poi: The parameter of interest, which is told of first.
        closure: What the morphing does to methods that fit a workspace.
    """
    *some, last = observables
    question = f"May {', '.join(some)} and {last} be fitted as if they were independent?"
    methods = [m for m in dict.fromkeys(r["method"] for r in rows) if method_kind(m).independent]
    for method in sorted(methods, key=lambda name: not method_kind(name).workspace):
        found: dict[str, dict[float, Verdict]] = {}
        for row in rows:
            if row["method"] == method:
                found.setdefault(row["parameter"], {})[row["rho"]] = Verdict.of(row)
        ordered = dict(sorted(found.items(), key=lambda item: item[0] != poi))
        hidden = [
            one.parameter
            for one in closure
            if method_kind(method).workspace and not one.correctable
        ]
        said = _answer(f"with the {method_label(method)} fit", ordered, hidden)
        yield f"{question} {said}" if some else said
        some = []  # the question is asked once


def _answer(where: str, verdicts: Mapping[str, Verdicts], hidden: Sequence[str]) -> str:
    """Yes, No or Perhaps, and for which parameter at which rho."""
    wrong, shifted, unsure = (
        [name for name, by_rho in verdicts.items() if name not in hidden and _any(by_rho, kind)]
        for kind in ("wrong", "shifted", "unknown")
    )
    if not (wrong or shifted or unsure or hidden):
        scan = next(iter(verdicts.values()))
        return f"Yes: {where} all claimed errors are {_RIGHT}{_at(scan)}; {_UNSHIFTED}."
    told = []
    if hidden:
        told.append(
            f"the morphing does not close for {listed_names(hidden)}, and no factor makes the "
            "claimed error right"
        )
    if wrong:
        told.append(_on_width(wrong[0], verdicts[wrong[0]]))
    if shifted:
        first = wrong[0] if wrong and wrong[0] in shifted else shifted[0]
        told.append(_on_shift(first, verdicts[first], known=first in wrong[:1]))
        shifted = [name for name in shifted if name != first]
    if len(wrong) > 1:
        told.append(f"also wrong: {listed_names(wrong[1:])}")
    if shifted:
        told.append(f"also shifted: {listed_names(shifted)}")
    few = [name for name in unsure if name not in wrong]
    if few:
        n_toys = max(one.n_toys for by_rho in verdicts.values() for one in by_rho.values())
        told.append(f"{n_toys} toys are too few to tell for {listed_names(few)}")
    if not _shifts(verdicts):
        told.append(_UNSHIFTED)
    word = "No" if wrong or shifted or hidden or _shifts(verdicts) else "Perhaps"
    return f"{word}: {where} {'; '.join(told)}."


def _any(by_rho: Verdicts, kind: str) -> bool:
    if kind == "shifted":
        return any(one.shift for one in by_rho.values())
    return any(one.kind == kind for one in by_rho.values())


def _shifts(verdicts: Mapping[str, Verdicts]) -> bool:
    return any(_any(by_rho, "shifted") for by_rho in verdicts.values())


def _on_width(name: str, by_rho: Verdicts) -> str:
    """How wrong the claimed error is at most, and where it is right."""
    off = {rho: (v.factor or 1.0) - 1.0 for rho, v in by_rho.items() if v.kind == "wrong"}
    worst = []
    for way, sign in (("larger", 1.0), ("smaller", -1.0)):
        mine = {rho: 100.0 * sign * value for rho, value in off.items() if sign * value > 0}
        if mine:
            rho = max(mine, key=lambda key: mine[key])
            upto = "up to " if len(mine) > 1 else ""
            worst.append((mine[rho], f"{upto}{mine[rho]:.0f} % {way}", _at([rho], len(by_rho))))
    (_, first, where), *other = sorted(worst, reverse=True)
    said = f"the error of {name} is actually {first} than claimed{where}"
    said += "".join(f" and {text}{there}" for _, text, there in other)
    for kind, words in (("right", _RIGHT), ("unknown", "uncertain")):
        if there := [rho for rho, v in by_rho.items() if v.kind == kind]:
            said += f", {words}{_at(there)}"
    return said


def _on_shift(name: str, by_rho: Verdicts, *, known: bool) -> str:
    """How far the pulls are shifted where they are most."""
    shifted = {rho: one for rho, one in by_rho.items() if one.shift}
    rho = max(shifted, key=lambda key: abs(shifted[key].mean or 0.0))
    whose = "its pulls" if known else f"the pulls of {name}"
    return f"{whose} are shifted by {shifted[rho].shift}{_at([rho], len(by_rho))}"


def _at(scan: Sequence[float] | Verdicts, of: int = 0) -> str:
    """Some values of rho in words; nothing where there is only one at all."""
    values = sorted(scan)
    if of == 1:
        return ""
    if len(values) > _LISTED:
        return f" at {len(values)} values of rho from {plain(values[0])} to {plain(values[-1])}"
    return f" at rho = {', '.join(map(plain, values))}"
