"""Expressions by their grammar, with some words that it lacks."""

from random import Random

from tests.fuzz.mutators import hostile_name, mutate_bytes

__all__ = ["COLUMNS", "make_expression"]

COLUMNS = ("x", "y", "n", "flag")
_FUNCTIONS = (
    *("abs", "sqrt", "exp", "log", "arctan2", "where", "floor", "sinh", "arccos", "log1p"),
    *("eval", "sum", "__import__", "np.sqrt", "where", "min"),
)
_SIGNS = ("+", "-", "*", "/", "**", "%", "//", "@", "<<")
_TESTS = ("<", "<=", ">", ">=", "==", "!=", "is", "in", "<>")
_JOINTS = ("and", "or", "&", "|", "^", "&&", "||")
_ATOMS = (
    *COLUMNS,
    *("0", "1", "2.5", "-3", "1e308", "1e999", "1e-320", "0x1f", "1j", "9" * 400, "9" * 5_000),
    *(
        "True",
        "None",
        "'a'",
        "b'a'",
        "f'{x}'",
        "x.y",
        "x[0]",
        "...",
        "q",
        "()",
        "[x]",
        "{x}",
        "lambda: x",
    ),
    *("µ", "é", "__class__", "c0", "(x := 1)", "*x", "x if y else n", "", "0.1_0", "1_000"),
)


def make_expression(rng: Random, _given: bytes) -> bytes:
    """A number or a condition; in some cases with bytes changed."""
    text = _condition(rng, 4) if rng.random() < 0.4 else _number(rng, 4)
    match rng.randrange(12):
        case 0:
            text = "(" * (depth := rng.choice((50, 90, 500))) + text + ")" * depth
        case 1:
            text = rng.choice(("-", "~", "not ", "+", "2**")) * rng.choice((3, 70, 900)) + text
        case 2:
            text = rng.choice((" + ", " and ", " < ", " ** ", ", ")).join(
                [text] * rng.choice((3, 40))
            )
    data = text.encode("utf-8", "surrogatepass")
    return mutate_bytes(rng, data) if rng.random() < 0.2 else data


def _number(rng: Random, depth: int) -> str:
    def below() -> str:
        return _any(rng, depth - 1)

    if depth == 0 or rng.random() < 0.2:
        return hostile_name(rng) if rng.random() < 0.03 else rng.choice(_ATOMS[: _few(rng)])
    match rng.randrange(4):
        case 0:
            return f"{rng.choice(('-', '+', '~'))}{below()}"
        case 1:
            arguments = ", ".join(below() for _ in range(rng.choice((1, 1, 1, 2, 3, 0))))
            return f"{rng.choice(_FUNCTIONS)}({arguments})"
        case 2:
            return f"where({_condition(rng, depth - 1)}, {below()}, {below()})"
        case _:
            return (
                f"({below()} {rng.choice(_SIGNS[: 6 if rng.random() < 0.95 else None])} {below()})"
            )


def _condition(rng: Random, depth: int) -> str:
    if depth == 0 or rng.random() < 0.4:
        sign = rng.choice(_TESTS[: 6 if rng.random() < 0.95 else None])
        return f"({_number(rng, max(depth - 1, 0))} {sign} {_number(rng, max(depth - 1, 0))})"
    joint = rng.choice(_JOINTS[: 4 if rng.random() < 0.95 else None])
    opposite = "not " if rng.random() < 0.3 else ""
    return f"({opposite}{_condition(rng, depth - 1)} {joint} {_condition(rng, depth - 1)})"


def _any(rng: Random, depth: int) -> str:
    return _condition(rng, depth) if rng.random() < 0.1 else _number(rng, depth)


def _few(rng: Random) -> int | None:
    """How many of the atoms may come: in most cases only those that are allowed."""
    return 11 if rng.random() < 0.9 else None
