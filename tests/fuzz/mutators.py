"""Valid inputs made hostile or clumsy, each in the way that its random numbers say."""

import copy
from collections.abc import Callable, Sequence
from random import Random

from tests.fuzz.documents import (
    Keys,
    Raw,
    Tree,
    json_text,
    json_tree,
    places,
    toml_text,
    toml_tree,
)

__all__ = ["NAMES", "Mutator", "hostile_name", "mutate_bytes", "mutate_json", "mutate_toml"]

Mutator = Callable[[Random, bytes], bytes]

NAMES = (
    *("", " ", "a b", "a\nb", "\0", "a\0b", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u202eabc"),
    *("\ud800", "\udcff", "é", "m" * 300, "m" * 20_000, "-", "--help", ".", "..", "~", "~nobody/x"),
    *("../../x", "/dev/zero", "/dev/stdin", "/dev/null", "/proc/self/mem", "a/b", "a\\b", "CON"),
    *("joint", "total_m_t", "nominal", "data", "up", "__class__", "mu", "lumi", "#1", "a.b", "a=b"),
    *("<script>alert(1)</script>", "%s%n", "{0}", "{__class__}", "$", "$x$", r"$\frac{1}{2}$"),
    *(
        "$\\frac{1}{" * 60 + "2" + "}" * 60 + "$",
        "${x}$",
        "$\\sqrt[$",
        "$x^$",
        "nan",
        "inf",
        "1e999",
    ),
    *("*", "[", "[a", "**/*", "{a,b}", "file://x", "http://localhost/x", "x.csv", "x.root:tree"),
)
"""Texts that are names, paths or labels to some reader."""

_NUMBERS = tuple(
    map(
        Raw,
        (
            *(
                "0",
                "-0.0",
                "-1",
                "1",
                "2",
                "0.5",
                "1.5",
                "-1e300",
                "1e300",
                "1e308",
                "1e-308",
                "5e-324",
            ),
            *(
                "1e999",
                "-1e999",
                "NaN",
                "Infinity",
                "-Infinity",
                "nan",
                "inf",
                "-inf",
                "1e15",
                "1e-15",
            ),
            *("1000000000000", "2147483648", "9223372036854775807", "9223372036854775808"),
            *("18446744073709551616", "9" * 400, "-" + "9" * 400, "9" * 5000, "0x10", "1_0", "01"),
            "0x" + "f" * 5000,
        ),
    )
)
_OTHERS: tuple[Tree, ...] = (
    *(None, True, False, [], Keys(), [[]], [None], [[1.0, 2.0], [3.0]], Keys([("a", 1)])),
    *(Raw("[" * 50 + "]" * 50), Raw("[" * 5_000 + "]" * 5_000), Raw("[" * 100_000), Raw("")),
    *(Raw("2024-01-01"), Raw("1979-05-27T07:32:00Z"), Raw('"\\u0000"'), Raw("'''"), Raw("{a = 1")),
)
_TOKENS = (
    *(
        b"\0",
        b"\xff",
        b"\xff" * 8,
        b"\x7f\xff\xff\xff",
        b"\0" * 16,
        b"\r",
        b"\n",
        b"\r\n",
        b'"',
        b"'",
    ),
    *(
        b",",
        b";",
        b"\t",
        b"#",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b"=",
        b"\\",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
    ),
    *(
        b"nan",
        b"inf",
        b"1e400",
        b"9" * 400,
        b"[" * 5_000,
        b"\xed\xa0\x80",
        b"\x1b[2J",
        b"," * 3_000,
    ),
    *(
        b"\n" * 100,
        b"NaN",
        b"null",
        b"-1",
        b"true",
        b"a" * 5_000,
        b'"' * 3,
        b"\xf6",
        b"PAR1",
        b"PK",
    ),
)


def hostile_name(rng: Random) -> str:
    """A name, or two of them in one."""
    name = rng.choice(NAMES)
    return name if rng.random() < 0.7 else name + rng.choice(NAMES)


def mutate_bytes(rng: Random, data: bytes) -> bytes:
    """Bytes flipped, cut, repeated and put in, at one to four places."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        start = rng.randrange(len(data) + 1)
        stop = min(len(data), start + rng.choice((1, 1, 2, 8, 64, 1000)))
        head, piece, tail = data[:start], data[start:stop], data[stop:]
        match rng.randrange(6):
            case 0:
                data = head + bytes(byte ^ (1 << rng.randrange(8)) for byte in piece) + tail
            case 1:
                data = head
            case 2:
                data = head + rng.choice(_TOKENS) + tail
            case 3:
                data = head + rng.choice(_TOKENS) + piece + tail
            case 4:
                data = head + piece * rng.choice((2, 3, 100)) + tail
            case _:
                data = head + tail
    return data


def mutate_json(rng: Random, data: bytes) -> bytes:
    """A JSON file with other values and keys, or in a tenth of the cases other bytes."""
    return _mutate_text(rng, data, json_tree, json_text)


def mutate_toml(rng: Random, data: bytes) -> bytes:
    """A TOML file with other values and keys, or in a tenth of the cases other bytes."""
    return _mutate_text(rng, data, toml_tree, toml_text)


def _mutate_text(
    rng: Random, data: bytes, read: Callable[[bytes], Tree], write: Callable[[Tree], bytes]
) -> bytes:
    if rng.random() < 0.1:
        return mutate_bytes(rng, data)
    return write(mutate_tree(rng, read(data)))


def mutate_tree(rng: Random, tree: Tree) -> Tree:
    """One to four values replaced, left out, repeated, or exchanged for others of the tree."""
    root = [copy.deepcopy(tree)]
    for _ in range(rng.choice((1, 1, 2, 4))):
        there = places(root)
        if not there:
            break
        holder, position = _chosen(rng, there)
        entry = holder[position]
        key, value = entry if isinstance(holder, Keys) else (None, entry)
        match rng.randrange(10):
            case 0:
                del holder[position]
                continue
            case 1:
                holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(entry))
                continue
            case 2 if key is not None:
                key = hostile_name(rng)
            case 3:
                other, where = rng.choice(there)
                taken = other[where]
                value = copy.deepcopy(taken[1] if isinstance(other, Keys) else taken)
            case 4:
                value = [value]
            case 5 | 6:
                value = rng.choice(_NUMBERS)
            case 7 | 8:
                value = hostile_name(rng)
            case _:
                value = rng.choice(_OTHERS)
        holder[position] = value if key is None else (key, value)
    return root[0] if root else Raw("")


def _chosen(rng: Random, there: Sequence[tuple[Tree, int]]) -> tuple[Tree, int]:
    """A place, not mostly in the longest lists of numbers."""
    holders = list({id(holder): holder for holder, _ in there}.values())
    holder = rng.choice(holders)
    return holder, rng.randrange(len(holder))
