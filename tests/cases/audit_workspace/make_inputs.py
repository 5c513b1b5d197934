"""Write the inputs: 400 events with two observables, and a workspace with a channel for each."""

import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
EDGES = [-2.0, -0.5, 0.5, 2.0]


def main() -> None:
    """Write everything."""
    rng = np.random.default_rng(6)
    first, other = rng.standard_normal((2, 400))
    columns = {"x": np.round(first, 3), "y": np.round(0.8 * first + 0.6 * other, 3)}
    lines = [f"{x},{y}" for x, y in zip(*columns.values(), strict=True)]
    (FOLDER / "events.csv").write_text("\n".join(["x,y", *lines]) + "\n", encoding="utf-8")
    channels, observations = [], []
    for name, values in columns.items():
        counts = np.histogram(values, EDGES)[0].astype(float)
        sides = {"hi_data": [1.0, 1.02, 1.04], "lo_data": [1.0, 0.98, 0.96]}
        modifiers = [
            {"name": "mu", "type": "normfactor", "data": None},
            {
                "name": "tilt",
                "type": "histosys",
                "data": {key: (counts * side).tolist() for key, side in sides.items()},
            },
            {"name": f"staterror_{name}", "type": "staterror", "data": np.sqrt(counts).tolist()},
        ]
        signal = {"name": "signal", "data": counts.tolist(), "modifiers": modifiers}
        channels.append({"name": name, "samples": [signal]})
        observations.append({"name": name, "data": counts.tolist()})
    spec = {
        "channels": channels,
        "observations": observations,
        "measurements": [{"name": "all", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
    (FOLDER / "two.json").write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
