"""Whether the model fits the data, on the page of an audit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pullfactory.report.figures import AUDIT
from pullfactory.report.goodness import goodness_sentences, goodness_table
from pullfactory.report.page.content import Block, Section, Text
from pullfactory.report.page.pictures import pictures
from pullfactory.report.page.tables import paged


def fit_section(folder: Path, summary: Mapping[str, Any]) -> Section:
    """The goodness of fit; data beside the fit; without blocks where there are none.

    Args:
        folder: Holds `figures`.
        summary: Content of its `audit.json`; earlier ones have no `goodness`.
    """
    goodness = summary.get("goodness")
    blocks: tuple[Block, ...] = ()
    if goodness:
        table = paged(
            goodness_table(goodness),
            name="goodness",
            caption="Twice the log of the likelihood ratio to a model that has the counts as its "
            "rates, and the same of toys thrown at the fitted point, whose events have all their "
            "observables.",
        )
        blocks = (
            *((table,) if goodness["rows"] else ()),
            *(Text(text=said) for said in goodness_sentences(goodness)),
        )
    if summary["data"]:
        blocks = (*blocks, *pictures(folder, AUDIT, "fit"))
    return Section(name="fit", heading="Does the model fit the data?", blocks=blocks)
