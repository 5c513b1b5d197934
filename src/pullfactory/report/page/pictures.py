"""Figures of a folder as part of the page itself."""

import io
import struct
import zlib
from base64 import b64encode
from pathlib import Path

from PIL import Image

from pullfactory.report.page.content import Picture, Tags
from pullfactory.report.palette import method_label
from pullfactory.settings.fields import FIGURE_FORMATS

__all__ = ["picture", "pictures"]

_COLOURS = 256  # of a picture: one byte per pixel, a third of the size of the file
_DENSITY = 1.6  # pixels of a picture for one of the page

_LARGEST = 50_000_000  # pixels of a picture, and bytes of its file
_SIGNATURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
# what Pillow raises for what begins like a PNG
_DAMAGED = (EOFError, OSError, SyntaxError, ValueError, struct.error, zlib.error)

_CAPTIONS = {
    "errors": "Actual over claimed errors: predicted, and pull widths of toys.",
    "sets": "Claimed and actual errors with sets of the observables.",
    "correlations": "Correlation coefficients of pairs of observables, with their errors.",
    "bin_pairs": "Events in pairs of bins, beside those of independent observables.",
    "covariance": "Correlation of the estimates, as claimed and corrected.",
    "postfit": "Data with the rates before and after the fit; the band is the corrected error.",
    "joint_distribution": "Two observables of the same events, without and with correlation.",
    "calibration": "Calibration samples of {} and the densities fitted to them, and their ratio.",
    "templates": "Templates of {} and their ratio to nominal.",
    "response": "Location and scale of the observables against each parameter.",
    "pulls": "Pull distributions of the {} fit beside the unit Gaussian.",
    "pull_ecdf": "Part of the pulls of the {} fit below each value, less that of a unit Gaussian; "
    "unit normal pulls stay in the band with 95 % probability, everywhere at once.",
    "pull_width": "Pull width against the correlation; the lines are predicted without toys.",
    "pull_mean": "Mean pull against the correlation.",
    "repair": "Pull width with claimed and with corrected errors against the correlation.",
    "minimum_nll": "Distribution of the minimum of the negative log-likelihood over toys.",
    "correlation": "Correlation of the estimates over toys, beside the mean of what fits claim.",
}


def pictures(folder: Path, kind: str, names: tuple[str, ...] = ("",)) -> tuple[Picture, ...]:
    """Figures of one kind that are in a folder; those of methods belong to their method.

    Args:
        folder: A result's.
        kind: What comes first in the name of the file.
        names: What comes after it: observables or methods; "" for nothing.
    """
    found = (picture(folder, kind, name) for name in names)
    return tuple(one for one in found if one is not None)


def picture(folder: Path, kind: str, name: str = "") -> Picture | None:
    """A figure that is in a folder, or None.

    Args:
        folder: A result's.
        kind: As in `pictures`; also below.
        name: What the figure is of.

    Raises:
        OSError: If it is no PNG, damaged or too large.
    """
    stem = f"{kind}_{name}" if name else kind
    file = folder / "figures" / f"{stem}.png"
    if not file.exists():
        return None
    _check_header(file)
    try:
        with Image.open(file, formats=("PNG",)) as image:
            size = (round(image.width / _DENSITY), round(image.height / _DENSITY))
            colours = image.convert("RGB").quantize(_COLOURS, Image.Quantize.FASTOCTREE)
    except _DAMAGED:
        raise OSError(0, "it is a damaged picture", str(file)) from None
    packed = io.BytesIO()
    colours.save(packed, "PNG")
    of_method = kind in ("pulls", "pull_ecdf") and bool(name)
    caption = _CAPTIONS.get(kind, "{}") if name else _CAPTIONS.get(kind, kind)
    if kind == "pulls" and not name:
        caption = "Mean and width of the pulls of every parameter."
    if kind == "pull_ecdf" and not name:
        caption = caption.replace("the {} fit", "every parameter")
    caption = caption.format(method_label(name) if of_method else name)
    return Picture(
        address=f"data:image/png;base64,{b64encode(packed.getvalue()).decode()}",
        size=size,
        alternative=f"Figure {stem}: {caption}",
        caption=f"{caption} In the folder: figures/{stem}, as {_formats(file)}.",
        tags=Tags(method=name) if of_method else Tags(),
    )


def _formats(file: Path) -> str:
    """Formats of a figure that are there, as words."""
    there = [ending for ending in FIGURE_FORMATS if file.with_suffix(f".{ending}").exists()]
    *some, last = there
    return f"{', '.join(some)} and {last}" if some else last


def _check_header(file: Path) -> None:
    """Refuse what is no PNG, or would fill the memory, before a program for pictures opens it."""
    if not file.is_file():  # to read a pipe is to wait
        raise OSError(0, "it is no file", str(file))
    with file.open("rb") as opened:
        signature, size = opened.read(len(_SIGNATURE)), opened.read(8)
    if signature != _SIGNATURE or len(size) < 8:
        raise OSError(0, "it is no PNG", str(file))
    width, height = struct.unpack(">II", size)
    if width * height > _LARGEST or file.stat().st_size > _LARGEST:
        raise OSError(0, f"{width} x {height} pixels are too many", str(file))
