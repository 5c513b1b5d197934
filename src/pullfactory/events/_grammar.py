"""From an expression to the text that numexpr evaluates, by a list of what is allowed."""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ._syntax import FUNCTIONS, Text

_LONGEST_CODE = 20_000
_DEEPEST = 60
_MOST_COLUMNS = 30
_MOST_NUMBERS = 150  # numexpr has 255 registers for columns, numbers and intermediate results
# The remainder has the sign of the divisor, as in NumPy, also if it is 0; numexpr's own % depends
# on its version.
_MOD = (
    "where((fmod({0}, {1}) == 0.0), (0.0 / {1}), "
    "where(((fmod({0}, {1}) < 0.0) & ({1} > 0.0)) | ((fmod({0}, {1}) > 0.0) & ({1} < 0.0)), "
    "(fmod({0}, {1}) + {1}), fmod({0}, {1})))"
)
_ARITHMETIC: Mapping[type[ast.AST], tuple[str, Callable[..., Any]]] = MappingProxyType(
    {
        ast.Add: ("({0} + {1})", np.add),
        ast.Sub: ("({0} - {1})", np.subtract),
        ast.Mult: ("({0} * {1})", np.multiply),
        ast.Div: ("({0} / {1})", np.divide),
        ast.Pow: ("({0} ** {1})", np.power),
        ast.Mod: (_MOD, np.mod),
    }
)
_COMPARISONS: Mapping[type[ast.AST], tuple[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {
        ast.Lt: ("<", operator.lt),
        ast.LtE: ("<=", operator.le),
        ast.Gt: (">", operator.gt),
        ast.GtE: (">=", operator.ge),
        ast.Eq: ("==", operator.eq),
        ast.NotEq: ("!=", operator.ne),
    }
)
_JUNCTIONS: Mapping[type[ast.AST], tuple[str, str]] = MappingProxyType(
    {ast.And: ("and", "&"), ast.Or: ("or", "|"), ast.BitAnd: ("&", "&"), ast.BitOr: ("|", "|")}
)
_TO_NUMBER = "put comparisons in parentheses or write and; where(condition, 1, 0) is a number"
_TO_CONDITION = (
    "put comparisons in parentheses or write and; flag != 0 is the condition of a column of flags"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of an expression.

    Attributes:
        code: Text for numexpr, in parentheses where it needs them; unused for a constant.
        condition: True for a boolean, False for a number.
        value: The value of a constant, otherwise None.
    """

    code: str
    condition: bool
    value: float | bool | None = None


def translate(text: str, *, place: str) -> tuple[Part, tuple[str, ...]]:
    """Translate an expression.

    Args:
        text: What the user wrote.
        place: Where, for messages.

    Returns:
        The whole, and the names of its columns, sorted; in the code they are c0, c1, ...

    Raises:
        EventsError: If the text holds what is not allowed.
    """
    source = Text(text=text, place=place)
    tree = source.tree()
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    used = (n for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in functions)
    names = sorted({source.name(node) for node in used})
    if len(names) > _MOST_COLUMNS:
        source.refuse(f"needs {len(names)} columns, more than {_MOST_COLUMNS}")
    numbers = sum(isinstance(node, ast.Constant) for node in ast.walk(tree))
    if numbers > _MOST_NUMBERS:
        source.refuse(f"has {numbers} numbers, more than {_MOST_NUMBERS}")
    codes = {name: f"c{i}" for i, name in enumerate(names)}
    return _Translation(text=source, codes=codes).part(tree, 0), tuple(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Translation:
    text: Text
    codes: Mapping[str, str]

    def part(self, node: ast.AST, depth: int) -> Part:
        """Translate a node and all below it."""
        depth += 1
        if depth > _DEEPEST:
            self.text.refuse(f"is nested more than {_DEEPEST} deep")
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                part = self.constant(value, node)
            case ast.Name():
                part = Part(code=self.codes[self.text.name(node)], condition=False)
            case ast.UnaryOp():
                part = self.sign(node, depth)
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
                side_of = self.factor if isinstance(op, ast.Mult) else self.number
                sides = [side_of(side, depth) for side in (left, right)]
                if isinstance(op, ast.Div | ast.Mod) and sides[1].value == 0:
                    self.text.refuse(
                        f"{self.text.source(node)} is not finite", "divide by a number"
                    )
                part = self.combine(*_ARITHMETIC[type(op)], node, sides)
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _JUNCTIONS:
                part = self.junction(op, [left, right], depth)
            case ast.BoolOp(op=op, values=values):
                part = self.junction(op, values, depth)
            case ast.Compare():
                part = self.comparison(node, depth)
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
                part = self.call(name, node, depth)
            case _:
                self.text.refuse_node(node)
        if len(part.code) > _LONGEST_CODE:
            self.text.refuse("is too long")
        return part

    def number(self, node: ast.AST, depth: int) -> Part:
        """Translate a node that must be a number."""
        part = self.part(node, depth)
        if part.condition:
            source = self.text.source(node)
            self.text.refuse(f"{source} is a condition where a number is needed", _TO_NUMBER)
        return part

    def factor(self, node: ast.AST, depth: int) -> Part:
        """Translate a factor of a product; a condition is 1 or 0 there, as in weights."""
        part = self.part(node, depth)
        if not part.condition:
            return part
        if part.value is not None:
            return self.constant(float(part.value), node)
        return Part(code=f"where({part.code}, 1.0, 0.0)", condition=False)

    def condition(self, node: ast.AST, joint: str, depth: int) -> Part:
        """Translate a node that must be a condition, because `joint` wants one."""
        part = self.part(node, depth)
        if not part.condition:
            source = self.text.source(node)
            self.text.refuse(f"{joint} needs a condition, not the number {source}", _TO_CONDITION)
        return part

    def constant(self, value: float, node: ast.AST) -> Part:
        """Translate a number that needs no column."""
        try:
            number = float(value)
        except OverflowError:
            number = np.inf
        if not np.isfinite(number):
            self.text.refuse(f"{self.text.source(node)} is not finite", "use a finite number")
        return Part(code=f"({number!r})", condition=False, value=number)

    def sign(self, node: ast.UnaryOp, depth: int) -> Part:
        """Translate + and - before a number, not and ~ before a condition."""
        if isinstance(node.op, ast.Not | ast.Invert):
            joint = "not" if isinstance(node.op, ast.Not) else "~"
            return self.opposite(node.operand, joint, depth)
        number = self.number(node.operand, depth)
        if isinstance(node.op, ast.UAdd):
            return number
        return self.combine("(-{0})", np.negative, node, [number])

    def combine(
        self, form: str, function: Callable[..., Any], node: ast.AST, operands: Sequence[Part]
    ) -> Part:
        """Numbers made one; constants are worked out at once, in floating point."""
        known = [operand.value for operand in operands if operand.value is not None]
        if len(known) == len(operands):
            with np.errstate(all="ignore"):
                return self.constant(float(function(*map(np.float64, known))), node)
        return Part(code=form.format(*(operand.code for operand in operands)), condition=False)

    def call(self, name: str, node: ast.Call, depth: int) -> Part:
        """Translate a function and its arguments."""
        wanted = {"where": 3, "arctan2": 2, "atan2": 2}.get(name, 1)
        if len(node.args) != wanted:
            self.text.refuse(f"{name} has {len(node.args)} arguments", f"give it {wanted}")
        if name != "where":
            parts = [self.number(argument, depth) for argument in node.args]
            known = {"atan2": "arctan2"}.get(name, name)  # as in C
            form = f"{known}({', '.join(f'{{{i}}}' for i in range(wanted))})"
            return self.combine(form, getattr(np, known), node, parts)
        test = self.condition(node.args[0], "where", depth)
        yes, no = (self.number(argument, depth) for argument in node.args[1:])
        if test.value is not None:
            return yes if test.value else no
        return Part(code=f"where({test.code}, {yes.code}, {no.code})", condition=False)

    def comparison(self, node: ast.Compare, depth: int) -> Part:
        """Translate a chain of comparisons into a conjunction."""
        sides = [self.number(side, depth) for side in (node.left, *node.comparators)]
        links = []
        for op, left, right in zip(node.ops, sides[:-1], sides[1:], strict=True):
            if type(op) not in _COMPARISONS:
                self.text.refuse_node(op)
            sign, function = _COMPARISONS[type(op)]
            if left.value is None or right.value is None:
                links.append(Part(code=f"({left.code} {sign} {right.code})", condition=True))
            else:
                links.append(_truth(function(left.value, right.value)))
        return _joined("&", links)

    def junction(self, op: ast.AST, nodes: Sequence[ast.expr], depth: int) -> Part:
        """Translate conditions joined by and, or, & or |."""
        joint, sign = _JUNCTIONS[type(op)]
        return _joined(sign, [self.condition(node, joint, depth) for node in nodes])

    def opposite(self, node: ast.expr, joint: str, depth: int) -> Part:
        """Translate the opposite of a condition."""
        part = self.condition(node, joint, depth)
        if part.value is not None:
            return _truth(not part.value)
        return Part(code=f"(~{part.code})", condition=True)


def _truth(value: bool) -> Part:
    return Part(code=str(value), condition=True, value=value)


def _joined(sign: str, parts: Sequence[Part]) -> Part:
    """Conditions joined by & or |; constants among them are worked out."""
    decisive = sign == "|"
    open_ones = [part for part in parts if part.value is None]
    if any(part.value is decisive for part in parts):
        return _truth(decisive)
    if not open_ones:
        return _truth(not decisive)
    code = f" {sign} ".join(part.code for part in open_ones)
    return Part(code=f"({code})" if len(open_ones) > 1 else code, condition=True)
