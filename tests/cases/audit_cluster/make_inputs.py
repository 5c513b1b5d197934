"""Makes the events of this folder: `python tests/cases/audit_cluster/make_inputs.py`.

One to three rows of an event, which have much in common, in any order.
"""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent


def main() -> None:
    """Write the rows."""
    rng = np.random.default_rng(1)
    event = np.repeat(np.arange(250), rng.integers(1, 4, 250))
    common, own = rng.standard_normal((2, 250)), rng.standard_normal((2, len(event)))
    x, y = 0.8 * common[:, event] + 0.6 * own
    x, y = 100 + 10 * x, 50 + 5 * (0.5 * x + 0.75**0.5 * y)
    lines = [f"{x[i]:.3f},{y[i]:.3f},1,{event[i]}" for i in rng.permutation(len(event))]
    text = "\n".join(["x,y,run,event", *lines, ""])
    (FOLDER / "rows.csv").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
