"""The outlines of the synthetic set: eight classes, and shapes that belong to none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw

#: Polygons in the unit square around 0; the second and later ones are cut out of the first.
Outline: TypeAlias = list[np.ndarray]

#: Masks are drawn this many times larger and shrunk, for smooth edges.
_OVERSAMPLE = 3


def _regular(corners: int, radius: float = 0.5, turn: float = 0.0) -> np.ndarray:
    angle = 2 * math.pi * np.arange(corners) / corners + turn
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _star() -> Outline:
    points = _regular(10)
    points[1::2] *= 0.42
    return [points]


def _rectangle(width: float, height: float) -> np.ndarray:
    return np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2


def _cross() -> Outline:
    a, b = 0.5, 0.15
    corners = [(b, a), (b, b), (a, b), (a, -b), (b, -b), (b, -a)]
    return [np.array(corners + [(-x, -y) for x, y in corners])]


def _crescent() -> Outline:
    return [_regular(40), _regular(40, 0.42) + np.array([0.22, 0.0])]


def _ell() -> Outline:
    return [
        np.array([(-0.5, -0.5), (-0.2, -0.5), (-0.2, 0.2), (0.5, 0.2), (0.5, 0.5), (-0.5, 0.5)])
    ]


def _half_disc() -> Outline:
    return [_regular(40)[:21]]


CLASSES: dict[str, Callable[[], Outline]] = {
    "disc": lambda: [_regular(40)],
    "square": lambda: [_rectangle(0.9, 0.9)],
    "triangle": lambda: [_regular(3)],
    "ring": lambda: [_regular(40), _regular(40, 0.29)],
    "star": _star,
    "cross": _cross,
    "bar": lambda: [_rectangle(1.0, 0.3)],
    "crescent": _crescent,
}
#: Look like objects at first sight, and are background.
DISTRACTORS: tuple[Callable[[], Outline], ...] = (
    _ell,
    _half_disc,
    lambda: [_rectangle(0.9, 0.9), _rectangle(0.55, 0.55)],
    lambda: [_regular(5)],
)


def draw_mask(outline: Outline, side: float, stretch: float, turn: float) -> np.ndarray:
    """How much of every pixel a shape covers.

    Args:
        side: extent in pixels before stretching and turning.
        stretch: factor of the width; the height is divided by it.
        turn: angle in radians.

    Returns:
        [S, S] float32 in [0, 1], the shape's center in the middle.
    """
    reach = math.ceil(side * max(stretch, 1 / stretch) * 0.75) + 2
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    matrix = rotation @ np.diag([side * stretch, side / stretch])
    canvas = Image.new("L", (2 * reach * _OVERSAMPLE,) * 2)
    pen = ImageDraw.Draw(canvas)
    for layer, polygon in enumerate(outline):
        corners = (polygon @ matrix.T + reach) * _OVERSAMPLE
        pen.polygon([(x, y) for x, y in corners.tolist()], fill=0 if layer else 255)
    small = canvas.reduce(_OVERSAMPLE)
    return np.asarray(small, dtype=np.float32) / 255
