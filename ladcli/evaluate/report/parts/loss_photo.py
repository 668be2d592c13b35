"""A photo with what was missed and what was wrongly detected in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ladcli.data.decode import decode_image
from ladcli.data.spelling import locate
from ladcli.errors import BadImageError
from ladcli.evaluate.drawing import Color, draw_boxes
from ladcli.evaluate.measured import Truth
from ladcli.evaluate.report.html import Html, paragraph, tag
from ladcli.evaluate.report.parts.pictures import jpeg_uri, scaled
from ladcli.evaluate.report.reading.judging import MIN_IOU, ImageLoss, Judged

#: Colors of what is right, of what is wrongly detected, and of what is missed; light enough for
#: black letters, apart with any kind of color vision.
RIGHT_COLOR: Color = (86, 180, 233)
FALSE_COLOR: Color = (240, 160, 40)
MISSED_COLOR: Color = (255, 120, 200)
#: Names in a picture; more would cover it.
MAX_NAMES = 10
BOXES_AID = (
    f"Partners overlap by an IoU of {MIN_IOU}. Solid orange is a wrong detection, dashed pink an "
    "object that was missed; solid blue is a right detection, dashed blue its object. At most "
    f"{MAX_NAMES} losses are named."
)
#: Small images are enlarged to this longest side, or names would cover them.
_MIN_SIDE = 480


def loss_photo(
    truth: Truth, judged: Judged, loss: ImageLoss, *, title: str, max_bytes: int
) -> Html:
    """An image of at most ``max_bytes`` with its losses drawn, under ``title`` and numbers."""
    told = truth.annotations
    name = told.file_names[loss.row]
    words = f"{loss.missed} missed, {loss.false} wrong, {loss.found} right: {loss.share:.0%} lost"
    caption = tag("figcaption", tag("b", title), " ", tag("span", words))
    try:
        hw = told.hw[loss.row]
        path = locate(truth.images, name)
        pixels = decode_image(path, stored_hw=(int(hw[0]), int(hw[1])))
    except BadImageError as error:
        return tag("figure", caption, paragraph(str(error), class_="remark"))
    image, factor = scaled(Image.fromarray(pixels), min_side=_MIN_SIDE)
    drawn = _drawn(image, factor, truth, judged, loss.row)
    picture = tag(
        "img",
        src=jpeg_uri(drawn, max_bytes=max_bytes),
        alt=f"{title}: {words}",
        width=drawn.width,
        height=drawn.height,
        loading="lazy",
    )
    return tag("figure", caption, picture, class_="photo")


def _drawn(
    image: Image.Image, factor: float, truth: Truth, judged: Judged, row: int
) -> Image.Image:
    """The image with its losses on top, then what is right."""
    told = truth.annotations
    names = told.classes.names
    objects = np.flatnonzero((told.image_row == row) & ~told.crowd)
    detections = np.flatnonzero((judged.image == row) & ~judged.ignored)
    missed = [g for g in objects if not judged.found[g]]
    found = [g for g in objects if judged.found[g]]
    false = [d for d in detections if not judged.right[d]]
    right = [d for d in detections if judged.right[d]]
    boxes = [*told.boxes[missed], *judged.boxes[false], *judged.boxes[right], *told.boxes[found]]
    texts = [
        *(names[told.class_row[g]] for g in missed),
        *(f"{names[judged.label[d]]} {judged.score[d]:.2f}" for d in false),  # the surest first
    ][:MAX_NAMES]
    texts += [""] * (len(boxes) - len(texts))
    colors = [
        *[MISSED_COLOR] * len(missed),
        *[FALSE_COLOR] * len(false),
        *[RIGHT_COLOR] * (len(right) + len(found)),
    ]
    dashed = [True] * len(missed) + [False] * len(false + right) + [True] * len(found)
    return draw_boxes(image, _corners(boxes, factor), texts, colors, dashed=dashed)


def _corners(boxes: Sequence[np.ndarray], factor: float) -> list[list[float]]:
    """x, y, width, height in stored pixels to xyxy in pixels of the picture."""
    return [
        [factor * x, factor * y, factor * (x + w), factor * (y + h)]
        for x, y, w, h in (box.tolist() for box in boxes)
    ]
