"""Average precision and recall from a matching, for images that count any number of times.

The interpolated precision of the COCO protocol: precision is made monotone from the right and read
at 101 recalls.  A weight per image stands for that many copies of the image; plain AP is the case
where each weight is 1, so that the bootstrap and `lad eval` share every line.
"""

from __future__ import annotations

import numpy as np

from ladcli.evaluate.matching import IGNORED, IOU_THRESHOLDS, RIGHT, SIZES, Matching

RECALLS = np.linspace(0, 1, 101)


def interpolated_precision(
    right: np.ndarray, scored: np.ndarray, positives: np.ndarray, recalls: np.ndarray = RECALLS
) -> np.ndarray:
    """Mean over ``recalls`` of the best precision at that recall or a higher one.

    Only right detections are listed: between two of them precision falls.

    Args:
        right: [..., K] weight of the right detections down to each right one, best score first.
        scored: [..., K] weight of all detections down to there that are not ignored.
        positives: [...] weight of the ground truth.
        recalls: [R] ascending, in [0, 1].

    Returns:
        [...] in [0, 1]; NaN where there is no ground truth.
    """
    # The spacing is pycocotools'.  It also gives 0 to what has no weight up to there.
    precision = right / (scored + np.spacing(1))
    best = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        reached = np.searchsorted(recalls, right / positives[..., None], side="right")
    newly_reached = np.diff(reached, prepend=0, axis=-1)
    mean = (best * newly_reached).sum(axis=-1) / len(recalls)
    return np.where(positives > 0, mean, np.nan)


class ClassRanking:
    """One class's detections from the best score down, and which of them are right.

    Made once and asked for its AP under many weights.  T thresholds, N images, B weightings.
    """

    def __init__(self, matching: Matching, class_row: int, size: int = 0) -> None:
        """``size`` is a position in `SIZES`, by default that of all objects."""
        own = slice(*matching.class_start[class_row : class_row + 2].tolist())
        verdict = matching.verdict[size, :, own]
        self._right = [np.flatnonzero(row == RIGHT) for row in verdict]
        # Below the last right detection nothing matters.
        depth = max(int(right[-1]) + 1 if len(right) else 0 for right in self._right)
        self._image = matching.image[own][:depth]
        self._ignored = [np.flatnonzero(row[:depth] == IGNORED) for row in verdict]
        counts = matching.gt_counts[size] & (matching.gt_class == class_row)
        self._gt_image = matching.gt_image[counts]

    def average_precision(self, weights: np.ndarray) -> np.ndarray:
        """AP at every threshold, [T, B] in [0, 1]; NaN where no ground truth counts.

        Args:
            weights: [B, N] float64, whole numbers, how often each image counts.  The copies of a
                detection stand side by side in the ranking.
        """
        positives = weights[:, self._gt_image].sum(axis=-1)
        weight = weights[:, self._image]
        listed = weight.cumsum(axis=-1)
        result = np.empty((len(self._right), len(weights)))
        for t, (right, ignored) in enumerate(zip(self._right, self._ignored, strict=True)):
            scored = listed[:, right]
            if len(ignored):
                scored -= _weight_before(right, ignored, weight)
            result[t] = interpolated_precision(weight[:, right].cumsum(axis=-1), scored, positives)
        return result


def _weight_before(right: np.ndarray, ignored: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weight of what is ignored above each right detection, [B, K]; ``weight`` is [B, depth]."""
    passed = weight[:, ignored].cumsum(axis=-1)
    passed = np.pad(passed, ((0, 0), (1, 0)))
    return passed[:, np.searchsorted(ignored, right)]


def average_precisions(matching: Matching) -> np.ndarray:
    """AP of every size, threshold and class, [S, T, C]; NaN for a class without ground truth."""
    once = np.ones((1, matching.num_images))
    result = np.empty((len(SIZES), len(IOU_THRESHOLDS), len(matching.classes)))
    for size in range(len(SIZES)):
        for c in range(len(matching.classes)):
            result[size, :, c] = ClassRanking(matching, c, size).average_precision(once)[:, 0]
    return result


def recalls(matching: Matching, limit: int) -> np.ndarray:
    """Share of the ground truth that is found, [S, T, C]; NaN for a class without any.

    Args:
        limit: how many detections count per image and class, the best ones.
    """
    right = (matching.verdict == RIGHT) & (matching.rank < limit)
    total = np.pad(right.cumsum(axis=-1, dtype=np.int32), ((0, 0), (0, 0), (1, 0)))
    found = np.diff(total[..., matching.class_start], axis=-1)
    positives = matching.positives()[:, None]
    with np.errstate(invalid="ignore"):
        return found / positives  # 0 / 0 is NaN
