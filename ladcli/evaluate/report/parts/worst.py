"""The images where most is lost, with what was there and what was found."""

from __future__ import annotations

from ladcli.evaluate.measured import MeasuredRun, Truth
from ladcli.evaluate.report.html import Html, join, paragraph, tag
from ladcli.evaluate.report.parts.loss_photo import BOXES_AID, loss_photo
from ladcli.evaluate.report.reading.judging import ImageLoss, Judged, image_losses, judge


def worst_images(truth: Truth, judged: Judged, count: int) -> list[ImageLoss]:
    """The ``count`` images with the largest share lost, more losses first among equals.

    Images without any loss are not among them.
    """
    losses = [loss for loss in image_losses(truth, judged) if loss.missed + loss.false]
    losses.sort(key=lambda loss: (-loss.share, -(loss.missed + loss.false), loss.row))
    return losses[:count]


def worst_section(result: MeasuredRun, *, count: int, max_bytes: int) -> Html:
    """Pictures of the worst images of one network on one set; nothing without ground truth.

    Args:
        result: of one network.
        count: of pictures.
        max_bytes: of each picture.
    """
    if result.truth is None or result.detections is None:
        return Html("")
    judged = judge(result)
    losses = worst_images(result.truth, judged, count)
    if not losses:
        words = "Nothing is lost: every object is found, and every detection is right."
        return paragraph(f"{words} {_looked_at(judged)}")
    aid = "Images with the largest share of objects and detections without a partner. " + BOXES_AID
    names = result.truth.annotations.file_names
    photos = [
        loss_photo(result.truth, judged, loss, title=names[loss.row], max_bytes=max_bytes)
        for loss in losses
    ]
    lead = (paragraph(words, class_="lead") for words in (aid, _looked_at(judged)))
    return join([*lead, tag("div", *photos, class_="grid photos")])


def _looked_at(judged: Judged) -> str:
    return f"Counted and drawn are {judged.shown()}."
