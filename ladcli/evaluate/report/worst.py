"""The images where most is lost, with what was there and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ladcli.data.decode import decode_image
from ladcli.errors import BadImageError
from ladcli.evaluate.drawing import Color, draw_boxes
from ladcli.evaluate.greedy import UNMATCHED, match_greedily
from ladcli.evaluate.overlaps import find_pairs
from ladcli.evaluate.report.content import SetResult, Truth
from ladcli.evaluate.report.html import Html, join, paragraph, tag
from ladcli.evaluate.report.pictures import jpeg_uri, scaled
from ladcli.evaluate.results import Results, rows_in

#: Detections below this score are not looked at: a user would not see them either.
MIN_SCORE = 0.3
MIN_IOU = 0.5
#: Colors of what is right, of what is wrongly detected, and of what is missed; light enough for
#: black letters, apart with any kind of color vision.
RIGHT_COLOR: Color = (86, 180, 233)
FALSE_COLOR: Color = (240, 160, 40)
MISSED_COLOR: Color = (255, 120, 200)


@dataclass(frozen=True, eq=False)
class Judged:
    """Detections of at least `MIN_SCORE` beside the ground truth.  D detections, G boxes."""

    image: np.ndarray  # [D] int64, row of the image
    label: np.ndarray  # [D] int64
    score: np.ndarray  # [D] float64, falling
    boxes: np.ndarray  # [D, 4] x, y, width, height
    right: np.ndarray  # [D] bool
    ignored: np.ndarray  # [D] bool, over a crowd region
    found: np.ndarray  # [G] bool; of crowd regions it means nothing


@dataclass(frozen=True)
class ImageLoss:
    """What is lost in one image."""

    row: int  # of the ground truth's images
    missed: int
    false: int
    found: int

    @property
    def share(self) -> float:
        """1 − F1: the share of objects and detections that have no partner, in [0, 1]."""
        lost = self.missed + self.false
        return lost / max(lost + 2 * self.found, 1)


def judge(truth: Truth, results: Results) -> Judged:
    """Match confident detections to objects of their class by IoU 0.5, as COCO does."""
    told = truth.annotations
    image, label = rows_in(told, results)
    order = np.argsort(-results.scores, kind="stable")
    order = order[results.scores[order] >= MIN_SCORE]
    image, label, boxes = image[order], label[order], results.boxes[order]
    num_classes = len(told.classes)
    pairs = find_pairs(
        image * num_classes + label,
        boxes,
        told.image_row * num_classes + told.class_row,
        told.boxes,
        crowd=told.crowd,
        at_least=MIN_IOU,
    )
    # The favorite first: objects before crowd regions, then by IoU, then the later one.
    pairs = pairs.where(np.lexsort((-pairs.gt, -pairs.iou, told.crowd[pairs.gt], pairs.det)))
    taken = match_greedily(pairs.det, pairs.gt, num_det=len(order), shared=told.crowd)
    matched = taken != UNMATCHED
    ignored = matched & np.append(told.crowd, False)[taken]  # UNMATCHED reads the last
    found = np.zeros(len(told.boxes), dtype=bool)
    found[taken[matched]] = True
    return Judged(image, label, results.scores[order], boxes, matched & ~ignored, ignored, found)


def worst_images(truth: Truth, judged: Judged, count: int) -> list[ImageLoss]:
    """The ``count`` images with the largest share lost, more losses first among equals.

    Images without any loss are not among them.
    """
    told = truth.annotations
    num = len(told.image_ids)
    objects = ~told.crowd
    missed = np.bincount(told.image_row[objects & ~judged.found], minlength=num)
    false = np.bincount(judged.image[~judged.right & ~judged.ignored], minlength=num)
    found = np.bincount(judged.image[judged.right], minlength=num)
    losses = [
        ImageLoss(row, int(missed[row]), int(false[row]), int(found[row]))
        for row in np.flatnonzero(missed + false).tolist()
    ]
    losses.sort(key=lambda loss: (-loss.share, -(loss.missed + loss.false), loss.row))
    return losses[:count]


def worst_section(result: SetResult, *, count: int, max_bytes: int) -> Html:
    """Pictures of the worst images of one network on one set; nothing without ground truth.

    Args:
        result: of one network.
        count: of pictures.
        max_bytes: of each picture.
    """
    if result.truth is None or result.detections is None:
        return Html("")
    judged = judge(result.truth, result.detections)
    losses = worst_images(result.truth, judged, count)
    if not losses:
        return paragraph("Nothing is lost: every object is found, and every detection is right.")
    aid = (
        f"Images with the largest share of objects and detections (score ≥ {MIN_SCORE}) without a "
        f"partner at IoU {MIN_IOU}. Boxes with a name are the losses: solid orange is a wrong "
        "detection with its score, dashed pink an object that was missed. Those without a name are "
        "right: solid blue the detection, dashed blue its object."
    )
    photos = [_photo(result.truth, judged, loss, max_bytes) for loss in losses]
    return join([paragraph(aid, class_="lead"), tag("div", *photos, class_="grid photos")])


def _photo(truth: Truth, judged: Judged, loss: ImageLoss, max_bytes: int) -> Html:
    told = truth.annotations
    name = told.file_names[loss.row]
    words = f"{loss.missed} missed, {loss.false} wrong, {loss.found} right: {loss.share:.0%} lost"
    caption = tag("figcaption", tag("b", name), " ", tag("span", words))
    try:
        hw = told.hw[loss.row]
        pixels = decode_image(truth.images / name, stored_hw=(int(hw[0]), int(hw[1])))
    except BadImageError as error:
        return tag("figure", caption, paragraph(str(error), class_="remark"))
    image, factor = scaled(Image.fromarray(pixels))
    drawn = _drawn(image, factor, truth, judged, loss.row)
    picture = tag(
        "img",
        src=jpeg_uri(drawn, max_bytes=max_bytes),
        alt=f"{name}: {words}",
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
        *(f"{names[judged.label[d]]} {judged.score[d]:.2f}" for d in false),
        *[""] * (len(right) + len(found)),
    ]
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
