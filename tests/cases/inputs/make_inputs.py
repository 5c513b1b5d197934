"""Makes the events of this folder: `python tests/cases/inputs/make_inputs.py`.

Two masses of the same event, correlated, a ratio that not every event has, a weight, and what
identifies the event. Data are signal and background of other seeds.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

FOLDER = Path(__file__).parent
Table = dict[str, NDArray[Any]]


def signal(n: int, seed: int, mass: float = 0.0) -> Table:
    """Events with a mass away from nominal, in GeV."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal(n)
    m_t, m_w, ratio = 0.6 * shared + 0.8 * rng.standard_normal((3, n))
    return completed(rng, 172.0 + mass + 11.0 * m_t, 80.4 + 7.0 * m_w, np.exp(0.2 * ratio), 0.7)


def background(n: int, seed: int) -> Table:
    """Events without a peak."""
    rng = np.random.default_rng(seed)
    m_t, m_w = 140.0 + rng.exponential(40.0, n), rng.uniform(55.0, 110.0, n)
    return completed(rng, m_t, m_w, np.exp(0.35 * rng.standard_normal(n)), 0.3)


def completed(
    rng: np.random.Generator, m_t: NDArray[Any], m_w: NDArray[Any], ratio: NDArray[Any], part: float
) -> Table:
    """Events with all columns, of which a part has the ratio."""
    n = len(m_t)
    tagged = rng.random(n) < part
    return {
        "m_t": m_t.astype(np.float32),
        "m_W": m_w.astype(np.float32),
        "ratio": np.where(tagged, ratio, np.nan).astype(np.float32),
        "n_b": np.where(tagged, 2, 1).astype(np.int8),
        "pt": (25.0 + rng.exponential(40.0, n)).astype(np.int16),
        "w": rng.choice([0.75, 1.0, 1.25], n).astype(np.float32),
        "event": np.arange(n, dtype=np.int16),
    }


def scaled(table: Table, part: float) -> Table:
    """The same events with other jet energies."""
    factors = {"m_t": 1 + part / 2, "m_W": 1 + part}
    return {
        name: column * np.float32(factors.get(name, 1.0)) if name in factors else column
        for name, column in table.items()
    }


def joined(*tables: Table) -> Table:
    """Events of several tables, numbered anew."""
    whole = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    return {**whole, "event": np.arange(len(whole["m_t"]), dtype=np.int16)}


def main() -> None:
    """Write every table."""
    nominal = signal(1000, 1)
    tables = {
        "nominal": nominal,
        "mass_up": signal(1000, 2, 2.0),
        "mass_down": signal(1000, 3, -2.0),
        "jsf_up": scaled(nominal, 0.02),
        "jsf_down": scaled(nominal, -0.02),
        "w_jets": background(400, 4),
        "data": joined(signal(500, 5, 0.5), background(80, 6)),
    }
    for name, table in tables.items():
        pq.write_table(pa.table(table), FOLDER / f"{name}.parquet", compression="zstd")


if __name__ == "__main__":
    main()
