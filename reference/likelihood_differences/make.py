"""Likelihood differences of two workspaces, by pyhf's NumPy backend and by hand.

`negative.json` has a sample with negative bins, as a normfactor for a mass has; `clipped.json` is
the same with these bins at 0, which is what RooFit makes of it. `poster.json` is a workspace of the
project's folder `workspaces`; with its negative bins clipped the difference at m_t = 0.5 is 1.2222,
and it is checked here that pyhf has it.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyhf

from reference.cases import Value
from reference.recording import exact, record

HERE = Path(__file__).parent
POSTER = HERE.parents[1] / "workspaces" / "poster.json"
POINTS: dict[str, dict[str, dict[str, float]]] = {
    "negative": {"mass 0.8": {"mass": 0.8}, "both": {"mass": -1.2, "jes": 0.7}},
    "clipped": {"mass 0.8": {"mass": 0.8}, "both": {"mass": -1.2, "jes": 0.7}},
    "poster": {
        "m_t 0.5": {"m_t": 0.5},
        "m_t -1.3": {"m_t": -1.3},
        "all": {"m_t": 0.7, "JSF": -0.4, "JRF": 1.5},
    },
}


def clipped(spec: dict[str, Any]) -> dict[str, Any]:
    """Negative bins of every sample at 0."""
    result: dict[str, Any] = json.loads(json.dumps(spec))
    for channel in result["channels"]:
        for sample in channel["samples"]:
            sample["data"] = [max(0.0, each) for each in sample["data"]]
    return result


def differences(spec: dict[str, Any], points: dict[str, dict[str, float]]) -> dict[str, float]:
    """-log L at each point minus that at the initial one."""
    workspace = pyhf.Workspace(spec)
    model = workspace.model()
    data = workspace.data(model)

    def value(moved: dict[str, float]) -> float:
        theta = np.array(model.config.suggested_init())
        for name, to in moved.items():
            theta[model.config.par_map[name]["slice"]] = to
        return -float(model.logpdf(theta.tolist(), data)[0])

    start = value({})
    return {label: value(moved) - start for label, moved in points.items()}


def files() -> dict[str, str]:
    """`clipped.json`."""
    negative = json.loads((HERE / "negative.json").read_text(encoding="utf-8"))
    return {"clipped.json": json.dumps(clipped(negative), indent=1) + "\n"}


def values() -> list[Value]:
    """Differences by pyhf; that of m_t = 0.5 without and with clipping is asserted."""
    pyhf.set_backend("numpy")
    negative = json.loads((HERE / "negative.json").read_text(encoding="utf-8"))
    poster = json.loads(POSTER.read_text(encoding="utf-8"))
    assert abs(differences(clipped(poster), {"": {"m_t": 0.5}})[""] - 1.2222) < 5e-5
    found = []
    for label, spec in {
        "negative": negative,
        "clipped": clipped(negative),
        "poster": poster,
    }.items():
        found += [
            exact(label, "nll_difference", value, point=point)
            for point, value in differences(spec, POINTS[label]).items()
        ]
    return found


if __name__ == "__main__":
    record(__file__, values, "pyhf", files=files())
