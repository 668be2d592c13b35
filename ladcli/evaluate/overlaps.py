"""Which detections overlap which ground truth, and how much, over a whole data set at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

#: Pairs looked at in one go; bounds memory to some tens of MB.
_CHUNK = 1 << 19


@dataclass(frozen=True, eq=False)
class Pairs:
    """Detections beside ground-truth boxes that they overlap, by ascending detection.  P pairs."""

    det: np.ndarray  # [P] int64, row of the detection
    gt: np.ndarray  # [P] int64, row of the ground truth
    iou: np.ndarray  # [P] float64

    def where(self, keep: np.ndarray) -> Pairs:
        """The pairs that ``keep`` selects, by mask or by rows in a new order."""
        return Pairs(self.det[keep], self.gt[keep], self.iou[keep])


def find_pairs(
    det_group: np.ndarray,
    det_boxes: np.ndarray,
    gt_group: np.ndarray,
    gt_boxes: np.ndarray,
    *,
    crowd: np.ndarray,
    at_least: float,
) -> Pairs:
    """Pairs of one group that overlap, by ascending detection, then by ascending ground truth.

    Args:
        det_group: [D] int64, only pairs of equal groups count (an image, or image and class).
        det_boxes: [D, 4] x, y, width, height.
        gt_group: [G] int64.
        gt_boxes: [G, 4] x, y, width, height.
        crowd: [G] bool, ground truth where overlap is the share of the detection that is covered.
        at_least: smallest IoU that is of interest, above 0.
    """
    by_group = np.argsort(gt_group, kind="stable")
    sorted_group = gt_group[by_group]
    start = np.searchsorted(sorted_group, det_group, side="left")
    count = np.searchsorted(sorted_group, det_group, side="right") - start
    chunks = []
    for low, high in _chunks(count):
        det = np.repeat(np.arange(low, high), count[low:high])
        gt = by_group[_runs(start[low:high], count[low:high])]
        iou = _pair_iou(det_boxes[det], gt_boxes[gt], crowd[gt])
        chunks.append(Pairs(det, gt, iou).where(iou >= at_least))
    return Pairs(
        np.concatenate([c.det for c in chunks]),
        np.concatenate([c.gt for c in chunks]),
        np.concatenate([c.iou for c in chunks]),
    )


def _chunks(count: np.ndarray) -> list[tuple[int, int]]:
    """Ranges of detections, at least one, that have about `_CHUNK` pairs each; ``count`` [D]."""
    total = np.cumsum(count)
    wanted = np.arange(_CHUNK, total[-1] if len(total) else 0, _CHUNK)
    bounds = np.unique([0, *np.searchsorted(total, wanted), len(count)]).tolist()
    return list(pairwise(bounds)) or [(0, 0)]


def _runs(start: np.ndarray, count: np.ndarray) -> np.ndarray:
    """start, start + 1, ... of every run, one run after the other; [count.sum()] int64."""
    before = np.cumsum(count) - count
    return np.arange(count.sum()) + np.repeat(start - before, count)


def _pair_iou(dets: np.ndarray, gts: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """IoU [P] of boxes [P, 4] x, y, width, height, bit for bit what pycocotools computes."""
    low = np.maximum(dets[:, :2], gts[:, :2])
    with np.errstate(over="ignore"):  # ground truth of absurd size; what overlaps it is finite
        high = np.minimum(dets[:, 2:] + dets[:, :2], gts[:, 2:] + gts[:, :2])
        gt_area = gts[:, 2] * gts[:, 3]
    width, height = (high - low).clip(min=0).T
    shared = width * height
    det_area = dets[:, 2] * dets[:, 3]
    union = np.where(crowd, det_area, det_area + gt_area - shared)
    # Boxes without area share nothing, also with each other.
    return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
