"""What a whole command costs: with what was kept before, anew, and without figures."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

from benchmarks.measure import POSTER, Settings, ratio
from benchmarks.rows import Row, duration

_TOYS = ("toys", str(POSTER))
_COMMANDS = {
    "toys poster.json --n-toys 10000": (*_TOYS, "--n-toys", "10000"),
    "predict": ("predict",),
    "run": ("run",),
}
_FEW = ("--n-toys", "200")
_FRESH = ("--fresh",)
_WAYS = {"usual": (), "anew": ("--no-cache",), "bare": ("--figures", "none")}


def measure(settings: Settings) -> list[Row]:
    commands = {
        name: words if "predict" in words else (*words, *_FRESH, *(_FEW if settings.quick else ()))
        for name, words in _COMMANDS.items()
    }
    return [row for name, words in commands.items() for row in _compare(name, words, settings)]


def _compare(name: str, words: Sequence[str], settings: Settings) -> list[Row]:
    """CPU of one command in turns: with its cache and without, with its figures and without."""
    times: dict[str, list[float]] = {way: [] for way in _WAYS}
    with tempfile.TemporaryDirectory() as folder:
        spend = partial(_spend, words, Path(folder) / "out")
        spend(())  # fills the cache
        for _ in range(settings.size(5, 1)):
            for way, more in _WAYS.items():
                times[way].append(spend(more))
    medians = {way: duration(median(times[way])) for way in _WAYS}
    usual, anew, bare = times.values()
    return [
        Row(
            what=f"{name}: CPU with what was kept / anew",
            value=ratio(usual, anew),
            detail="{usual} and {anew}".format_map(medians),
        ),
        Row(
            what=f"{name}: part of the CPU for figures",
            value=1.0 - ratio(bare, usual),
            at_most=0.25,
            detail="{usual}, without figures {bare}".format_map(medians),
        ),
    ]


def _spend(words: Sequence[str], output: Path, more: Sequence[str]) -> float:
    """CPU seconds of a command in a process of its own."""
    before = getrusage(RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pullfactory", *words, "--output", str(output), *more]
    subprocess.run(command, check=True, capture_output=True)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
