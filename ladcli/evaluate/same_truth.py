"""Whether two files hold the same ground truth, in whatever order."""

from __future__ import annotations

import numpy as np

from ladcli.data.coco_json import CocoFile


def truth_difference(mine: CocoFile, other: CocoFile) -> str | None:
    """How two files of ground truth differ, in words, or None."""
    if mine is other:
        return None
    if mine.classes != other.classes:
        difference = mine.classes.difference(other.classes)
        return f"classes: {difference}" if difference else "the ids of the classes"
    if not np.array_equal(np.sort(mine.image_ids), np.sort(other.image_ids)):
        return f"{len(mine.image_ids)} images against {len(other.image_ids)}" + (
            "" if len(mine.image_ids) != len(other.image_ids) else " with other ids"
        )
    same = len(mine.boxes) == len(other.boxes) and all(
        np.array_equal(x, y) for x, y in zip(_box_order(mine), _box_order(other), strict=True)
    )
    return None if same else "boxes or areas in the same images differ"


def _box_order(truth: CocoFile) -> list[np.ndarray]:
    """All that counts of boxes, in an order that does not hang on the file's."""
    columns = [
        truth.image_ids[truth.image_row],
        truth.class_row,
        truth.crowd,
        truth.area,
        *np.asarray(truth.boxes).T,
    ]
    order = np.lexsort(columns[::-1])
    return [np.asarray(column)[order] for column in columns]
