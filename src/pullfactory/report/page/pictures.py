"""Figures of a folder as part of the page itself."""

import io
import struct
import zlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from PIL import Image

from pullfactory.files import read_plain
from pullfactory.report.figures import FigureKind, Kinds
from pullfactory.report.page.content import Picture, Tags
from pullfactory.settings.fields import FIGURE_FORMATS

_COLOURS = 256  # of a picture: one byte per pixel, a third of the size of the file
_DENSITY = 1.6  # pixels of a picture for one of the page

_LARGEST = 50_000_000  # pixels of a picture
_SIGNATURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
# what Pillow raises for what begins like a PNG
_DAMAGED = (EOFError, OSError, SyntaxError, ValueError, struct.error, zlib.error)

_NONE: Mapping[str, Iterable[str]] = MappingProxyType({})


def pictures(
    folder: Path, kinds: Kinds, section: str, names: Mapping[str, Iterable[str]] = _NONE
) -> tuple[Picture, ...]:
    """Figures of a section that are in a folder; those of methods belong to their method.

    Args:
        folder: A result's.
        kinds: Of figures of such a result.
        section: Of the page.
        names: Of observables, methods and so on, of which there is a figure each.

    Raises:
        OSError: If one is no PNG, damaged or too large.
    """
    found = (
        _picture(folder, kind, of)
        for kind in kinds.values()
        if kind.section == section
        for of in (names[kind.each] if kind.each else ("",))
    )
    return tuple(one for one in found if one is not None)


def _picture(folder: Path, kind: FigureKind, of: str) -> Picture | None:
    """A figure that is in a folder, or None."""
    stem = kind.name(of)
    file = folder / "figures" / f"{stem}.png"
    if "/" in stem or not file.exists():
        return None
    content = read_plain(file)
    _check_header(content, file)
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            size = (round(image.width / _DENSITY), round(image.height / _DENSITY))
            colours = image.convert("RGB").quantize(_COLOURS, Image.Quantize.FASTOCTREE)
    except _DAMAGED:
        raise OSError(0, "it is a damaged picture", str(file)) from None
    packed = io.BytesIO()
    colours.save(packed, "PNG")
    caption = kind.told(of)
    return Picture(
        address=f"data:image/png;base64,{b64encode(packed.getvalue()).decode()}",
        size=size,
        alternative=f"Figure {stem}: {caption}",
        caption=f"{caption} In the folder: figures/{stem}, as {_formats(file)}.",
        tags=Tags(method=of) if kind.each == "method" else Tags(),
    )


def _formats(file: Path) -> str:
    """Formats of a figure that are there, as words."""
    there = [ending for ending in FIGURE_FORMATS if file.with_suffix(f".{ending}").exists()]
    *some, last = there
    return f"{', '.join(some)} and {last}" if some else last


def _check_header(content: bytes, file: Path) -> None:
    """Refuse what is no PNG, or would fill the memory, before a program for pictures opens it."""
    size = content[len(_SIGNATURE) :][:8]
    if not content.startswith(_SIGNATURE) or len(size) < 8:
        raise OSError(0, "it is no PNG", str(file))
    width, height = struct.unpack(">II", size)
    if width * height > _LARGEST:
        raise OSError(0, f"{width} x {height} pixels are too many", str(file))
