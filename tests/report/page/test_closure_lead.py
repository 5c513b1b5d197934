"""The answer of a page where the morphing is far off."""

import pytest

from pullfactory.inference import ClosureVerdict
from pullfactory.report.page.content import Lead, Tags
from pullfactory.report.page.study import _with_closure

LEAD = Lead(
    answer="Yes: here, all errors are right.", mood="good", details=("m_t: ...",), tags=Tags()
)


@pytest.mark.parametrize("correctable", [True, False])
def test_no_factor_repairs_a_morphing_that_does_not_close(correctable: bool) -> None:
    verdict = ClosureVerdict(
        parameter="m_t",
        pull_mean=0.0,
        pull_width=1.19,
        closing_width=1.0,
        biased_from=100.0,
        closes=False,
        correctable=correctable,
    )
    found = _with_closure(LEAD, "here", [verdict])
    if correctable:
        assert found == LEAD
    else:
        assert found.answer.startswith("No: here, the morphing does not close for m_t")
        assert (found.mood, found.details) == ("bad", LEAD.details)
