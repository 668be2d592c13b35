"""From what a tool wrote to images with boxes in stored pixels; what is unsound is left out.

The images are opened here, so sizes are those of the files.  A box is left out where it is not
finite, has no area, or lies wholly outside; one that sticks out is kept as it is (training clips
it, and evaluation counts it as it stands).

Tools show a photo turned by its EXIF orientation, and boxes are then drawn on what is shown; this
program reads pixels as they are stored.  Where the stated size is that of the turned image, boxes
are turned back.  Where the sizes say nothing (upside down, mirrored, square, shares of the size),
they are kept and it is said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from ladcli.data.decode import opened
from ladcli.data.headers import look_at_all
from ladcli.data.layouts import Split
from ladcli.errors import BadImageError
from ladcli.formats.foreign import Box, Corners, ForeignImage
from ladcli.formats.tally import Tally

#: Larger numbers are no pixel coordinates.
_MAX_COORDINATE = 1e7
#: Decimals of a pixel that are kept: far below what any format stores, far above float noise.
DECIMALS = 6
_EXIF_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)


@dataclass(frozen=True)
class AnnotatedImage:
    """An image file that can be read, with its boxes."""

    path: Path
    width: int  # stored pixels
    height: int
    boxes: tuple[Box, ...]  # corners in stored pixels
    split: Split | None = None  # where the data set itself says so


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    orientation: int  # 1 to 8, as EXIF numbers them; 1 is upright


def sound_images(images: Sequence[ForeignImage], tally: Tally) -> list[AnnotatedImage]:
    """The images that can be read, with the boxes that can be used, in the given order."""
    sound = []
    headers = look_at_all(_header, [image.path for image in images])
    for image, header in zip(images, headers, strict=True):
        if isinstance(header, str):
            tally.leave_out("image", "file cannot be used", header)
            continue
        boxes = tuple(_sound_boxes(image, header, tally))
        if image.boxes and not boxes:
            say_emptied(tally, image.path)
        sound.append(AnnotatedImage(image.path, header.width, header.height, boxes, image.split))
    return sound


def say_emptied(tally: Tally, image: Path) -> None:
    """Note an image that is a negative only because none of its records can be used."""
    tally.note(
        "image",
        "without a usable record, kept as a negative (training takes all of it for background)",
        str(image),
    )


def _header(path: Path) -> _Header | str:
    """Size and orientation of an image file, or what is wrong with it."""
    try:
        with opened(path) as image:
            return _Header(image.width, image.height, _orientation(image))
    except BadImageError as error:
        return str(error)


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # damaged camera data make Pillow raise nearly anything; the pixels are fine
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _sound_boxes(image: ForeignImage, header: _Header, tally: Tally) -> list[Box]:
    width, height = header.width, header.height
    turned_back = _is_drawn_on_turned(image, header, tally)
    boxes = []
    for box in image.boxes:
        corners = box.corners
        if image.in_shares:
            x1, y1, x2, y2 = corners
            corners = (x1 * width, y1 * height, x2 * width, y2 * height)
        if turned_back:
            corners = stored_corners(corners, header.orientation, width, height)
        problem = box_problem(corners, width, height)
        if problem is not None:
            tally.leave_out("box", problem, box.where or image.where)
            continue
        x1, y1, x2, y2 = corners
        if min(x1, y1) < -0.5 or x2 > width + 0.5 or y2 > height + 0.5:
            tally.note("box", "kept, sticking out of the image", f"{box.where or image.where}")
        boxes.append(replace(box, corners=corners))
    return boxes


def box_problem(corners: Corners, width: int, height: int) -> str | None:
    """Why a box cannot be used."""
    if not all(map(math.isfinite, corners)):
        return "coordinates not finite"
    if max(map(abs, corners)) > _MAX_COORDINATE:
        return "coordinates beyond any image size"
    x1, y1, x2, y2 = (round(value, DECIMALS) for value in corners)
    if x2 < x1 or y2 < y1:
        return "corners swapped"
    if x2 == x1 or y2 == y1:
        return "no area"
    if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
        return "wholly outside the image"
    return None


def _is_drawn_on_turned(image: ForeignImage, header: _Header, tally: Tally) -> bool:
    """Whether boxes were drawn on the image as EXIF turns it; says what is odd about the size."""
    stored, shown = (header.width, header.height), (header.height, header.width)
    stated = image.stated_size
    turns = header.orientation in _TURNED
    if stated is not None and stated != stored:
        if turns and stated == shown:
            tally.note(
                "image",
                "with boxes drawn on the turned image (by its EXIF orientation), turned back to "
                "stored pixels",
                image.where,
            )
            return True
        tally.note(
            "image",
            "of another size than the annotations say; boxes are kept as pixels of the file",
            f"{image.where} says {stated[0]}x{stated[1]}, the file is {stored[0]}x{stored[1]}",
        )
        return False
    sizes_tell = stated is not None and turns and stored != shown
    if header.orientation != 1 and image.boxes and not sizes_tell:
        tally.note(
            "image",
            "with an EXIF orientation, which is not applied; if boxes were drawn on the turned "
            "image, they sit in the wrong place",
            str(image.path),
        )
    return False


def stored_corners(corners: Corners, orientation: int, width: int, height: int) -> Corners:
    """Corners in stored pixels of a box that was drawn on the image as it is shown.

    Args:
        orientation: of EXIF, 5 to 8.
        width: stored; the image is shown ``height`` wide.
        height: stored.
    """
    x1, y1, x2, y2 = corners
    if orientation in (5, 6):  # what is shown downwards is stored to the right
        left, right = y1, y2
    else:
        left, right = width - y2, width - y1
    if orientation in (5, 8):
        top, bottom = x1, x2
    else:
        top, bottom = height - x2, height - x1
    return left, top, right, bottom
