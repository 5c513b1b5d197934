"""What an expression for uproot may hold: it is compiled as Python, so nothing that does more."""

import ast
from collections.abc import Collection

from ._syntax import Text

_PARTS = (
    ast.BinOp,
    ast.Call,
    ast.Compare,
    ast.Name,
    ast.Slice,
    ast.Tuple,
    ast.UnaryOp,
    ast.cmpop,
    ast.expr_context,
    ast.operator,
    ast.unaryop,
)
_LARGEST = 10**9
_HIGHEST = 100  # power of constants: whole numbers of Python have no largest one
_JUNCTIONS = "&, |, ~ between comparisons in parentheses"
_JOINED = "join comparisons in parentheses by & and |, with ~ before them"
_ALLOWED = "use numbers, branches, operators, comparisons, indices and functions of uproot"
_FIRST = "the first index is of events: write : there, as in x[:, 0]"


def refuse_python(text: str, branches: Collection[str], *, place: str) -> None:
    """Refuse an expression that does more than compute numbers of branches, event by event.

    Args:
        text: That uproot would evaluate.
        branches: Names that `get` may ask for.
        place: Where it is, for messages.

    Raises:
        EventsError: If it is no expression, or holds what is not allowed.
    """
    source = Text(text=text, place=place, junctions=_JUNCTIONS, allowed=_ALLOWED)
    tree = source.tree()
    names = {id(name) for node in ast.walk(tree) for name in _asked(node, branches)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=value):
                if not (isinstance(value, int | float) or value is ... or id(node) in names):
                    source.refuse_node(node)
            case ast.BoolOp() | ast.UnaryOp(op=ast.Not()) | ast.IfExp():
                source.refuse(f"{source.source(node)} has no meaning for whole columns", _JOINED)
            case ast.Compare(ops=[_, _, *_]):
                source.refuse(f"{source.source(node)} is two comparisons in one", _JOINED)
            case ast.Attribute() if _dotted(node):
                pass  # uproot sees to it that a branch has this name
            case ast.Call() if not isinstance(node.func, ast.Name) or node.keywords:
                source.refuse_node(node)
            case ast.Subscript():
                _refuse_rows(source, node)
            case _ if not isinstance(node, _PARTS):
                source.refuse_node(node)
            case ast.BinOp(op=ast.Pow() | ast.LShift()) if _known(node):
                _refuse_large(source, node)


def _asked(node: ast.AST, branches: Collection[str]) -> tuple[ast.Constant, ...]:
    """The text by which a branch is asked for."""
    match node:
        case ast.Call(func=ast.Name(id="get"), args=[ast.Constant(value=str() as name) as text]):
            return (text,) if name in branches else ()
    return ()


def _dotted(node: ast.AST) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _refuse_rows(source: Text, node: ast.Subscript) -> None:
    """Events may not be chosen: they would no longer be those of other columns."""
    inner = node.slice
    first = inner.elts[0] if isinstance(inner, ast.Tuple) and inner.elts else inner
    if isinstance(first, ast.Slice):
        chosen = any((first.lower, first.upper, first.step))
    else:
        chosen = _known(first) and not (isinstance(first, ast.Constant) and first.value is ...)
    if chosen:
        source.refuse(f"{source.source(node)} takes some of the events", _FIRST)


def _refuse_large(source: Text, node: ast.BinOp) -> None:
    base, power = (abs(_literal(side)) for side in (node.left, node.right))
    if not (base <= _LARGEST and power <= _HIGHEST):
        source.refuse(f"{source.source(node)} may be too large", "write the number itself")


def _literal(node: ast.AST) -> float:
    """The number that is written; infinity for anything else."""
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    return float("inf")


def _known(node: ast.AST) -> bool:
    """Whether no branch is in it."""
    return not any(isinstance(each, ast.Name) for each in ast.walk(node))
