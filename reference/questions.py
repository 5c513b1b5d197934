"""How pullfactory is asked: a question is a name, and a function from a case to rows.

Everything goes through the public interface. A row is flat; `KEY_sampling_error` is the standard
error that pullfactory's own toys or replicas leave in KEY.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from math import isnan
from types import MappingProxyType
from typing import Any

import click
import numpy as np

import pullfactory as pf
from reference.cases import ROOT, Ask, Case

__all__ = ["QUESTIONS", "ask"]

Row = dict[str, Any]
_SAMPLED = ("mean", "width", "corrected_width")  # with an entry KEY_error that is a sampling error


def ask(case: Case) -> dict[str, list[Row]]:
    """Answers to all questions of a case, by name.

    A question that is refused has no rows; the refusal goes to standard error.

    Args:
        case: The case.
    """
    answers: dict[str, list[Row]] = {}
    for label, one in case.asks.items():
        try:
            answers[label] = QUESTIONS[one.question](case, one)
        except pf.PullfactoryError as error:
            click.echo(f"{case.name}, {label}: refused: {error}", err=True)
            answers[label] = []
    return answers


def _study(case: Case, one: Ask) -> pf.Study:
    """`preset` or the file `study`, with the changes `set`."""
    settings = one.settings
    if "preset" in settings:
        study = pf.Study.preset(settings["preset"])
    else:
        study = pf.Study.from_toml(case.folder / settings["study"])
    return study.with_settings(settings.get("set", {}))


def _workspace(case: Case, one: Ask) -> pf.BinnedLikelihood:
    """The file `workspace`, from the folder of the case or the top of the project."""
    path = case.folder / one.settings["workspace"]
    if not path.exists():
        path = ROOT.parent / one.settings["workspace"]
    return pf.BinnedLikelihood.from_pyhf(pf.read_workspace(path))


def _inputs(case: Case) -> Any:
    """The module `inputs` of the case, which makes its events."""
    return import_module(f"reference.{case.name}.inputs")


def _pulls(rows: list[Row]) -> list[Row]:
    """With sampling errors under the name that the comparison looks for."""
    return [
        row | {f"{key}_sampling_error": row[f"{key}_error"] for key in _SAMPLED} for row in rows
    ]


def _predict(case: Case, one: Ask) -> list[Row]:
    result = pf.predict(_study(case, one), workers=1)
    return list(result.summary()["predictions"])


def _run(case: Case, one: Ask) -> list[Row]:
    """Pulls of the toys, and what is told of the noise of the calibration."""
    summary = pf.run(_study(case, one), workers=2).summary()
    return _pulls(summary["pulls"])


def _noise(case: Case, one: Ask) -> list[Row]:
    """What a run tells of the noise of its calibration."""
    summary = pf.run(_study(case, one), workers=2).summary()
    return list(summary["calibration_noise"])


def _closure(case: Case, one: Ask) -> list[Row]:
    return list(pf.closure(_study(case, one), workers=1).summary()["verdicts"])


def _toys(case: Case, one: Ask) -> list[Row]:
    settings = one.settings
    result = pf.run_toys(
        _workspace(case, one),
        settings["n_toys"],
        settings["seed"],
        ensemble=settings.get("ensemble", "fixed"),
        workers=2,
    )
    return _pulls(result.summary()["pulls"])


def _fit(case: Case, one: Ask) -> list[Row]:
    """The fit to the observations of a workspace."""
    likelihood = _workspace(case, one)
    fits = pf.fit_toys(likelihood, likelihood.observed[None])
    return _fit_rows(fits)


def _nll(case: Case, one: Ask) -> list[Row]:
    """Differences of -log L to the initial point, for the points of `points`."""
    likelihood = _workspace(case, one)
    names = list(likelihood.parameters)

    def value(moved: Mapping[str, float]) -> float:
        theta = likelihood.init.copy()
        for name, to in moved.items():
            theta[names.index(name)] = to
        return float(likelihood.nll(theta, likelihood.observed))

    start = value({})
    return [
        {"point": label, "nll_difference": value(moved) - start}
        for label, moved in one.settings["points"].items()
    ]


def _fit_events(case: Case, one: Ask) -> list[Row]:
    """The fit to the events that `inputs.data()` gives, of a study calibrated exactly.

    With `method`, which is "unbinned" if it is left out, at the `rho` that it expects.
    """
    study, settings = _study(case, one), one.settings
    calibration = pf.calibrate(study, workers=1)
    method = pf.build_method(settings.get("method", "unbinned"), calibration, settings.get("rho"))
    return _fit_rows(pf.fit_events(method, _block(case, study)))


def _block(case: Case, study: pf.Study) -> Any:
    """One toy of events from elsewhere: `inputs.data()` has events, weights or None, and aux."""
    data = _inputs(case).data()
    return replace(
        pf.draw_toys(study, 0, 0.0),
        theta_true=np.zeros((1, len(study.parameter))),
        aux=np.asarray(data["aux"], dtype=np.float64)[None],
        events=data["events"][None],
        event_weights=None if data["weights"] is None else data["weights"][None],
    )


def _fit_rows(fits: pf.FitBatch) -> list[Row]:
    """One row a parameter, and one of the fit."""
    rows: list[Row] = [
        {
            "parameter": name,
            "estimate": float(fits.estimate[0, k]),
            "claimed_error": _number(fits.error[0, k]),
            "corrected_error": _number(fits.corrected_error[0, k]),
        }
        for k, name in enumerate(fits.parameters)
    ]
    status = pf.FitStatus(int(fits.status[0])).label
    return [*rows, {"fit": "all", "nll": float(fits.nll[0]), "status": status}]


def _audit(case: Case, one: Ask) -> list[Row]:
    """Errors as expected, and those of the fit of the data (`table` = "data"), of an audit."""
    inputs = _inputs(case)
    config = copy.deepcopy(inputs.CONFIG)
    tables = inputs.tables()
    audit = pf.AuditConfig.from_dict(config).with_settings(one.settings.get("set", {}))
    summary = pf.audit(audit, tables, workers=1).summary()
    rows = [{"table": "errors", **row} for row in summary["errors"]]
    replicas = audit.replicas
    for fit in summary["data"] or ():
        for estimate in fit["estimates"]:
            spread = estimate["bootstrap_error"]
            own = None if spread is None else spread / np.sqrt(2 * (replicas - 1))
            rows.append(
                {
                    "table": "data",
                    "method": fit["method"],
                    **estimate,
                    "bootstrap_error_sampling_error": own,
                }
            )
    return rows


def _refuse(case: Case, one: Ask) -> list[Row]:
    """Whether another question (`question`) is refused, and the `words` that the refusal has."""
    words = one.settings["words"]
    other = Ask(question=one.settings["question"], tiers={}, settings=one.settings)
    try:
        QUESTIONS[other.question](case, other)
    except pf.PullfactoryError as error:
        missing = [word for word in words if word not in str(error)]
        return [{"refused": True, "unnamed": ", ".join(missing)}]
    return [{"refused": False, "unnamed": ", ".join(words)}]


def _number(value: float) -> float | None:
    return None if isnan(value) else float(value)


QUESTIONS: Mapping[str, Callable[[Case, Ask], list[Row]]] = MappingProxyType(
    {
        "audit": _audit,
        "closure": _closure,
        "fit": _fit,
        "fit_events": _fit_events,
        "nll": _nll,
        "noise": _noise,
        "predict": _predict,
        "refuse": _refuse,
        "run": _run,
        "toys": _toys,
    }
)
