"""Expressions over the columns of an event table: numbers and conditions, nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._grammar import translate


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A number or a condition for each event; `parse_expression` makes one.

    Every column is used as float64, booleans as 0 and 1, so that a table gives the same numbers
    whatever file it was stored in.

    Attributes:
        text: As the user wrote it.
        columns: Names of the columns it needs, sorted.
        condition: True if it gives booleans, False if it gives numbers.
        place: Where it was written, for messages.
        code: The same for numexpr, with the columns named c0, c1, ... in the order of `columns`.
        constant: The value of an expression without columns, otherwise None.
    """

    text: str
    columns: tuple[str, ...]
    condition: bool
    place: str = field(repr=False)
    code: str = field(repr=False)
    constant: float | bool | None = field(repr=False)

    def __call__(
        self, columns: Mapping[str, NDArray[Any]], *, events: int | None = None
    ) -> NDArray[Any]:
        """The expression for each event.

        Args:
            columns: Numbers or booleans, shape (events,) each; more than needed may be given.
            events: How many events there are. Needed by an expression without columns if
                `columns` is empty.

        Returns:
            Float64 for numbers, which may be infinite or NaN, and bool for conditions, shape
            (events,). A lone column that is float64 already is returned itself, without a copy.

        Raises:
            EventsError: If a column is missing or holds no numbers, the columns have different
                lengths, or numexpr is not installed.
        """
        used = [self._numbers(columns, name) for name in self.columns]
        if events is None:
            events = len(next(iter(used or columns.values()), ()))
        for name, values in zip(self.columns, used, strict=True):
            if values.shape != (events,):
                raise EventsError(
                    f"{self._here}: column {name!r} has shape {values.shape} for {events} events; "
                    "give one number per event"
                )
        if self.constant is not None:
            return np.full(events, self.constant)
        if self.code == "c0":
            return used[0]
        result: NDArray[Any] = _numexpr(self._here).evaluate(
            self.code,
            local_dict={f"c{i}": values for i, values in enumerate(used)},
            global_dict={},
        )
        return result

    @property
    def _here(self) -> str:
        return f"{self.place} = {self.text!r}"

    def _numbers(self, columns: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float64]:
        if name not in columns:
            raise EventsError(f"{self._here}: column {name!r} is missing; give it")
        values = np.asarray(columns[name])
        if values.dtype.kind not in "biuf":
            raise EventsError(
                f"{self._here}: column {name!r} holds no numbers but {values.dtype}; "
                "use a column of numbers"
            )
        with np.errstate(invalid="ignore"):  # a NaN that signals becomes one that does not
            return values.astype(np.float64, copy=False)


def parse_expression(text: str, *, place: str) -> Expression:
    """An expression from its text, which is checked and never executed as Python.

    There are numbers, names of columns, ``+ - * / ** %``, comparisons (also ``1 < x < 2``),
    ``and or not``, ``& | ~`` between conditions, and the functions abs, sqrt, exp, expm1, log,
    log10, log1p, sin, cos, tan, arcsin, arccos, arctan, arctan2 (or atan2), sinh, cosh, tanh,
    floor, ceil and ``where(condition, a, b)``. A condition as a factor of a product, as in
    ``(x > 0) * w``, is 1 or 0. They mean what they mean in NumPy, with every number a float64.

    Args:
        text: What the user wrote.
        place: Where, for messages, for example "observable.m_t.expression".

    Raises:
        EventsError: If the text is none of that.
    """
    part, columns = translate(text, place=place)
    return Expression(
        text=text,
        columns=columns,
        condition=part.condition,
        place=place,
        code=part.code,
        constant=part.value,
    )


def _numexpr(here: str) -> Any:
    try:
        import numexpr
    except ImportError as error:
        raise EventsError(
            f"{here}: needs numexpr ({error}); run pip install 'pullfactory[io]'"
        ) from None
    return numexpr
