"""Results that are sound record by record, but hardly mean what they say.

Corners for sizes, fractions for pixels, and the class ids of another numbering leave a low AP and
no other trace.  Only the ground truth tells: what if they were read the other way?
"""

from __future__ import annotations

import numpy as np

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.overlaps import find_pairs

#: Detections that are looked at, those of the best scores: enough for a suspicion.
_LOOKED_AT = 4000
_FEW = 4
_HALF = 0.5


def doubts(
    truth: CocoFile,
    image_row: np.ndarray,
    category_ids: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
) -> list[str]:
    """Sentences about what looks wrong with all of the detections.

    Args:
        image_row: [D] int64, row of each one's image in ``truth``.
        category_ids: [D] int64, those that ``truth`` does not know included.
        boxes: [D, 4] float64, x, y, width, height.
        scores: [D] float64.
    """
    best = np.argsort(-scores, kind="stable")[:_LOOKED_AT]
    image_row, category_ids, boxes = image_row[best], category_ids[best], boxes[best]
    # Boxes of no size at all are no fractions either.
    if (boxes <= 1).all() and (boxes[:, 2:] > 0).any():
        return [
            "every box is smaller than one pixel; they look like fractions of the image size, "
            "multiply them by width and height"
        ]
    if len(boxes) < _FEW:
        return []
    close, of_class = _closest(truth, image_row, boxes)
    corners = _corner_doubt(truth, image_row, boxes, close)
    if corners:
        return [corners]
    return _class_doubts(truth, category_ids[close], of_class)


def _closest(
    truth: CocoFile, image_row: np.ndarray, boxes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Detections that overlap an object at least by half, [K] rows, and its class, [K]."""
    objects = np.flatnonzero(~truth.crowd)
    pairs = find_pairs(
        image_row,
        boxes,
        truth.image_row[objects],
        truth.boxes[objects],
        crowd=truth.crowd[objects],
        at_least=_HALF,
    )
    pairs = pairs.where(np.lexsort((-pairs.iou, pairs.det)))
    first = np.flatnonzero(np.diff(pairs.det, prepend=-1))
    return pairs.det[first], truth.class_row[objects[pairs.gt[first]]]


def _corner_doubt(
    truth: CocoFile, image_row: np.ndarray, boxes: np.ndarray, close: np.ndarray
) -> str | None:
    """Whether ``boxes`` [D, 4] make more sense as x1, y1, x2, y2."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    if (sizes <= 0).any(axis=1).mean() > 0.01:
        return None
    as_corners = np.concatenate([boxes[:, :2], sizes.clip(min=0)], axis=1)
    limit = truth.hw[image_row][:, ::-1] + 0.5
    leaving = (boxes[:, :2] + boxes[:, 2:] > limit).any(axis=1).mean()
    inside = (boxes[:, 2:] <= limit).all(axis=1).mean()
    closer, _ = _closest(truth, image_row, as_corners)
    share, share_as_corners = len(close) / len(boxes), len(closer) / len(boxes)
    fits = share_as_corners > 0.3 and share_as_corners > 3 * share
    if not fits and not (leaving > 0.5 and inside > 0.99 and share_as_corners >= share):
        return None
    return (
        f"boxes look like x1, y1, x2, y2: so read, {share_as_corners:.0%} of them overlap an "
        f"object by half, and as x, y, width, height, which results must have, {share:.0%}"
    )


def _class_doubts(truth: CocoFile, category_ids: np.ndarray, of_class: np.ndarray) -> list[str]:
    """Whether detections of one class lie on objects of another, class by class.

    Args:
        category_ids: [K] int64, what each detection says.
        of_class: [K] int64, row of the class of the object that it overlaps.
    """
    if len(of_class) < _FEW:
        return []
    ids = np.array(truth.classes.ids, dtype=np.int64)
    means: dict[int, int] = {}  # what an id seems to stand for
    fitting = 0
    said, place, counts = np.unique(category_ids, return_inverse=True, return_counts=True)
    for number, category in enumerate(said.tolist()):
        by_class = np.bincount(of_class[place == number], minlength=len(ids))
        fitting += int(by_class.max())
        if counts[number] >= 0.01 * len(of_class):
            means[category] = int(ids[by_class.argmax()])
    renamed = len(set(means.values())) == len(means) and fitting >= 0.8 * len(of_class)
    wrong = {category: meant for category, meant in means.items() if category != meant}
    unknown = wrong.keys() - set(truth.classes.ids)
    right = (category_ids == ids[of_class]).mean()
    if not renamed or right > 0.3 or len(wrong) < (1 if unknown else 2):
        return []
    names = dict(zip(truth.classes.ids, truth.classes.names, strict=True))
    pairs = ", ".join(f"{a} on {b} ({names[b]!r})" for a, b in list(wrong.items())[:5])
    from_zero = all(truth.classes.ids.index(b) == a for a, b in wrong.items())
    why = "; they seem to be positions, counted from 0" if from_zero else ""
    return [
        "category ids look like those of another list of classes: detections of category "
        f"{pairs}{', ...' if len(wrong) > 5 else ''} lie on its objects{why}; correct category_id"
    ]
