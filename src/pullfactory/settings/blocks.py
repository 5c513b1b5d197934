"""Blocks that a study and an audit both have: parameters, observables, the workspace."""

from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from pullfactory.settings.fields import Bins, Bounds, Frozen, Listed, Name, Text

Morphing = Literal["additive", "additive_cross", "multiplicative"]

# Fields come in the order of the file, those of a base first: what stands further down in a block
# is only declared here, for the type checker.


class Block(Frozen):
    """An entry of a list of tables, called by its name."""

    name: Name = Field(description="name in every file and table")
    label: Text = Field(default="", description="LaTeX label for figures; empty: the name")
    unit: Text = Field(default="", description="unit")


class ParameterBlock(Block):
    """A parameter of a fit."""

    constraint: Literal["free", "normal"] = Field(default="normal")
    if TYPE_CHECKING:
        bounds: Bounds

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        low, high = self.bounds
        inside = self._inside_bounds()
        if not all(low < value < high for value in inside.values()):
            raise ValueError(
                f"bounds = {list(self.bounds)} must increase and enclose {' and '.join(inside)}"
            )
        return self

    def _inside_bounds(self) -> dict[str, float]:
        """What the bounds must enclose, by what a message calls it."""
        return {"0": 0.0}

    @property
    def free(self) -> bool:
        """Whether it has no constraint."""
        return self.constraint == "free"


class ObservableBlock(Block):
    """A number measured once per event; a channel of the workspace."""

    name: Name = Field(description="name of the observable and of its channel")
    if TYPE_CHECKING:
        n_bins: Bins
        edges: Listed[float] | None

    @model_validator(mode="after")
    def _check_bins(self) -> Self:
        if self.edges is not None and self.n_bins is not None:
            raise ValueError("give n_bins or edges, not both")
        if self.edges is not None and any(np.diff(np.array(self.edges)) <= 0):
            raise ValueError(f"edges = {list(self.edges)} must increase; sort them")
        return self


class WorkspaceBlock(Frozen):
    """The pyhf workspace of the observables taken as independent."""

    if TYPE_CHECKING:
        morphing: Morphing

    def frees_totals(self, n_events_law: str) -> bool:
        """Whether it leaves the number of events of each channel free.

        That is fixed in the toys or in the data, and products of factors would not keep it.

        Args:
            n_events_law: "fixed" or "poisson".
        """
        return n_events_law == "fixed" and self.morphing == "multiplicative"
