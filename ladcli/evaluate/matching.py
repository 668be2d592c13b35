"""COCO's matching of detections to ground truth, done once for everything that is read from it.

Average precision, and its intervals over resampled images, only need to know of every detection
whether it is right, wrong or ignored; overlaps and boxes are no longer needed then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ladcli.classes import ClassTable
from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.greedy import UNMATCHED, match_greedily
from ladcli.evaluate.overlaps import Pairs, find_pairs
from ladcli.evaluate.results import Results, rows_in

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
#: Object sizes: limits of the area in square pixels, both included.
SIZES = {
    "all": (0.0, 1e5**2),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e5**2),
}
#: Detections that count per image and class.
MAX_DETECTIONS = 100

WRONG, RIGHT, IGNORED = range(3)


@dataclass(frozen=True, eq=False)
class Matching:
    """Which detections are right.  S sizes, T thresholds, D detections that count, G boxes.

    Detections come class after class, from the best score down; equal scores by ascending image
    id, then in the order of the file.
    """

    classes: ClassTable
    num_images: int
    class_start: np.ndarray  # [C + 1] int64, class c has detections class_start[c:c + 2]
    image: np.ndarray  # [D] int64, position of the image among ascending ids
    rank: np.ndarray  # [D] int64, better detections of the same image and class
    score: np.ndarray  # [D] float64
    verdict: np.ndarray  # [S, T, D] uint8: WRONG, RIGHT or IGNORED
    gt_class: np.ndarray  # [G] int64
    gt_image: np.ndarray  # [G] int64, as ``image``
    gt_counts: np.ndarray  # [S, G] bool, must be found: no crowd region, and of this size

    def positives(self) -> np.ndarray:
        """[S, C] int64, ground truth that must be found."""
        return np.stack(
            [np.bincount(self.gt_class[of], minlength=len(self.classes)) for of in self.gt_counts]
        )


def match(ground_truth: CocoFile, results: Results) -> Matching:
    """Match ``results`` to ``ground_truth`` as pycocotools does, for all thresholds and sizes.

    A detection takes the free ground truth of its class and image that it overlaps most (the
    later one of equals).  Ground truth that counts goes before crowd regions and other sizes.
    """
    place = np.argsort(np.argsort(ground_truth.image_ids))
    image_row, class_row = rows_in(ground_truth, results)
    image = place[image_row]
    order, rank = _ranked(image, class_row, results.scores)
    image, class_row, boxes = image[order], class_row[order], results.boxes[order]
    num_classes = len(ground_truth.classes)
    gt_image = place[ground_truth.image_row]
    pairs = find_pairs(
        image * num_classes + class_row,
        boxes,
        gt_image * num_classes + ground_truth.class_row,
        ground_truth.boxes,
        crowd=ground_truth.crowd,
        at_least=IOU_THRESHOLDS[0],
    )
    gt_counts = _of_sizes(ground_truth.area) & ~ground_truth.crowd
    return Matching(
        classes=ground_truth.classes,
        num_images=len(place),
        class_start=np.searchsorted(class_row, np.arange(num_classes + 1)),
        image=image,
        rank=rank,
        score=results.scores[order],
        verdict=_verdicts(
            pairs, _of_sizes(boxes[:, 2] * boxes[:, 3]), gt_counts, ground_truth.crowd
        ),
        gt_class=ground_truth.class_row,
        gt_image=gt_image,
        gt_counts=gt_counts,
    )


def _ranked(
    image: np.ndarray, class_row: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Detections that count in the order of `Matching`, [D'] int64, and the rank of each."""
    order = np.lexsort((-scores, image, class_row))
    group = np.stack([image, class_row])[:, order]
    first = np.diff(group, prepend=-1).any(axis=0)  # of its image and class
    position = np.arange(len(order))
    rank = position - np.maximum.accumulate(np.where(first, position, 0))
    counts = rank < MAX_DETECTIONS
    order, rank = order[counts], rank[counts]
    by_score = np.lexsort((-scores[order], class_row[order]))  # stable: ties stay by image
    return order[by_score], rank[by_score]


def _of_sizes(area: np.ndarray) -> np.ndarray:
    """Whether ``area`` [M] is of each size, [S, M] bool."""
    return np.stack([(area >= low) & (area <= high) for low, high in SIZES.values()])


def _verdicts(
    pairs: Pairs, det_of_size: np.ndarray, gt_counts: np.ndarray, crowd: np.ndarray
) -> np.ndarray:
    """`Matching.verdict` from pairs of a common image and class.

    Args:
        det_of_size: [S, D] bool.
        gt_counts: [S, G] bool, as in `Matching`.
        crowd: [G] bool.
    """
    num_det = det_of_size.shape[1]
    verdict = np.empty((len(SIZES), len(IOU_THRESHOLDS), num_det), dtype=np.uint8)
    pairs = pairs.where(np.lexsort((-pairs.gt, -pairs.iou, pairs.det)))
    for size, counts in enumerate(gt_counts):
        # A detection's favorite comes first: ground truth that counts, then the larger overlap.
        favored = pairs.where(np.argsort(2 * pairs.det + ~counts[pairs.gt], kind="stable"))
        unmatched = np.where(det_of_size[size], WRONG, IGNORED)
        matched = np.where(counts, RIGHT, IGNORED)
        for t, threshold in enumerate(IOU_THRESHOLDS):
            close = favored.iou >= threshold
            taken = match_greedily(
                favored.det[close], favored.gt[close], num_det=num_det, shared=crowd
            )
            verdict[size, t] = unmatched
            found = taken != UNMATCHED
            verdict[size, t, found] = matched[taken[found]]
    return verdict
