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
        right: [K, ...] weight of the right detections down to each right one, best score first.
        scored: [K, ...] weight of all detections down to there that are not ignored.
        positives: [...] weight of the ground truth.
        recalls: 101 numbers from 0 to 1, evenly spaced but for rounding.

    Returns:
        [...] in [0, 1]; NaN where there is no ground truth.
    """
    # The spacing is pycocotools'.  It also gives 0 to what has no weight up to there.
    precision = right / (scored + np.spacing(1))
    best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    reached = _count_reached(recalls, right / np.maximum(positives, 1))
    newly_reached = np.diff(reached, prepend=0, axis=0)
    mean = (best * newly_reached).sum(axis=0) / len(recalls)
    return np.where(positives > 0, mean, np.nan)


def _count_reached(recalls: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """How many of ``recalls`` are at most ``recall``, as `numpy.searchsorted` on the right.

    Even spacing gives the place up to one, which is faster than a search.
    """
    place = (recall * (len(recalls) - 1)).astype(np.int64)
    limits = np.append(recalls, np.inf)
    return place + (limits[place] <= recall) + (limits[place + 1] <= recall)


def mean_of_defined(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean of what is not NaN along ``axis``; NaN where nothing is."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(values.sum(axis=axis, where=defined) / defined.sum(axis=axis))  # 0 / 0


class ClassRanking:
    """One class's detections from the best score down, and which of them are right.

    Made once and asked for its AP under many weights.  T thresholds, N images, B weightings.
    """

    def __init__(self, matching: Matching, class_row: int, size: int = 0) -> None:
        """``size`` is a position in `SIZES`, by default that of all objects."""
        own = slice(*matching.class_start[class_row : class_row + 2].tolist())
        verdict = matching.verdict[size, :, own]
        # Of a size, most detections are ignored at every threshold.
        listed = (verdict != IGNORED).any(axis=0)
        verdict = verdict[:, listed]
        self._right = [np.flatnonzero(row == RIGHT) for row in verdict]
        self.num_right = max(len(right) for right in self._right)  # at the lowest thresholds
        # Below the last right detection nothing matters.
        depth = max(int(right[-1]) + 1 if len(right) else 0 for right in self._right)
        self._image = matching.image[own][listed][:depth]
        self._ignored = [np.flatnonzero(row[:depth] == IGNORED) for row in verdict]
        self._ignored_before = [
            np.searchsorted(ignored, right)
            for ignored, right in zip(self._ignored, self._right, strict=True)
        ]
        counts = matching.gt_counts[size] & (matching.gt_class == class_row)
        self._gt_image = matching.gt_image[counts]

    def average_precision(self, weights: np.ndarray) -> np.ndarray:
        """AP at every threshold, [T, B] in [0, 1]; NaN where no ground truth counts.

        Args:
            weights: [N, B] float64, whole numbers, how often each image counts.  The copies of a
                detection stand side by side in the ranking.
        """
        positives = weights[self._gt_image].sum(axis=0)
        weight = weights[self._image]
        listed = weight.cumsum(axis=0)
        result = np.empty((len(self._right), weights.shape[1]))
        for t, right in enumerate(self._right):
            scored = listed[right]
            if len(self._ignored[t]):
                passed = np.zeros((len(self._ignored[t]) + 1, weights.shape[1]))
                weight[self._ignored[t]].cumsum(axis=0, out=passed[1:])
                scored -= passed[self._ignored_before[t]]
            result[t] = interpolated_precision(weight[right].cumsum(axis=0), scored, positives)
        return result


def average_precisions(matching: Matching) -> np.ndarray:
    """AP of every size, threshold and class, [S, T, C]; NaN for a class without ground truth."""
    once = np.ones((matching.num_images, 1))
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
