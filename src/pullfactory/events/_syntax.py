"""The text of an expression as Python's syntax tree, and what to say about what it may not hold."""

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import NoReturn

from pullfactory.errors import EventsError

FUNCTIONS = (
    "abs",
    "sqrt",
    "exp",
    "expm1",
    "log",
    "log10",
    "log1p",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "arctan2",
    "atan2",
    "sinh",
    "cosh",
    "tanh",
    "floor",
    "ceil",
    "where",
)
_LONGEST = 2000
_SHOWN = 60
_PARTS = "write intermediate results into columns of the table"
_ALLOWED = (
    "use numbers, columns, + - * / ** %, comparisons, and, or, not, and functions such as sqrt"
)
_WORDS: Mapping[type[ast.AST], str] = MappingProxyType(
    {
        ast.Attribute: "an attribute",
        ast.BitXor: "^",
        ast.FloorDiv: "//",
        ast.IfExp: "if and else",
        ast.In: "in",
        ast.Is: "is",
        ast.IsNot: "is not",
        ast.JoinedStr: "a text",
        ast.Lambda: "a lambda",
        ast.LShift: "<<",
        ast.MatMult: "@",
        ast.NamedExpr: "an assignment",
        ast.NotIn: "not in",
        ast.RShift: ">>",
        ast.Starred: "a star",
        ast.Subscript: "an element of a column",
    }
)
_REMEDIES: Mapping[type[ast.AST], str] = MappingProxyType(
    {
        ast.Attribute: "write sqrt(x), not np.sqrt(x), and columns without a dot in their name",
        ast.BitXor: "write ** for a power",
        ast.FloorDiv: "write floor(a / b)",
        ast.IfExp: "write where(condition, a, b)",
        ast.Subscript: "write one number per event into a column of its own",
    }
)


def shorten(text: str) -> str:
    """The text, cut if it is long."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """An expression as the user wrote it.

    Attributes:
        text: The expression.
        place: Where it was written, for messages.
        junctions: What joins conditions, for messages.
        allowed: What there is, for messages.
    """

    text: str
    place: str
    junctions: str = "and, or, not"
    allowed: str = _ALLOWED

    def tree(self) -> ast.expr:
        """Its syntax tree, of which nothing is checked yet.

        Raises:
            EventsError: If it is no expression of Python, or too long for one.
        """
        if len(self.text) > _LONGEST:
            self.refuse(f"has {len(self.text)} characters, more than {_LONGEST}", _PARTS)
        if not self.text.strip():
            self.refuse("is empty", "write for example m_t > 100")
        if "#" in self.text or "\0" in self.text:
            self.refuse("holds a comment or a null character", "take it out")
        try:
            with warnings.catch_warnings(action="ignore"):
                return ast.parse(self._line, mode="eval").body
        except (SyntaxError, ValueError) as error:
            reason = getattr(error, "msg", str(error))
            foreign = any(sign in self.text for sign in ("&&", "||", "!"))
            remedy = f"write {self.junctions}" if foreign else "mend it"
            self.refuse(f"is no expression ({reason})", remedy)
        except (RecursionError, MemoryError):
            self.refuse("is nested too deeply", _PARTS)

    def source(self, node: ast.AST) -> str:
        """A node as the user wrote it, in quotes."""
        return repr(shorten(ast.get_source_segment(self._line, node) or "it"))

    def name(self, node: ast.Name) -> str:
        """A name as it was written: Python's tree has the micro sign as the Greek letter."""
        if node.id.isascii() and self.text.isascii():
            return node.id
        return ast.get_source_segment(self._line, node) or node.id

    def refuse(self, complaint: str, remedy: str = _PARTS) -> NoReturn:
        """Refuse the expression.

        Args:
            complaint: What is wrong with it.
            remedy: What to do about it.

        Raises:
            EventsError: Always.
        """
        raise EventsError(f"{self.place} = {shorten(self.text)!r}: {complaint}; {remedy}")

    def refuse_node(self, node: ast.AST) -> NoReturn:
        """Refuse the expression for a node that none may hold.

        Args:
            node: Of its syntax tree.

        Raises:
            EventsError: Always.
        """
        if isinstance(node, ast.Call):
            self._refuse_call(node)
        kind = type(node.op) if isinstance(node, ast.BinOp) else type(node)
        what = _WORDS.get(kind)
        if what is None:
            what = self.source(node)
        elif isinstance(node, ast.expr):
            what = f"{what}, {self.source(node)},"
        self.refuse(f"{what} is not allowed", _REMEDIES.get(kind, self.allowed))

    def _refuse_call(self, node: ast.Call) -> NoReturn:
        function = self.source(node.func)
        if isinstance(node.func, ast.Attribute):
            self.refuse(f"a call of {function} is not allowed", _REMEDIES[ast.Attribute])
        if isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
            self.refuse(f"{function} has arguments with a name", "give them by position")
        near = get_close_matches(getattr(node.func, "id", ""), FUNCTIONS, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"use one of {', '.join(FUNCTIONS)}"
        self.refuse(f"a call of {function} is not allowed", remedy)

    @property
    def _line(self) -> str:
        return " ".join(self.text.split())
