"""Which detections are right and which objects are found, as a user sees them: from a score on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ladcli.evaluate.greedy import UNMATCHED, match_greedily
from ladcli.evaluate.measured import MeasuredRun, Truth
from ladcli.evaluate.overlaps import find_pairs
from ladcli.evaluate.results import rows_in
from ladcli.evaluate.thresholds import VALIDATION, describe_thresholds, least_scores
from ladcli.runs.score_thresholds import DEFAULT_SCORE, ScoreThresholds

MIN_IOU = 0.5


@dataclass(frozen=True, eq=False)
class Judged:
    """Detections of at least the score of their class beside the ground truth.

    Those below are not looked at: a user would not see them either.  D detections, G boxes.
    """

    image: np.ndarray  # [D] int64, row of the image
    label: np.ndarray  # [D] int64
    score: np.ndarray  # [D] float64, falling
    boxes: np.ndarray  # [D, 4] x, y, width, height
    right: np.ndarray  # [D] bool
    ignored: np.ndarray  # [D] bool, over a crowd region
    found: np.ndarray  # [G] bool; of crowd regions it means nothing
    num_all: int  # detections with those below
    thresholds: ScoreThresholds | None  # where the scores come from; None: `DEFAULT_SCORE` of all

    def shown(self) -> str:
        """How many of the detections are looked at, and from which score on."""
        count = f"{len(self.score):,} of {self.num_all:,} detections"
        if self.thresholds is not None:
            told = describe_thresholds(self.thresholds)
            return f"{count}, those of at least the score of best F1 on {VALIDATION} ({told})"
        return (
            f"{count}, those with a score of at least {DEFAULT_SCORE:g} (no scores of best F1 are "
            f"stored; lad eval --split {VALIDATION} stores them)"
        )


@dataclass(frozen=True)
class ImageLoss:
    """What is lost in one image."""

    row: int  # of the ground truth's images
    missed: int
    false: int
    found: int

    @property
    def share(self) -> float:
        """1 − F1: the share of objects and detections that have no partner, in [0, 1]."""
        lost = self.missed + self.false
        return lost / max(lost + 2 * self.found, 1)


def judge(result: MeasuredRun) -> Judged:
    """Match confident detections to objects of their class by IoU 0.5, as COCO does.

    Args:
        result: with ground truth and detections.
    """
    assert result.truth is not None
    assert result.detections is not None
    told, results = result.truth.annotations, result.detections
    image, label = rows_in(told, results)
    order = np.argsort(-results.scores, kind="stable")
    least = least_scores(result.thresholds, told.classes.names)
    order = order[results.scores[order] >= least[label[order]]]
    image, label, boxes = image[order], label[order], results.boxes[order]
    num_classes = len(told.classes)
    pairs = find_pairs(
        image * num_classes + label,
        boxes,
        told.image_row * num_classes + told.class_row,
        told.boxes,
        crowd=told.crowd,
        at_least=MIN_IOU,
    )
    # The favorite first: objects before crowd regions, then by IoU, then the later one.
    pairs = pairs.where(np.lexsort((-pairs.gt, -pairs.iou, told.crowd[pairs.gt], pairs.det)))
    taken = match_greedily(pairs.det, pairs.gt, num_det=len(order), shared=told.crowd)
    matched = taken != UNMATCHED
    ignored = matched & np.append(told.crowd, False)[taken]  # UNMATCHED reads the last
    found = np.zeros(len(told.boxes), dtype=bool)
    found[taken[matched]] = True
    return Judged(
        image,
        label,
        results.scores[order],
        boxes,
        matched & ~ignored,
        ignored,
        found,
        len(results),
        result.thresholds,
    )


def image_losses(truth: Truth, judged: Judged) -> list[ImageLoss]:
    """What is lost in each image, in the order of the ground truth's images."""
    told = truth.annotations
    num = len(told.image_ids)
    objects = ~told.crowd
    missed = np.bincount(told.image_row[objects & ~judged.found], minlength=num)
    false = np.bincount(judged.image[~judged.right & ~judged.ignored], minlength=num)
    found = np.bincount(judged.image[judged.right], minlength=num)
    counts = zip(missed.tolist(), false.tolist(), found.tolist(), strict=True)
    return [ImageLoss(row, *of_image) for row, of_image in enumerate(counts)]
