"""Makes the events of this folder, one sample for each format.

`python tests/cases/audit_formats/make_inputs.py`; files of ROOT and NumPy hold a date, so that
they differ from one call to the next.
"""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uproot
from numpy.typing import NDArray

FOLDER = Path(__file__).parent
Table = dict[str, NDArray[Any]]


def events(n: int, seed: int, shift: float = 0.0) -> Table:
    """Two correlated observables, with three digits."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal(n)
    x, y = 0.6 * shared + 0.8 * rng.standard_normal((2, n))
    return {"x": np.round(100 + shift + 10 * x, 3), "y": np.round(50 + 5 * y, 3)}


def as_csv(table: Table) -> bytes:
    """Lines of numbers below one of names."""
    rows = zip(*(column.tolist() for column in table.values()), strict=True)
    return "\n".join([",".join(table), *(",".join(map(str, row)) for row in rows), ""]).encode()


def main() -> None:
    """Write every file."""
    with uproot.recreate(FOLDER / "nominal.root") as file:
        file["events"] = events(300, 1)
        file["other"] = events(10, 2)
    with uproot.recreate(FOLDER / "up.root") as file:
        file.mkrntuple("events", events(300, 3, 3.0))
    (FOLDER / "down_1.csv").write_bytes(as_csv(events(150, 4, -3.0)))
    packed = gzip.compress(as_csv(events(150, 5, -3.0)), mtime=0)
    (FOLDER / "down_2.csv.gz").write_bytes(packed)
    flat = np.random.default_rng(6).uniform([70, 35], [130, 65], (200, 2)).T
    np.savez_compressed(FOLDER / "flat.npz", x=flat[0], y=flat[1])
    pq.write_table(pa.table(events(250, 7)), FOLDER / "data.parquet")


if __name__ == "__main__":
    main()
