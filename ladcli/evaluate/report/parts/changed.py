"""The images where two methods differ most: what a gain looks like, and what it costs elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ladcli.evaluate.measured import MeasuredMethod, Truth
from ladcli.evaluate.report.html import Html, join, paragraph, tag
from ladcli.evaluate.report.parts.loss_photo import BOXES_AID, loss_photo
from ladcli.evaluate.report.reading.judging import ImageLoss, Judged, image_losses, judge
from ladcli.evaluate.same_truth import truth_difference

#: Images in each direction and method, and pictures of all (each image has two).
_MOST, _PICTURES = 3, 24
#: Enough for a sharp picture.
_PICTURE_BYTES = 120_000


def changed_section(entries: Sequence[MeasuredMethod], *, max_bytes: int) -> Html:
    """For each entry but the first: images where it loses less than the first, and where more.

    Nothing where no other entry was measured on the first one's ground truth.

    Args:
        entries: on one set, at least one; their first runs are looked at.
        max_bytes: of all pictures together.
    """
    first = entries[0]
    pairs = [entry for entry in entries[1:] if _comparable(first, entry)]
    if not pairs:
        return Html("")
    folder = _truth(first).images
    if not folder.is_dir():
        words = f"{folder}: no such folder, so no images are shown; name the data with --data."
        return paragraph(words, class_="remark")
    count = max(1, min(_MOST, _PICTURES // (4 * len(pairs))))
    each = min(_PICTURE_BYTES, max_bytes // (4 * count * len(pairs)))
    before, *others = (_judged(entry) for entry in (first, *pairs))
    parts = [_changes(before, after, count, each) for after in others]
    aid = (
        "What an image loses is the share of its objects and detections without a partner, here "
        "in the first run of each method. Shown is where that fell most, and where it rose most. "
        + BOXES_AID
    )
    shown = (
        f"Counted and drawn of {side.name}: {side.judged.shown()}." for side in (before, *others)
    )
    lead = (paragraph(words, class_="lead") for words in (aid, *shown))
    return join([*lead, *parts])


def _comparable(first: MeasuredMethod, other: MeasuredMethod) -> bool:
    one, two = first.runs[0], other.runs[0]
    return (
        one.truth is not None
        and two.truth is not None
        and one.detections is not None
        and two.detections is not None
        and truth_difference(two.truth.annotations, one.truth.annotations) is None
    )


def _changes(before: _Side, after: _Side, count: int, max_bytes: int) -> Html:
    # The same images, perhaps in another order.
    pairs = [(loss, after.losses[image_id]) for image_id, loss in before.losses.items()]
    parts: list[Html] = []
    for sign, words in ((-1, "less"), (1, "more")):
        kept = most_changed(pairs, sign, count)
        title = f"Images in which {after.name} loses {words} than {before.name}"
        if not kept:
            parts.append(paragraph(f"{title}: none."))
            continue
        photos = (
            side.photo(loss, max_bytes)
            for pair in kept
            for side, loss in zip((before, after), pair, strict=True)
        )
        parts.append(tag("h4", title))
        parts.append(tag("div", *photos, class_="grid pairs"))
    return join(parts)


@dataclass(frozen=True, eq=False)
class _Side:
    """The first run of a method, looked at."""

    name: str
    truth: Truth
    judged: Judged
    losses: dict[int, ImageLoss]  # by the image's id

    def photo(self, loss: ImageLoss, max_bytes: int) -> Html:
        title = f"{self.truth.annotations.file_names[loss.row]}, {self.name}"
        return loss_photo(self.truth, self.judged, loss, title=title, max_bytes=max_bytes)


def _truth(entry: MeasuredMethod) -> Truth:
    truth = entry.runs[0].truth
    assert truth is not None  # comparable entries have one
    return truth


def _judged(entry: MeasuredMethod) -> _Side:
    truth, judged = _truth(entry), judge(entry.runs[0])
    image_ids = truth.annotations.image_ids.tolist()
    losses = dict(zip(image_ids, image_losses(truth, judged), strict=True))
    return _Side(entry.name, truth, judged, losses)


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
