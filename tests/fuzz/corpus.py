"""Small valid inputs of every kind, made by code, in the folder that they are read in."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import uproot
from PIL import Image

import pullfactory as pf
from pullfactory.runs.toys import run_toys
from tests.cases.case import CASES

__all__ = ["EVENTS", "PART", "PICTURE", "make_corpus"]

EVENTS = (
    *("table.csv", "table.csv.gz", "table.npz", "table.parquet"),
    *("tree.root", "ntuple.root"),
)
"""Files of events, one of each format."""
PICTURE = "toys/figures/pulls.png"
PART = "toys.parquet/part-000000000000-000000000008.parquet"
_INPUTS = CASES / "inputs"
_ROWS = 60
_CABINETRY = """
General: {InputPath: "{SamplePath}"}
Regions:
  - {Name: x, Variable: x, Filter: "y > 0", Binning: [0, 1, 2]}
Samples:
  - {Name: Data, Tree: data, SamplePath: data.root, Data: True}
  - {Name: signal, Tree: signal, SamplePath: [a.root, b.root], Weight: "2 * w"}
"""


def make_corpus(folder: Path) -> None:
    """Make every valid input; some toys are fitted for it, which takes seconds.

    Args:
        folder: Is filled.
    """
    for source in _INPUTS.iterdir():
        if source.suffix in (".toml", ".json", ".parquet"):
            shutil.copyfile(source, folder / source.name)
    for source in (CASES / "toys_patches").glob("*.json"):
        shutil.copyfile(source, folder / source.name)
    for name in ("two.json", "events.toml", "events.csv"):
        shutil.copyfile(CASES / "audit_workspace" / name, folder / name)
    (folder / "config.yml").write_text(_CABINETRY)
    (folder / "modifiers.json").write_text(json.dumps(_every_modifier()))
    for name in EVENTS:
        _write_events(folder / name)
    study = pf.Study.from_toml(_INPUTS / "tiny.toml").with_settings(
        {"ensemble.n_toys": 8, "figures": []}
    )
    joint = study.with_settings({"methods": ["binned_joint"]})
    for name, one in (("calibration.json", study), ("joint_calibration.json", joint)):
        (folder / name).write_text(json.dumps(pf.calibrate(one).to_dict()))
    pf.run(study).write(folder / "study")
    pf.predict(study).write(folder / "predicted")
    likelihood = pf.BinnedLikelihood.from_pyhf(pf.read_workspace(_INPUTS / "small.json"))
    run_toys(likelihood, 8, 1).write(folder / "toys", figures=[])
    (folder / PICTURE).parent.mkdir()
    Image.new("RGB", (8, 8)).save(folder / PICTURE)


def _write_events(path: Path) -> None:
    """A number, one with holes, integers beyond what a float holds, a flag and a text."""
    rng = np.random.default_rng(1)
    x = rng.normal(172.0, 10.0, _ROWS)
    table = {
        "x": x,
        "y": np.where(x < 160.0, np.nan, x / 2),
        "n": 2**60 + np.arange(_ROWS),
        "flag": x > 172.0,
    }
    texts = {"kind": np.array(["signal", "background"] * (_ROWS // 2))}
    match "".join(path.suffixes):
        case ".csv":
            pd.DataFrame({**table, **texts}).to_csv(path, index=False)
        case ".csv.gz":
            text = pd.DataFrame({**table, **texts}).to_csv(index=False)
            path.write_bytes(gzip.compress(text.encode(), mtime=0))
        case ".npz":
            np.savez_compressed(path, **table, **texts)  # type: ignore[arg-type]
        case ".parquet":
            pq.write_table(pa.table({**table, **texts}), path, row_group_size=25)
        case _:
            with uproot.recreate(path) as file:
                kinds = {name: column.dtype for name, column in table.items()}
                make = file.mkrntuple if path.stem == "ntuple" else file.mktree
                make("events", kinds).extend(table)


def _every_modifier() -> dict[str, object]:
    """A workspace with a modifier of every kind."""
    kinds: dict[str, object] = {
        "normfactor": None,
        "lumi": None,
        "shapefactor": None,
        "staterror": [4.0, 3.0],
        "shapesys": [5.0, 2.0],
        "normsys": {"hi": 1.1, "lo": 0.9},
        "histosys": {"hi_data": [51.0, 31.0], "lo_data": [49.0, 28.0]},
    }
    apart = ("shapefactor", "staterror")  # bins that are free need no statistical error
    samples = [
        {
            "name": sample,
            "data": [50.0, 30.0],
            "modifiers": [
                {"name": f"a_{kind}" if kind != "lumi" else kind, "type": kind, "data": data}
                for kind, data in kinds.items()
                if kind not in without
            ],
        }
        for sample, without in (("signal", apart[:1]), ("background", ("shapefactor", "shapesys")))
    ]
    lumi = {"name": "lumi", "inits": [1.0], "bounds": [[0.5, 1.5]], "auxdata": [1.0]}
    config = {"poi": "a_normfactor", "parameters": [{**lumi, "sigmas": [0.02]}]}
    return {
        "channels": [{"name": "SR", "samples": samples}],
        "observations": [{"name": "SR", "data": [103, 59]}],
        "measurements": [{"name": "first", "config": config}],
        "version": "1.0.0",
    }
