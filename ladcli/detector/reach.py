"""How well any anchor can overlap a box: what a training set may expect of one image size."""

from __future__ import annotations

import numpy as np

from ladcli.detector.levels import AnchorLayout


def best_anchor(
    boxes: np.ndarray, valid_hw: np.ndarray, anchors: AnchorLayout
) -> tuple[np.ndarray, np.ndarray]:
    """The anchor that overlaps every box best, without looking at them all.

    On a level all anchors are of one size, so the best has the largest intersection.  That is the
    overlap in x times the overlap in y, and each is largest for the anchor whose center is nearest.

    Args:
        boxes: [M, 4] xyxy, pixels of the network input.
        valid_hw: [M, 2] height and width in pixels of the area where anchors count.

    Returns:
        Its IoU [M] float64, and its level [M] int64, counted from the finest; of equals the finest.
    """
    low, high = boxes[:, :2].astype(np.float64), boxes[:, 2:].astype(np.float64)
    center, area = (low + high) / 2, (high - low).prod(axis=1)
    best, level = np.zeros(len(boxes)), np.zeros(len(boxes), dtype=np.int64)
    for number, stride in enumerate(anchors.strides):
        last_cell = -(-valid_hw[:, ::-1] // stride) - 1  # [M, 2], column and row
        nearest = np.clip(np.rint(center / stride), 0, last_cell) * stride
        half = stride * anchors.scale / 2
        sides = np.minimum(high, nearest + half) - np.maximum(low, nearest - half)
        overlap = np.clip(sides, 0, None).prod(axis=1)
        iou = overlap / (area + (2 * half) ** 2 - overlap)
        level = np.where(iou > best, number, level)
        best = np.maximum(best, iou)
    return best, level
