"""Images of a data set with their boxes drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ladcli.data.decode import decode_image
from ladcli.data.statistics import MeasuredSet
from ladcli.errors import BadImageError
from ladcli.evaluate.drawing import Color, class_text, draw_boxes
from ladcli.evaluate.report.charts.svg import color_legend
from ladcli.evaluate.report.html import Html, join, paragraph, tag
from ladcli.evaluate.report.parts.pictures import jpeg_uri, scaled
from ladcli.evaluate.report.reading.picked_images import Picked, picked_images

#: Images of each kind: of the only set, and of one of several.
_OF_ONE, _OF_SEVERAL = 3, 2
#: Enough for a sharp picture.
_PICTURE_BYTES = 110_000
#: Names in a picture; more would cover it.
_MAX_NAMES = 12
#: Classes in a legend.
_MAX_LEGEND = 60
#: Small images are enlarged to this longest side, or names would cover them.
_MIN_SIDE = 480
#: What is shown around a box that a picture is about: this many sides, and pixels at least.
_AROUND, _LEAST_AROUND = 12, 96
#: A part of this share of the image's sides is shown whole.
_NEARLY_WHOLE = 0.7


def pictures_section(
    measured: MeasuredSet, colors: Mapping[str, Color], *, few: bool, max_bytes: int
) -> Html:
    """Pictures of the images worth a look; nothing where the images were not found.

    Args:
        colors: of the classes, by name.
        few: show fewer, because other sets are shown too.
        max_bytes: of all pictures.
    """
    if not measured.has_images:
        return Html("")
    picked = picked_images(measured, _OF_SEVERAL if few else _OF_ONE)
    each = min(_PICTURE_BYTES, max_bytes // max(len(picked), 1))
    shown = [_shown(measured, one.row) for one in picked]
    figures = [
        _figure(measured, one, boxes, colors, each)
        for one, boxes in zip(picked, shown, strict=True)
    ]
    lead = (
        "Extremes first, then images at random. Dashed are crowd regions and difficult objects; "
        f"at most {_MAX_NAMES} boxes of a picture are named."
    )
    names = {name for boxes in shown for name in boxes.names}
    return join(
        [
            paragraph(lead, class_="lead"),
            _legend(names, colors),
            tag("div", *figures, class_="grid photos"),
        ]
    )


def _legend(names: set[str], colors: Mapping[str, Color]) -> Html:
    there = [(name, _css(color)) for name, color in colors.items() if name in names]
    more = len(there) - _MAX_LEGEND
    words = f"and {more:,} further classes, by the names in the pictures" if more > 0 else None
    return join([color_legend(there[:_MAX_LEGEND]), paragraph(words) if words else None])


def _css(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


@dataclass(frozen=True, eq=False)
class _Shown:
    """The boxes of an image as they are drawn, small ones first, so that they lie on top."""

    corners: np.ndarray  # [K, 4] float64 xyxy, stored pixels
    labels: np.ndarray  # [K] classes
    names: list[str]  # K names of classes
    dashed: list[bool]  # K, crowd or difficult


def _shown(measured: MeasuredSet, row: int) -> _Shown:
    index, truth = measured.index, measured.annotated.truth
    boxes, labels, _ = index.targets(row)
    # Whatever is not learned from is read from the file, where crowd and difficult are told apart.
    here = truth.image_row == np.flatnonzero(truth.image_ids == index.image_ids[row])[0]
    other = np.flatnonzero(here & (truth.crowd | measured.annotated.difficult))
    corners = truth.boxes[other].copy()
    corners[:, 2:] += corners[:, :2]
    every = np.concatenate([boxes.astype(np.float64), corners])
    classes = np.concatenate([labels, truth.class_row[other]])
    dashed = np.arange(len(every)) >= len(boxes)
    order = np.lexsort(((every[:, 2:] - every[:, :2]).prod(axis=1), dashed))
    names = [index.classes.names[label] for label in classes[order].tolist()]
    return _Shown(every[order], classes[order], names, dashed[order].tolist())


def _figure(
    measured: MeasuredSet, one: Picked, boxes: _Shown, colors: Mapping[str, Color], max_bytes: int
) -> Html:
    index = measured.index
    name = index.file_name(one.row)
    height, width = (int(side) for side in index.hw[one.row])
    window = (0, 0, width, height)
    if one.focus is not None:
        window = around(measured.boxes[one.focus], (width, height))
    words = f"{name}, {width}x{height}; {_counted(boxes)}"
    if window != (0, 0, width, height):
        words += f"; shown is a part of {window[2] - window[0]}x{window[3] - window[1]}"
    caption = tag("figcaption", tag("b", one.why), " ", tag("span", words))
    try:
        pixels = decode_image(index.path(one.row), stored_hw=(height, width))
    except BadImageError as error:
        return tag("figure", caption, paragraph(str(error), class_="remark"))
    image, factor = scaled(Image.fromarray(pixels).crop(window), min_side=_MIN_SIDE)
    corners = (boxes.corners - np.array([*window[:2], *window[:2]])) * factor
    seen = _in_picture(corners, image.size)
    drawn = draw_boxes(
        image,
        corners[seen].tolist(),
        _texts(measured, boxes, seen),
        [colors[boxes.names[k]] for k in seen],
        dashed=[boxes.dashed[k] for k in seen],
    )
    picture = tag(
        "img",
        src=jpeg_uri(drawn, max_bytes=max_bytes),
        alt=f"{one.why}: {words}",
        width=drawn.width,
        height=drawn.height,
        loading="lazy",
    )
    return tag("figure", caption, picture, class_="photo")


def around(box: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of an image of ``size`` (width, height) that shows ``box`` large; or all of it.

    Args:
        box: [4] xyxy, stored pixels.

    Returns:
        x1, y1, x2, y2 in whole pixels.
    """
    side = max(_AROUND * float(np.sqrt((box[2:] - box[:2]).prod())), _LEAST_AROUND)
    side = max(side, 1.5 * float((box[2:] - box[:2]).max()))
    if side >= _NEARLY_WHOLE * max(size):
        return 0, 0, *size
    starts, ends = [], []
    for center, whole in zip(((box[:2] + box[2:]) / 2).tolist(), size, strict=True):
        length = min(round(side), whole)
        start = min(max(round(center - length / 2), 0), whole - length)
        starts.append(start)
        ends.append(start + length)
    return starts[0], starts[1], ends[0], ends[1]


def _in_picture(corners: np.ndarray, size: tuple[int, int]) -> list[int]:
    """Which boxes [K, 4] have a part in a picture of ``size``."""
    inside = (corners[:, 2:] > 0).all(axis=1) & (corners[:, :2] < np.array(size)).all(axis=1)
    found: list[int] = np.flatnonzero(inside).tolist()
    return found


def _texts(measured: MeasuredSet, boxes: _Shown, seen: list[int]) -> list[str]:
    """Names of the boxes ``seen``: one of every class, then others while there is room."""
    first = {boxes.names[k]: k for k in reversed(seen)}.values()
    named = set([*first, *(k for k in seen if k not in set(first))][:_MAX_NAMES])
    classes = measured.index.classes
    return [class_text(classes, int(boxes.labels[k])) if k in named else "" for k in seen]


def _counted(boxes: _Shown) -> str:
    """How many boxes of which classes, the most frequent class first."""
    counts: dict[str, int] = {}
    for name, dashed in zip(boxes.names, boxes.dashed, strict=True):
        counts[name] = counts.get(name, 0) + (not dashed)
    listed = sorted(((n, c) for n, c in counts.items() if c), key=lambda pair: -pair[1])
    told = ", ".join(f"{count} {name}" for name, count in listed[:6])
    more = f" and {len(listed) - 6} more classes" if len(listed) > 6 else ""
    num_dashed = sum(boxes.dashed)
    apart = f"{', ' if told else ''}{num_dashed} dashed" if num_dashed else ""
    return f"{told}{more}{apart}" or "no box"
