"""The images where two methods differ most: what a gain looks like, and what it costs elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from ladcli.evaluate.report.content import SetResult, Truth
from ladcli.evaluate.report.entry import Entry
from ladcli.evaluate.report.html import Html, join, paragraph, tag
from ladcli.evaluate.report.judging import ImageLoss, Judged, image_losses, judge
from ladcli.evaluate.report.loss_photo import BOXES_AID, loss_photo

#: Images in each direction and method, and pictures of all (each image has two).
_MOST, _PICTURES = 3, 24
#: Enough for a sharp picture.
_PICTURE_BYTES = 120_000


def changed_section(entries: Sequence[Entry], *, max_bytes: int) -> Html:
    """For each entry but the first: images where it loses less than the first, and where more.

    Args:
        entries: on one set; their first runs are looked at.
        max_bytes: of all pictures together.
    """
    first = entries[0] if entries else None
    pairs = [entry for entry in entries[1:] if first is not None and _comparable(first, entry)]
    if first is None or not pairs:
        return Html("")
    count = max(1, min(_MOST, _PICTURES // (4 * len(pairs))))
    each = min(_PICTURE_BYTES, max_bytes // (4 * count * len(pairs)))
    parts = [_changes(first, entry, count, each) for entry in pairs]
    aid = (
        "The share of objects and detections without a partner, in the first run of each method: "
        "where it fell most, and where it rose most. " + BOXES_AID
    )
    return join([paragraph(aid, class_="lead"), *parts])


def _comparable(first: Entry, other: Entry) -> bool:
    one, two = first.results[0], other.results[0]
    return (
        one.truth is not None
        and two.truth is not None
        and one.truth.annotations is two.truth.annotations
        and one.detections is not None
        and two.detections is not None
    )


def _changes(first: Entry, other: Entry, count: int, max_bytes: int) -> Html:
    truth, before, before_losses = _judged(first.results[0])
    _, after, after_losses = _judged(other.results[0])
    pairs = list(zip(before_losses, after_losses, strict=True))
    parts: list[Html] = []
    for sign, words in ((-1, "less"), (1, "more")):
        kept = most_changed(pairs, sign, count)
        title = f"{other.name} loses {words} than {first.name}"
        if not kept:
            parts.append(paragraph(f"{title}: on no image."))
            continue
        photos = []
        for one, two in kept:
            name = truth.annotations.file_names[one.row]
            for entry, judged, loss in ((first, before, one), (other, after, two)):
                label = f"{name}, {entry.name}"
                photos.append(loss_photo(truth, judged, loss, title=label, max_bytes=max_bytes))
        parts.append(tag("h4", title))
        parts.append(tag("div", *photos, class_="grid pairs"))
    return join(parts)


def _judged(result: SetResult) -> tuple[Truth, Judged, list[ImageLoss]]:
    assert result.truth is not None
    assert result.detections is not None
    judged = judge(result.truth, result.detections)
    return result.truth, judged, image_losses(result.truth, judged)


def most_changed(
    pairs: Sequence[tuple[ImageLoss, ImageLoss]], sign: int, count: int
) -> list[tuple[ImageLoss, ImageLoss]]:
    """The ``count`` images whose share lost moved most in one direction, the largest first.

    Args:
        pairs: what the first and the other method lose, image by image.
        sign: -1 for images where the other loses less, 1 where it loses more.
    """
    moved = [pair for pair in pairs if sign * (pair[1].share - pair[0].share) > 0]
    moved.sort(key=lambda pair: (-sign * (pair[1].share - pair[0].share), pair[0].row))
    return moved[:count]
