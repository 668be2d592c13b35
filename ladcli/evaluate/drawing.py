"""Boxes with names on a picture, with Pillow alone.

Legible on any ground: lines have a casing of black or white, names stand on a plate of their box's
color.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

from ladcli.classes import ClassTable

if TYPE_CHECKING:
    from ladcli.structures import Detections  # pages draw boxes without torch

Color: TypeAlias = tuple[int, int, int]  # sRGB, 0..255
Rectangle: TypeAlias = tuple[float, float, float, float]  # x1, y1, x2, y2, pixels

BLACK: Color = (0, 0, 0)
WHITE: Color = (255, 255, 255)
#: Okabe and Ito's colors (2008), chosen to stay apart with any kind of color blindness; theirs also
#: has black, which is the casing's here.
_PALETTE: tuple[Color, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
#: Further classes take the same colors mixed with white, then with black: ``(with, share)``.
_SHADES: tuple[tuple[Color, float], ...] = ((WHITE, 0.0), (WHITE, 0.55), (BLACK, 0.5))

#: Shares of the picture's size √(width × height).
_LINE_SHARE, _FONT_SHARE = 1 / 220, 1 / 42
_MIN_FONT, _MAX_FONT = 10, 96
#: Lengths of dashes and gaps, in line widths.
_DASH, _GAP = 5, 4


def class_colors(num: int) -> list[Color]:
    """A color for each of ``num`` classes; that of a class depends on its position alone.

    The first seven are told apart with any kind of color vision.  After 21 they repeat: no larger
    set of colors is told apart reliably, and names stand beside the boxes.
    """
    wheel = [_mixed(color, *shade) for shade in _SHADES for color in _PALETTE]
    return [wheel[position % len(wheel)] for position in range(num)]


def draw_detections(image: Image.Image, found: Detections, classes: ClassTable) -> Image.Image:
    """A copy of ``image`` with detections, each named and scored.

    Args:
        found: boxes in pixels of ``image``, best first.
        classes: of the network.
    """
    colors = class_colors(len(classes))
    labels = found.labels.tolist()
    pairs = zip(labels, found.scores.tolist(), strict=True)
    return draw_boxes(
        image,
        found.boxes.tolist(),
        [f"{class_text(classes, label)} {score:.2f}" for label, score in pairs],
        [colors[label] for label in labels],
    )


def draw_boxes(
    image: Image.Image,
    boxes_xyxy: Sequence[Sequence[float]],
    texts: Sequence[str],
    colors: Sequence[Color],
    *,
    dashed: bool | Sequence[bool] = False,
) -> Image.Image:
    """A copy of ``image`` (RGB) with boxes and their texts.

    Args:
        boxes_xyxy: in pixels of ``image``, most important first; it lies on top and its text gets
            the best place.  What lies outside is drawn at the border.
        texts: beside the boxes, kept inside the picture and off each other where there is room;
            "" for none, and none where the picture is too small for a letter.
        colors: beside the boxes.
        dashed: broken lines, for all boxes or for each; for ground truth beside detections, say.

    Returns:
        A new picture of the same size.
    """
    picture = image.convert("RGB") if image.mode != "RGB" else image.copy()
    broken = [dashed] * len(boxes_xyxy) if isinstance(dashed, bool) else list(dashed)
    pen = ImageDraw.Draw(picture)
    rectangles = [_inside(box, picture.size) for box in boxes_xyxy]
    every = list(zip(rectangles, texts, colors, broken, strict=True))
    width = line_width(picture.size)
    for rectangle, _, color, is_dashed in reversed(every):
        _draw_outline(pen, rectangle, color, width, dashed=is_dashed)
    font = _font(picture.size)
    shown = [_fitting(legible(text), font, picture.width) for text in texts]
    plates = _places(shown, font, rectangles, picture.size)
    for text, plate, color in reversed(list(zip(shown, plates, colors, strict=True))):
        if plate is not None:
            _draw_plate(pen, plate, text, color, font)
    return picture


def line_width(size: tuple[int, int]) -> int:
    """Width of lines in a picture of ``size`` (width, height), pixels."""
    return max(1, round(math.sqrt(size[0] * size[1]) * _LINE_SHARE))


def legible(text: str) -> str:
    """``text`` on one line in characters that the font has.

    Letters lose their accents; what cannot be drawn even so becomes a question mark.
    """
    plain = unicodedata.normalize("NFKD", " ".join(text.split()))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in plain)


def class_text(classes: ClassTable, label: int) -> str:
    """A class by its name, or by its id where the font has no letter of the name."""
    name = legible(classes.names[label])
    return name if any(c.isalnum() for c in name) else f"class {classes.ids[label]}"


def _mixed(color: Color, other: Color, share: float) -> Color:
    r, g, b = (round(c + (o - c) * share) for c, o in zip(color, other, strict=True))
    return r, g, b


def _on(color: Color) -> Color:
    """Black or white, whichever has more contrast on ``color`` (by relative luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _unit(color)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # The contrast is (lighter + 0.05) / (darker + 0.05); both are equal at √(1.05 × 0.05) - 0.05.
    return BLACK if luminance > 0.179 else WHITE


def _unit(color: Color) -> list[float]:
    return [c / 255 for c in color]


def _inside(box: Sequence[float], size: tuple[int, int]) -> Rectangle:
    """``box`` cut off at the picture's border, as whole pixels that are part of it."""
    x1, x2 = (round(min(max(x, 0), size[0] - 1)) for x in (box[0], box[2]))
    y1, y2 = (round(min(max(y, 0), size[1] - 1)) for y in (box[1], box[3]))
    return x1, y1, max(x1, x2), max(y1, y2)


def _draw_outline(
    pen: ImageDraw.ImageDraw, box: Rectangle, color: Color, width: int, *, dashed: bool
) -> None:
    strokes = list(_strokes(box, width, dashed=dashed))
    casing = max(1, width // 3)
    for x1, y1, x2, y2 in strokes:
        pen.rectangle((x1 - casing, y1 - casing, x2 + casing, y2 + casing), fill=_on(color))
    for stroke in strokes:
        pen.rectangle(stroke, fill=color)


def _strokes(box: Rectangle, width: int, *, dashed: bool) -> Iterable[Rectangle]:
    """The rectangles, borders included, that the four sides of ``box`` are made of."""
    x1, y1, x2, y2 = box
    step = width - 1
    for low, high in _pieces(x1, x2, width, dashed=dashed):
        yield low, y1, high, min(y1 + step, y2)
        yield low, max(y2 - step, y1), high, y2
    for low, high in _pieces(y1, y2, width, dashed=dashed):
        yield x1, low, min(x1 + step, x2), high
        yield max(x2 - step, x1), low, x2, high


def _pieces(start: float, end: float, width: int, *, dashed: bool) -> Iterable[tuple[float, float]]:
    """``start`` to ``end`` in one piece, or in dashes that begin and end with half a dash."""
    length = end - start + 1
    count = round(length / ((_DASH + _GAP) * width)) if dashed else 0
    if count < 1:
        yield start, end
        return
    period = length / count
    dash = period * _DASH / (_DASH + _GAP)
    for number in range(count + 1):
        middle = start + number * period
        yield max(start, round(middle - dash / 2)), min(end, round(middle + dash / 2) - 1)


def _font(size: tuple[int, int]) -> FreeTypeFont:
    share = round(math.sqrt(size[0] * size[1]) * _FONT_SHARE)
    font = ImageFont.load_default(min(max(share, _MIN_FONT), _MAX_FONT))
    assert isinstance(font, FreeTypeFont)  # the one that comes with Pillow, given a size
    return font


def _padding(font: FreeTypeFont) -> int:
    return max(1, round(font.size / 6))


def _plate_size(text: str, font: FreeTypeFont) -> tuple[int, int]:
    """Width and height, with room around the text.  All plates of a font are equally high."""
    ascent, descent = font.getmetrics()
    pad = _padding(font)
    return math.ceil(font.getlength(text)) + 2 * pad, ascent + descent + pad


def _fitting(text: str, font: FreeTypeFont, width: int) -> str:
    """``text``, or as much of its beginning as fits into ``width`` pixels with an ellipsis."""
    if _plate_size(text, font)[0] <= width:
        return text
    for end in range(len(text) - 1, 0, -1):
        shorter = text[:end].rstrip() + "…"
        if _plate_size(shorter, font)[0] <= width:
            return shorter
    return ""


def _places(
    texts: Sequence[str], font: FreeTypeFont, boxes: Sequence[Rectangle], size: tuple[int, int]
) -> list[Rectangle | None]:
    """Where the plates of ``texts`` lie: beside their boxes, off each other where there is room.

    None where there is no text, or the picture of ``size`` is smaller than the plate.
    """
    taken: list[Rectangle] = []
    places: list[Rectangle | None] = []
    for text, box in zip(texts, boxes, strict=True):
        plate = _plate_size(text, font)
        if not text or plate[0] > size[0] or plate[1] > size[1]:
            places.append(None)
            continue
        # The first of equals: above the box, at its left.
        place = min(
            _candidate_places(plate, box, size),
            key=lambda one: sum(_overlap(one, other) for other in taken),
        )
        taken.append(place)
        places.append(place)
    return places


def _candidate_places(
    plate: tuple[int, int], box: Rectangle, size: tuple[int, int]
) -> Iterable[Rectangle]:
    """Above, inside at the top, below, inside at the bottom, each at the left and at the right."""
    (width, height), (x1, y1, x2, y2) = plate, box
    for top in (y1 - height, y1, y2 + 1, y2 + 1 - height):
        for left in (x1, x2 + 1 - width):
            x = min(max(left, 0), size[0] - width)
            y = min(max(top, 0), size[1] - height)
            yield x, y, x + width - 1, y + height - 1


def _overlap(a: Rectangle, b: Rectangle) -> float:
    """Common pixels of two rectangles whose borders are part of them."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    return max(width, 0) * max(height, 0)


def _draw_plate(
    pen: ImageDraw.ImageDraw, plate: Rectangle, text: str, color: Color, font: FreeTypeFont
) -> None:
    pad = _padding(font)
    pen.rectangle(plate, fill=color)
    pen.text((plate[0] + pad, plate[1] + pad // 2), text, fill=_on(color), font=font)
