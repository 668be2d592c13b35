"""Photos inside a page: scaled down, compressed, with boxes drawn on them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from PIL import Image, ImageDraw

Color = tuple[int, int, int]

#: Longest side of a picture, pixels.
MAX_SIDE = 640
_QUALITIES = (80, 68, 55, 42)
_SHRINK = 0.75
_MIN_SIDE = 96


def scaled(image: Image.Image, max_side: int = MAX_SIDE) -> tuple[Image.Image, float]:
    """``image`` with a longest side of at most ``max_side`` pixels, and the factor of its size."""
    factor = min(1.0, max_side / max(image.size))
    if factor == 1.0:
        return image, 1.0
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS), factor


def jpeg_uri(image: Image.Image, *, max_bytes: int) -> str:
    """``image`` as a data URI of at most about ``max_bytes``.

    Quality goes down first, then the size; a picture of `_MIN_SIDE` pixels is taken as it is.
    """
    content = b""
    while True:
        for quality in _QUALITIES:
            content = _jpeg(image, quality)
            if len(content) * 4 / 3 <= max_bytes:  # base64 adds a third
                return _uri(content)
        if max(image.size) <= _MIN_SIDE:
            return _uri(content)
        image, _ = scaled(image, max(_MIN_SIDE, int(max(image.size) * _SHRINK)))


def _jpeg(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue()


def _uri(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"


def draw_boxes(
    image: Image.Image,
    boxes_xyxy: Sequence[Sequence[float]],
    texts: Sequence[str],
    colors: Sequence[Color],
    *,
    dashed: bool | Sequence[bool] = False,
) -> Image.Image:
    """A copy of ``image`` (RGB) with boxes in pixels and their texts, the first on top.

    Stands in for `ladcli.evaluate.drawing.draw_boxes`, which has the same signature.
    """
    picture = image.copy()
    pen = ImageDraw.Draw(picture)
    broken = [dashed] * len(boxes_xyxy) if isinstance(dashed, bool) else dashed
    for box, text, color, gaps in reversed(
        list(zip(boxes_xyxy, texts, colors, broken, strict=True))
    ):
        x1, y1, x2, y2 = box
        step = 8 if gaps else max(picture.size)
        corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
        for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
            _draw_side(pen, start, end, step, color)
        if text:
            place = (max(x1, 0), max(y1 - 11, 0))
            pen.rectangle(pen.textbbox(place, text), fill=color)
            pen.text(place, text, fill=(0, 0, 0))
    return picture


def _draw_side(
    pen: ImageDraw.ImageDraw,
    start: tuple[float, float],
    end: tuple[float, float],
    step: int,
    color: Color,
) -> None:
    length = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for at in range(0, int(length), step):
        low, high = at / length, min(1.0, (at + step * 0.6) / length)
        if step >= length:
            high = 1.0
        points = [
            (start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1]))
            for t in (low, high)
        ]
        pen.line(points, fill=color, width=2)
