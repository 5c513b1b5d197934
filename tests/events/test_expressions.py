"""Expressions mean what they mean in NumPy, and nothing else can be written."""

import builtins
import re
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pullfactory.errors import EventsError
from pullfactory.events import parse_expression

PLACE = "observable.m_t.expression"
COLUMNS: dict[str, NDArray[Any]] = {
    "x": np.array([-7.5, -1.0, -0.0, 1.0, 2.0, 7.25, np.nan, np.inf, -np.inf]),
    "n": np.array([3, -2, 1, 0, 5, -1, 4, 2, 7], dtype=np.int32),
    "y": np.array([0.5, 2, -3, 0, 1e-3, 1e3, 1, -1, 4], dtype=np.float32),
    "flag": np.array([True, False, True, False, True, False, True, False, True]),
}
UNARY = "abs sqrt exp expm1 log log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh"
FUNCTIONS = [*UNARY.split(" "), "floor", "ceil"]

LEAVES = st.one_of(
    st.sampled_from(sorted(COLUMNS)),
    st.sampled_from(["0", "1", "2", "0.5", "1e-3", "7"]),
)


def numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*%"), inner),
        st.builds("({} / (1 + {}))".format, inner, inner),
        st.builds("(-{})".format, inner),
        st.builds("({} ** {})".format, inner, st.sampled_from(["2", "3", "0.5", "-1", "0"])),
        st.builds("{}({})".format, st.sampled_from(["abs", "floor", "sin", "arctan"]), inner),
        st.builds("where({}, {}, {})".format, conditions(inner), inner, inner),
    )


def conditions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sign = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    compared = st.builds("({} {} {})".format, inner, sign, inner)
    return st.one_of(
        compared,
        st.builds("({} {} {})".format, compared, st.sampled_from("&|"), compared),
        st.builds("(~{})".format, compared),
    )


def in_numpy(text: str) -> Any:
    """Python's own evaluation, of float64 only."""
    columns = {name: values.astype(np.float64) for name, values in COLUMNS.items()}
    names = {
        "abs": np.abs,
        "where": np.where,
        "arctan2": np.arctan2,
        **{f: getattr(np, f) for f in FUNCTIONS},
    }
    text = re.sub(r"(?<![\w.])(\d[\d.e]*(-3)?)", r"number(\1)", text.strip())
    code = compile(" ".join(text.split()), "text", "eval")
    with np.errstate(all="ignore"):
        return eval(code, {"__builtins__": {}}, {**columns, **names, "number": np.float64})


@settings(deadline=None, max_examples=300)
@given(st.recursive(LEAVES, numbers, max_leaves=8))
def test_numbers(text: str) -> None:
    try:
        expression = parse_expression(text, place=PLACE)
    except EventsError as error:
        assert "is not finite" in str(error)  # noqa: PT017
        return
    found = expression(COLUMNS)
    assert not expression.condition
    assert found.dtype == np.float64
    assert expression.columns == tuple(sorted(set(re.findall(r"\b(x|n|y|flag)\b", text))))
    assert np.allclose(found, in_numpy(text), rtol=1e-9, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("text", ["x / 0", "x % 0", "flag / (1 + (-1))", "x / -0.0"])
def test_division_by_zero(text: str) -> None:
    with pytest.raises(EventsError, match=r"is not finite; divide by a number"):
        parse_expression(text, place=PLACE)


@settings(deadline=None, max_examples=100)
@given(conditions(LEAVES))
def test_conditions(text: str) -> None:
    expression = parse_expression(text, place=PLACE)
    found = expression(COLUMNS)
    assert expression.condition
    assert found.dtype == np.bool_
    assert found.tolist() == np.broadcast_to(in_numpy(text), found.shape).tolist()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name: str) -> None:
    text = f"{name}(x) + {name}(0.25)"
    found = parse_expression(text, place=PLACE)(COLUMNS)
    assert np.allclose(found, in_numpy(text), rtol=1e-14, equal_nan=True)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("1 / 2 * x", "0.5 * x"),
        ("-1 < x <= n < 4", "(-1 < x) & (x <= n) & (n < 4)"),
        ("x > 1 and y < 2 or not n == 1", "((x > 1) & (y < 2)) | ~(n == 1)"),
        ("arctan2(y, x)", "arctan2(y, x)"),
        ("atan2(y, x)", "arctan2(y, x)"),
        ("(x > 0) * (y < 1)", "where((x > 0) & (y < 1), 1, 0)"),
        ("(x > 0 and n == 1) * y", "where((x > 0) & (n == 1), 1, 0) * y"),
        ("2 * (1 < 2) * x", "2 * x"),
        ("x * (1 > 2)", "0 * x"),
        ("+x - -y", "x + y"),
        ("2 ** n ** 2", "2.0 ** (n ** 2)"),
        ("n % 3 == 1", "n % 3 == 1"),
        ("-n % -3", "-n % -3"),
        ("where(1 < 2, x, y)", "x"),
        ("x > 0 and 1 < 2", "x > 0"),
        ("x > 0 or 1 < 2", "abs(n) > -1"),
        ("x > 0 and 1 > 2", "n != n"),
        ("not 1 > 2", "n == n"),
        ("  x\n   + y ", "x + y"),
    ],
)
def test_same_as(text: str, same: str) -> None:
    found = parse_expression(text, place=PLACE)(COLUMNS)
    assert np.array_equal(found, in_numpy(same), equal_nan=found.dtype == np.float64)


def test_properties() -> None:
    expression = parse_expression("sqrt(x**2 + y**2)", place=PLACE)
    assert (expression.text, expression.columns) == ("sqrt(x**2 + y**2)", ("x", "y"))
    assert expression == parse_expression("sqrt(x**2 + y**2)", place=PLACE)


def test_bare_column_is_returned_as_it_is() -> None:
    expression = parse_expression(" x ", place=PLACE)
    assert expression(COLUMNS) is COLUMNS["x"]
    assert parse_expression("flag", place=PLACE)(COLUMNS).dtype == np.float64


def test_constants() -> None:
    assert parse_expression("2 * 3", place=PLACE)(COLUMNS).tolist() == [6.0] * 9
    assert parse_expression("2 * 3", place=PLACE)({}, events=2).tolist() == [6.0] * 2
    assert parse_expression("1 < 2", place=PLACE)({}, events=2).tolist() == [True] * 2
    assert parse_expression("x ** 0", place=PLACE)(COLUMNS).tolist() == [1.0] * 9


def test_no_events() -> None:
    for text in ("x", "x + 1", "x > 1", "1"):
        assert parse_expression(text, place=PLACE)({"x": np.empty(0)}).shape == (0,)


def test_columns_named_like_functions_and_code() -> None:
    names = ("sin", "where", "c0", "c1", "_x", "x1", "sum", "__class__", "π")
    columns = {name: np.array([float(i)]) for i, name in enumerate(names)}
    for i, name in enumerate(names):
        assert parse_expression(f"{name} + sin(0)", place=PLACE)(columns).tolist() == [i]
    assert parse_expression("c1 - c0 + sin", place=PLACE)(columns).tolist() == [1.0]


def test_a_nan_that_signals_is_a_nan() -> None:
    signalling = np.array([0x7FA00000, 0x3F800000], dtype=np.uint32).view(np.float32)
    found = parse_expression("x", place=PLACE)({"x": signalling})
    np.testing.assert_array_equal(found, [np.nan, 1.0])


def test_large_expression() -> None:
    columns = {f"x{i}": COLUMNS["y"] for i in range(30)}
    text = " + ".join(f"{name} * {i}.5" for i, name in enumerate(columns))
    assert np.allclose(
        parse_expression(text, place=PLACE)(columns), COLUMNS["y"].astype(float) * 450
    )


NO_TEXT = "is not allowed; use numbers, columns"
PARENTHESES = "put comparisons in parentheses or write and"
REFUSED = {
    "__import__('os').system('x')": "a call of \"__import__('os').system\" is not allowed",
    "__import__('os')": "a call of '__import__' is not allowed",
    "x.__class__": "an attribute, 'x.__class__', is not allowed",
    "(lambda: 1)()": "a call of 'lambda: 1' is not allowed",
    "lambda: 1": "a lambda, 'lambda: 1', is not allowed",
    "open('f')": "a call of 'open' is not allowed",
    "exec('1')": "a call of 'exec' is not allowed; use one of abs",
    "print(x)": "a call of 'print' is not allowed",
    "np.sqrt(x)": "a call of 'np.sqrt' is not allowed; write sqrt(x), not np.sqrt(x)",
    "sqr(x)": "a call of 'sqr' is not allowed; did you mean sqrt?",
    "sqrt(x)(y)": "a call of 'sqrt(x)' is not allowed",
    "x[0]": "an element of a column, 'x[0]', is not allowed; write one number per event",
    "x[0]()": "a call of 'x[0]' is not allowed",
    '"a"': NO_TEXT,
    "b'a'": NO_TEXT,
    "f'{x}'": "a text, \"f'{x}'\", is not allowed",
    "x if y else n": "if and else, 'x if y else n', is not allowed; write where(condition, a, b)",
    "(x := 1)": "an assignment, 'x := 1', is not allowed",
    "[x for x in y]": NO_TEXT,
    "{x: y}": NO_TEXT,
    "{x, y}": NO_TEXT,
    "(x, y)": NO_TEXT,
    "[x]": NO_TEXT,
    "x,": NO_TEXT,
    "...": NO_TEXT,
    "None": "'None' is not allowed",
    "True": "'True' is not allowed",
    "2j": "'2j' is not allowed",
    "await x": NO_TEXT,
    "(yield x)": NO_TEXT,
    "sqrt(*x)": "a star, '*x', is not allowed",
    "sqrt(**x)": "'sqrt' has arguments with a name",
    "sqrt(x=1)": "'sqrt' has arguments with a name; give them by position",
    "sqrt()": "sqrt has 0 arguments; give it 1",
    "arctan2(x)": "arctan2 has 1 arguments; give it 2",
    "where(x > 1, x)": "where has 2 arguments; give it 3",
    "where(x, 1, 2)": "where needs a condition, not the number 'x'",
    "where(x > 1, x > 2, y)": "'x > 2' is a condition where a number is needed",
    "x in y": "in is not allowed",
    "x is y": "is is not allowed",
    "x ^ 2": "^, 'x ^ 2', is not allowed; write ** for a power",
    "x // 2": "//, 'x // 2', is not allowed; write floor(a / b)",
    "x @ y": "@, 'x @ y', is not allowed",
    "x << 2": "<<, 'x << 2', is not allowed",
    "1 & x": f"& needs a condition, not the number '1'; {PARENTHESES}",
    "x > 1 & y < 2": f"& needs a condition, not the number '1'; {PARENTHESES}",
    "x > 1 and flag": f"and needs a condition, not the number 'flag'; {PARENTHESES}; flag != 0",
    "not x": "not needs a condition, not the number 'x'",
    "~x": "~ needs a condition, not the number 'x'",
    "(x > 1) + (y > 1)": f"'x > 1' is a condition where a number is needed; {PARENTHESES}",
    "-(x > 1)": "'x > 1' is a condition where a number is needed",
    "(x > 1) == (y > 1)": "'x > 1' is a condition where a number is needed",
    "10**10**10": "'10**10**10' is not finite; use a finite number",
    "10**10**10**10": "is not finite",
    "(9**9)**(9**9)": "is not finite",
    "1 / 0": "'1 / 0' is not finite",
    "0 ** -1": "is not finite",
    "log(-1)": "is not finite",
    "1e999": "'1e999' is not finite",
    "9" * 400: "is not finite",
    "9" * 1999: "is not finite",
    "9" * 5000: "has 5000 characters, more than 2000",
    "": "is empty; write for example m_t > 100",
    " \n": "is empty",
    "sqrt(x": "is no expression ('(' was never closed); mend it",
    "x +": "is no expression",
    "x = 1": "is no expression",
    "x; y": "is no expression",
    "import os": "is no expression",
    "x > 1 && y > 1": "is no expression (invalid syntax); write and, or, not",
    "!x": "is no expression (invalid syntax); write and, or, not",
    "x $ y": "is no expression",
    "1) + (2": "is no expression",
    "x # comment\n+ y": "holds a comment or a null character; take it out",
    "x\0": "holds a comment or a null character; take it out",
    "(" * 150 + "x" + ")" * 150: "",
    "(" * 900 + "x" + ")" * 900: "is no expression (too many nested parentheses)",
    "-" * 1500 + "x": "is nested",
    "x" + " + x" * 400: "is nested more than 60 deep",
    "x" + " % x" * 20: "is too long",
    " + ".join(f"x{i}" for i in range(31)): "needs 31 columns, more than 30",
    "(" + ") + (".join(["x*2"] * 160) + ")": "has 160 numbers, more than 150",
}


@pytest.mark.parametrize(("text", "complaint"), REFUSED.items(), ids=range(len(REFUSED)))
def test_refused(monkeypatch: pytest.MonkeyPatch, text: str, complaint: str) -> None:
    if not complaint:
        assert np.array_equal(parse_expression(text, place=PLACE)(COLUMNS), COLUMNS["x"], True)
        return

    def executed(*_arguments: object, **_options: object) -> None:
        pytest.fail("executed")

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "eval", executed)
        patch.setattr(builtins, "exec", executed)
        patch.setattr(builtins, "open", executed)
        patch.setattr("os.system", executed)
        with pytest.raises(EventsError) as raised:
            parse_expression(text, place=PLACE)
    message = str(raised.value)
    assert message.startswith(f"{PLACE} = ")
    assert complaint in message
    assert "; " in message
    assert message.isprintable()


@pytest.mark.parametrize("text", ["0x1for x in y", "1if x else 2", "1 is 1", "'\\d'", "1or 2"])
def test_no_warning_of_python(text: str) -> None:
    with pytest.raises(EventsError):
        parse_expression(text, place=PLACE)


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"x": np.ones(2)}, "column 'y' is missing; give it"),
        ({"x": np.ones(2), "y": np.ones(3)}, r"column 'y' has shape \(3,\) for 2 events"),
        ({"x": np.ones(2), "y": np.ones((2, 2))}, r"column 'y' has shape \(2, 2\) for 2 events"),
        ({"x": np.ones(2), "y": np.array(["a", "b"])}, "column 'y' holds no numbers but <U1"),
        ({"x": np.ones(2), "y": np.array([None, 1])}, "column 'y' holds no numbers but object"),
        ({"x": np.ones(2), "y": np.ones(2) * 1j}, "column 'y' holds no numbers but complex128"),
    ],
)
def test_unusable_columns(columns: dict[str, NDArray[Any]], complaint: str) -> None:
    with pytest.raises(EventsError, match=rf"^observable.m_t.expression = 'x \+ y': {complaint}"):
        parse_expression("x + y", place=PLACE)(columns)


def test_without_numexpr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numexpr", None)
    assert parse_expression("x", place=PLACE)(COLUMNS) is COLUMNS["x"]
    with pytest.raises(EventsError, match=r"needs numexpr .*pip install 'pullfactory\[io\]'$"):
        parse_expression("x + 1", place=PLACE)(COLUMNS)
