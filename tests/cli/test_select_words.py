"""What `select` says of a method in words."""

from types import SimpleNamespace
from typing import Any

import pytest

from pullfactory.cli._select import _answers


class Selected:
    """The same set is the best by any error, and nothing is left out."""

    def best(self, _method: str, _kind: str = "") -> Any:
        pull = SimpleNamespace(claimed_error=0.42, actual_error=0.41)
        return SimpleNamespace(observables=("m_t", "m_W"), pull=pull, reached=0.41)

    def do_not_pay(self, _method: str, _kind: str = "") -> tuple[str, ...]:
        return ()


@pytest.mark.parametrize("method", ["flow", "unbinned_joint"])
def test_a_joint_method_is_not_told_to_be_combined(method: str) -> None:
    said = _answers(Selected(), method)  # type: ignore[arg-type]
    assert said == [f"{method}, best: m_t, m_W (is 0.410)", f"{method}, do not pay: none"]


def test_a_product_is_told_with_its_corrections() -> None:
    said = _answers(Selected(), "unbinned")  # type: ignore[arg-type]
    assert said[0] == "unbinned, best if independent: m_t, m_W (claims 0.420, is 0.410)"
    assert said[3] == "unbinned, best combined optimally: m_t, m_W (gives 0.410)"
    assert len(said) == 5
