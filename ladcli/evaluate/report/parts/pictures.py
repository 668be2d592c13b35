"""Photos inside a page: scaled down and compressed."""

from __future__ import annotations

import base64
import io

from PIL import Image

#: Longest side of a picture, pixels.
MAX_SIDE = 640
_QUALITIES = (80, 68, 55, 42)
_SHRINK = 0.75
_MIN_SIDE = 96


def scaled(
    image: Image.Image, max_side: int = MAX_SIDE, *, min_side: int = 0
) -> tuple[Image.Image, float]:
    """``image`` with a longest side of ``min_side`` to ``max_side`` pixels, and the factor."""
    longest = max(image.size)
    factor = min(max(longest, min_side), max_side) / longest
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
