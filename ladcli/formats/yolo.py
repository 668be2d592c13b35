"""YOLO's label files: a line per object, ``class x y width height``, as shares of the image.

x and y are the center.  A line of ``class x1 y1 x2 y2 ...`` is a polygon (or a turned box) and
becomes the box around it.  Lines end in any way, and a class may be written ``0.0``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ladcli.formats.foreign import Box, Corners
from ladcli.formats.tally import Tally
from ladcli.formats.text import as_number, read_lines

#: Classes beyond this are taken for a slip where no list says how many there are.
MAX_CLASSES = 10_000
#: How far a share may be outside of 0 to 1: drawn boxes stick out a little, and are rounded.
_SLACK = 0.01
#: Decimals that are written: a millionth of a pixel in an image of ten thousand.
_DECIMALS = 10


@dataclass(frozen=True)
class LabelRow:
    """One line."""

    class_number: int
    corners: Corners  # shares of width and height
    where: str


def read_label_file(
    path: Path, tally: Tally, *, num_classes: int | None, has_keypoints: bool = False
) -> list[LabelRow]:
    """The usable lines of a label file.

    Args:
        num_classes: how many classes there are; None where no list says so.
        has_keypoints: keypoints follow each box (by the data set's ``kpt_shape``).

    Raises:
        UserError: the file cannot be read.
    """
    rows = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line:
            continue
        row = _row(line.split(), f"{path} line {number}", tally, has_keypoints)
        if row is None:
            continue
        limit = MAX_CLASSES if num_classes is None else num_classes
        if not 0 <= row.class_number < limit:
            tally.leave_out(
                "row", f"class not one of the {limit:,}",
                f"{row.where}: class {row.class_number}",
            )  # fmt: skip
            continue
        rows.append(row)
    return rows


def _row(words: list[str], where: str, tally: Tally, has_keypoints: bool) -> LabelRow | None:
    numbers = [as_number(word) for word in words]
    if None in numbers:
        tally.leave_out("row", "not only numbers", where)
        return None
    values = [number for number in numbers if number is not None]
    if not all(map(math.isfinite, values)):
        tally.leave_out("row", "a number that is not finite", where)
        return None
    if not values[0].is_integer():
        tally.leave_out("row", "class no whole number", f"{where}: {words[0]}")
        return None
    is_polygon = len(values) >= 7 and len(values) % 2 == 1 and not has_keypoints
    if len(values) == 6:
        tally.note("row", "with a sixth number (a confidence?), which is not kept", where)
    elif len(values) > 5 and has_keypoints:
        pass  # the box comes first
    elif len(values) != 5 and not is_polygon:
        tally.leave_out("row", "neither 5 numbers nor those of a polygon",
                           f"{where}: {len(values)}")  # fmt: skip
        return None
    shares = values[1:] if is_polygon else values[1:5]
    outside = [share for share in shares if not -_SLACK <= share <= 1 + _SLACK]
    if outside:
        tally.leave_out("row", "a number outside of 0 to 1 (pixels?)", f"{where}: {outside[0]:g}")
        return None
    corners = _around(shares) if is_polygon else _around_center(shares)
    if is_polygon:
        tally.note("polygon", "replaced by the box around it", where)
    return LabelRow(int(values[0]), corners, where)


def _around(points: Sequence[float]) -> Corners:
    """The box around points x, y, x, y, ..."""
    xs, ys = points[0::2], points[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def _around_center(shares: Sequence[float]) -> Corners:
    x, y, width, height = shares
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def label_line(box: Box, class_number: int, size: tuple[int, int]) -> str:
    """A line for a box of an image of ``size`` (width, height).

    Shares are 0 to 1, so a box whose center or size is not is clipped to its image; one that sticks
    out by less is written as it is.
    """
    numbers = _shares(box.corners, size)
    if not holds(box.corners, size):
        width, height = size
        x1, x2 = (min(max(x, 0.0), width) for x in (box.corners[0], box.corners[2]))
        y1, y2 = (min(max(y, 0.0), height) for y in (box.corners[1], box.corners[3]))
        numbers = _shares((x1, y1, x2, y2), size)
    if box.score is not None:
        numbers.append(box.score)
    return " ".join([str(class_number), *map(_plain, numbers)])


def holds(corners: Corners, size: tuple[int, int]) -> bool:
    """Whether a line can say where a box is."""
    return all(0 <= share <= 1 for share in _shares(corners, size))


def _shares(corners: Corners, size: tuple[int, int]) -> list[float]:
    x1, y1, x2, y2 = corners
    width, height = size
    return [
        (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height
    ]  # fmt: skip


def _plain(value: float) -> str:
    text = f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")
    return text or "0"
