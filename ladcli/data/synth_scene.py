"""One picture of the synthetic set: textured background, shapes, clutter, and a camera's faults."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ladcli.data.synth_shapes import CLASSES, DISTRACTORS, Outline, draw_mask

#: An object of which less than this share is visible is not annotated.
MIN_VISIBLE = 0.35
#: Smallest and largest side of an object, as shares of the picture's height.
SIDES = (0.05, 0.65)


@dataclass(frozen=True)
class Scene:
    """A picture and the boxes of what is visible in it.  G = annotated objects."""

    picture: Image.Image  # RGB
    boxes: np.ndarray  # [G, 4] int64, x, y, width, height, pixels; extents of the visible part
    labels: np.ndarray  # [G] int64, position in CLASSES


@dataclass(frozen=True)
class SceneStyle:
    """What the pictures of a set have in common."""

    size: tuple[int, int]  # width and height in pixels
    classes: int  # how many of `CLASSES`, from the first
    objects: tuple[int, int]  # least and most objects; those that end up hidden do not count
    sides: tuple[float, float] = SIDES  # smallest and largest object, shares of the height
    clutter: float = 1.0  # 0 to 1: distractors, stray lines, faint shapes, blur and noise


def draw_scene(rng: np.random.Generator, style: SceneStyle) -> Scene:
    """Draw one picture."""
    width, height = style.size
    sides, clutter = style.sides, style.clutter
    image = _background(rng, width, height)
    for _ in range(round(clutter * int(rng.integers(2, 6)))):
        outline = DISTRACTORS[int(rng.integers(len(DISTRACTORS)))]()
        _place(rng, image, outline, _random_side(rng, height, sides) * 0.7, clutter)
    image = _blobs(rng, image)
    outlines = [make() for make in list(CLASSES.values())[: style.classes]]
    count = int(rng.integers(style.objects[0], style.objects[1] + 1))
    labels = rng.integers(style.classes, size=count)
    # Large ones first, or they would hide the small ones.
    drawn = sorted((_random_side(rng, height, sides) for _ in range(count)), reverse=True)
    owner = np.full((height, width), -1, dtype=np.int64)
    areas = np.zeros(count)
    for number, (label, side) in enumerate(zip(labels.tolist(), drawn, strict=True)):
        covered, areas[number] = _place(rng, image, outlines[label], side, clutter)
        owner[covered] = number
    boxes, visible = _visible_boxes(owner, areas)
    return Scene(
        _camera(rng, _lines(rng, image, clutter), clutter), boxes[visible], labels[visible]
    )


def _random_side(rng: np.random.Generator, height: int, sides: tuple[float, float]) -> float:
    """Pixels, log-uniform: as many small objects as large ones."""
    low, high = sides
    return float(low * (high / low) ** rng.random()) * height


def _background(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """[H, W, 3] float32 in about 0..255: gradient, noise at several scales, sometimes stripes."""
    ends = rng.uniform(40, 215, size=(2, 3)).astype(np.float32)
    ends[1] = ends[0] + (ends[1] - ends[0]) * 0.6
    angle = rng.uniform(0, 2 * math.pi)
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, width), np.linspace(-0.5, 0.5, height))
    ramp = (x * math.cos(angle) + y * math.sin(angle) + 0.5).astype(np.float32)[..., None]
    image = ends[0] * (1 - ramp) + ends[1] * ramp
    for cell, strength in ((80, 30.0), (24, 22.0), (7, 14.0)):
        image += _noise(rng, width, height, cell) * strength * rng.uniform(0.3, 1.0)
    if rng.random() < 0.4:
        image += _stripes(rng, x * width, y * height)[..., None] * rng.uniform(6, 22)
    return image.astype(np.float32)


def _noise(rng: np.random.Generator, width: int, height: int, cell: int) -> np.ndarray:
    """[H, W, 3] float32 in about -1..1, smooth over ``cell`` pixels, little color."""
    rows, cols = height // cell + 3, width // cell + 3
    coarse = 0.8 * rng.normal(size=(rows, cols, 1)) + 0.35 * rng.normal(size=(rows, cols, 3))
    channels = [
        Image.fromarray(coarse[:, :, c].astype(np.float32)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for c in range(3)
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=2)


def _stripes(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Waves of a random direction and length over pixel coordinates, in -1..1."""
    angle, length = rng.uniform(0, math.pi), rng.uniform(5, 30)
    phase = 2 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / length
    return np.sin(phase).astype(np.float32)


def _place(
    rng: np.random.Generator, image: np.ndarray, outline: Outline, side: float, clutter: float
) -> tuple[tuple[np.ndarray, np.ndarray], float]:
    """Paint a shape into ``image`` [H, W, 3], in place.

    Returns:
        Rows and columns of the pixels that it covers by more than half, and its whole area in
        pixels, including what lies outside the image.
    """
    height, width = image.shape[:2]
    mask = draw_mask(outline, side, float(rng.uniform(0.8, 1.25)), rng.uniform(0, 2 * math.pi))
    center_x, center_y = rng.uniform(0, width), rng.uniform(0, height)
    left, top = int(center_x) - mask.shape[1] // 2, int(center_y) - mask.shape[0] // 2
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + mask.shape[1], width), min(top + mask.shape[0], height)
    inside = mask[y0 - top : y1 - top, x0 - left : x1 - left]
    under = image[y0:y1, x0:x1]
    fill = _fill(rng, under, inside, clutter)
    alpha = inside[..., None] * np.float32(rng.uniform(0.75, 1.0))
    under += alpha * (fill - under)
    rows, cols = np.nonzero(inside > 0.5)
    return (rows + y0, cols + x0), float((mask > 0.5).sum())


def _fill(
    rng: np.random.Generator, under: np.ndarray, mask: np.ndarray, clutter: float
) -> np.ndarray:
    """[h, w, 3] what a shape is made of: set off from what it covers, at times only just."""
    height, width = under.shape[:2]
    around = under[mask > 0.5].mean(axis=0) if (mask > 0.5).any() else np.full(3, 128.0)
    faint = rng.random() < 0.4 * clutter
    contrast = rng.uniform(16, 40) if faint else rng.uniform(40, 110)
    direction = rng.normal(size=3) + rng.choice([-1.0, 1.0]) * 0.8
    color = around + contrast * direction / np.linalg.norm(direction) * math.sqrt(3) * 0.8
    fill: np.ndarray = np.broadcast_to(np.clip(color, 5, 250), under.shape).astype(np.float32)
    kind = rng.random()
    if kind < 0.3:
        fill = fill + _noise(rng, width, height, int(rng.integers(3, 12))) * rng.uniform(5, 22)
    elif kind < 0.5:
        y, x = np.mgrid[:height, :width]
        fill = fill + _stripes(rng, x, y)[..., None] * rng.uniform(8, 25)
    return fill


def _blobs(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Soft spots of light and shadow."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for _ in range(int(rng.integers(0, 4))):
        spread = rng.uniform(0.03, 0.15) * width
        distance = (x - rng.uniform(0, width)) ** 2 + (y - rng.uniform(0, height)) ** 2
        spot = np.exp(-distance / np.float32(2 * spread**2)) * np.float32(rng.uniform(-45, 45))
        image = image + spot[..., None]
    return image


def _lines(rng: np.random.Generator, image: np.ndarray, clutter: float) -> Image.Image:
    """Thin lines and arcs over everything; they do not count as hiding an object."""
    picture = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _ in range(round(clutter * int(rng.integers(1, 7)))):
        ends = (rng.random(4) * np.array([*picture.size, *picture.size])).tolist()
        color = tuple(int(c) for c in rng.integers(20, 235, size=3))
        if rng.random() < 0.6:
            pen.line(ends, fill=color, width=int(rng.integers(1, 4)))
        else:
            x0, x1 = sorted((ends[0], ends[2]))
            y0, y1 = sorted((ends[1], ends[3]))
            start = int(rng.integers(360))
            pen.arc((x0, y0, x1, y1), start, start + int(rng.integers(40, 200)), fill=color)
    return picture


def _camera(rng: np.random.Generator, picture: Image.Image, clutter: float) -> Image.Image:
    """Blur, exposure and sensor noise."""
    if rng.random() < 0.4 * clutter:
        picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 1.5))))
    image = np.asarray(picture, dtype=np.float32)
    image = (image - 128) * rng.uniform(0.7, 1.1) + 128 + rng.uniform(-20, 20)
    # The same noise in all channels is enough, and costs a third.
    image += rng.normal(scale=rng.uniform(2, 2 + 11 * clutter), size=(*image.shape[:2], 1))
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def _visible_boxes(owner: np.ndarray, areas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [n, 4] of the pixels that each object owns, and which objects count as visible [n].

    Args:
        owner: [H, W] int64, number of the uppermost object or -1.
        areas: [n] pixels of each whole object.
    """
    boxes = np.zeros((len(areas), 4), dtype=np.int64)
    seen = np.bincount(owner[owner >= 0], minlength=len(areas))
    visible = (seen >= MIN_VISIBLE * areas) & (seen > 0)
    for number in np.flatnonzero(visible).tolist():
        rows = np.flatnonzero((owner == number).any(axis=1))
        cols = np.flatnonzero((owner == number).any(axis=0))
        boxes[number] = (cols[0], rows[0], cols[-1] - cols[0] + 1, rows[-1] - rows[0] + 1)
    return boxes, visible
