"""Shards of toys joined, and how far toys are."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pullfactory.cli._request import (
    REPORTED,
    Request,
    figures_option,
    result_options,
    tolerant_option,
)
from pullfactory.cli._shared import PLACE, command, say, warn_of_mixed

if TYPE_CHECKING:
    from pullfactory.results.standing import Standing


@command(
    "pullfactory toys w.json --n-toys 40960 --blocks 0-9 -o shard0      ... and so on",
    "pullfactory merge shard* --output result",
)
@click.argument("shards", nargs=-1, required=True, metavar="SHARD...", type=PLACE)
@result_options("results/merged", figures_option, tolerant_option, threads=False)
def merge(request: Request, shards: tuple[str, ...]) -> None:
    """Join shards of the same toys to the result of all."""
    from pullfactory.results.merging import merge as merge_shards

    folder = request.folder("merged")
    result = merge_shards(shards, tolerant=request.tolerant)
    files = {**REPORTED, "Summary": f"{result.kind}.json"}
    request.answer(result, folder, [result.table, result.title], **files)
    warn_of_mixed(result.mixed)


@command("pullfactory status results/poster        how far its toys are")
@click.argument("folder", type=PLACE)
@click.option("--json", "as_json", is_flag=True, help="Print numbers instead of a table.")
def status(folder: str, as_json: bool) -> None:
    """Show how far the toys of a run are."""
    from pullfactory.results.standing import standing

    found = standing(folder)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=1))
    else:
        for line in _shown(found):
            say(line)


def _shown(found: "Standing") -> Iterator[str]:
    from pullfactory.results.command import range_text, ranges_of

    speed = "" if found.per_second is None else f", {found.per_second:.3g} toys a second"
    failed = f", {found.failed} fits failed" if found.failed else ""
    yield (
        f"{found.folder}: {found.state}; {found.done} of {found.blocks} blocks done, "
        f"{found.missing} missing; {found.toys} of {found.wanted} toys{failed}{speed}"
    )
    for why in dict.fromkeys(one.why for one in found.failed_blocks):
        blocks = ranges_of(one.block for one in found.failed_blocks if one.why == why)
        yield f"Blocks that failed: {', '.join(map(range_text, blocks))} ({why})"
