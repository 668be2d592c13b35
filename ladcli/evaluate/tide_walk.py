"""What kind of error each detection is, by TIDE (Bolya et al. 2020, section 2 and appendix B).

TIDE walks down the scores of each image with all classes together.  What depends on no threshold
(the order, the overlaps) is prepared once, so that further thresholds are cheap.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.greedy import UNMATCHED, match_greedily
from ladcli.evaluate.overlaps import Pairs, find_pairs
from ladcli.evaluate.results import Results, rows_in

#: Detections that count per image, all classes together.
MAX_DETECTIONS = 100


class Kind(IntEnum):
    """Why a detection is wrong."""

    NONE = 0  # it is right
    CLS = 1  # well placed, wrong class
    LOC = 2  # right class, badly placed
    BOTH = 3  # wrong class and badly placed
    DUPE = 4  # a better detection has taken the object
    BKG = 5  # nothing is there


@dataclass(frozen=True, eq=False)
class Walk:
    """Detections in TIDE's order, beside what they overlap.  D detections that count, G boxes.

    Images come as in the file, the detections of an image from the best score down.  Crowd
    regions are not among the G boxes.
    """

    num_images: int
    image: np.ndarray  # [D] int64, position of the image among ascending ids
    label: np.ndarray  # [D] int64
    score: np.ndarray  # [D] float64
    in_empty_image: np.ndarray  # [D] bool, no box in the image
    covered: np.ndarray  # [D] float64, largest share inside one crowd region of the class
    gt_label: np.ndarray  # [G] int64
    gt_image: np.ndarray  # [G] int64, as ``image``
    same: Pairs  # of one class, by detection and falling IoU, earlier boxes first
    other: Pairs  # of different classes, likewise


@dataclass(frozen=True, eq=False)
class Errors:
    """What a walk finds at one pair of thresholds."""

    right: np.ndarray  # [D] bool
    ignored: np.ndarray  # [D] bool, wrong but over a crowd region: not scored
    kind: np.ndarray  # [D] uint8, of `Kind`
    target: np.ndarray  # [D] int64, box that the repair makes this detection find, or UNMATCHED
    gt_found: np.ndarray  # [G] bool
    gt_missed: np.ndarray  # [G] bool, not found, and no repair of a detection would find it


def prepare_walk(ground_truth: CocoFile, results: Results, *, at_least: float) -> Walk:
    """Order the detections and find what they overlap.

    Args:
        at_least: smallest IoU that is of interest, above 0.
    """
    image, label = rows_in(ground_truth, results)
    order = _best_of_images(image, results.scores)
    image, label, boxes = image[order], label[order], results.boxes[order]
    crowd = ground_truth.crowd
    gt_image, gt_label = ground_truth.image_row[~crowd], ground_truth.class_row[~crowd]
    pairs = find_pairs(
        image,
        boxes,
        gt_image,
        ground_truth.boxes[~crowd],
        crowd=crowd[~crowd],
        at_least=at_least,
    )
    pairs = pairs.where(np.lexsort((-pairs.iou, pairs.det)))
    same = label[pairs.det] == gt_label[pairs.gt]
    num_classes = len(ground_truth.classes)
    over_crowd = find_pairs(
        image * num_classes + label,
        boxes,
        ground_truth.image_row[crowd] * num_classes + ground_truth.class_row[crowd],
        ground_truth.boxes[crowd],
        crowd=crowd[crowd],
        at_least=at_least,
    )
    covered = np.zeros(len(order))
    np.maximum.at(covered, over_crowd.det, over_crowd.iou)
    place = np.argsort(np.argsort(ground_truth.image_ids))
    return Walk(
        num_images=len(place),
        image=place[image],
        label=label,
        score=results.scores[order],
        in_empty_image=~np.isin(image, gt_image),
        covered=covered,
        gt_label=gt_label,
        gt_image=place[gt_image],
        same=pairs.where(same),
        other=pairs.where(~same),
    )


def _best_of_images(image: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Detections that count in the order of `Walk`, [D'] int64."""
    order = np.lexsort((-scores, image))
    in_order = image[order]
    rank = np.arange(len(order)) - np.searchsorted(in_order, in_order)
    return order[rank < MAX_DETECTIONS]


def classify(walk: Walk, positive: float, background: float) -> Errors:
    """Sort the wrong detections into kinds; the first that fits is taken (appendix B).

    Args:
        walk: prepared for overlaps of at least ``background``.
        positive: IoU from which a detection is right.
        background: IoU up to which a detection overlaps nothing, above 0, below ``positive``.
    """
    num_det, num_gt = len(walk.label), len(walk.gt_label)
    close = walk.same.iou >= positive
    taken = match_greedily(
        walk.same.det[close],
        walk.same.gt[close],
        num_det=num_det,
        shared=np.zeros(num_gt, dtype=bool),
    )
    right = taken != UNMATCHED
    same_gt, same_iou = _closest(walk.same, num_det)
    other_gt, other_iou = _closest(walk.other, num_det)
    kind = np.select(
        [
            right,
            walk.in_empty_image,
            (background <= same_iou) & (same_iou <= positive),
            other_iou >= positive,
            same_iou >= positive,  # not right, so that box is taken
            np.maximum(same_iou, other_iou) <= background,
        ],
        [Kind.NONE, Kind.BKG, Kind.LOC, Kind.CLS, Kind.DUPE, Kind.BKG],
        default=Kind.BOTH,
    ).astype(np.uint8)
    found = np.zeros(num_gt, dtype=bool)
    found[taken[right]] = True
    claim = np.select([kind == Kind.LOC, kind == Kind.CLS], [same_gt, other_gt], UNMATCHED)
    target, claimed = _settle_claims(claim, found)
    return Errors(
        right=right,
        ignored=~right & (walk.covered > positive),
        kind=kind,
        target=target,
        gt_found=found,
        gt_missed=~found & ~claimed,
    )


def _closest(pairs: Pairs, num_det: int) -> tuple[np.ndarray, np.ndarray]:
    """Box of largest IoU of every detection, [D] int64 or UNMATCHED, and that IoU, [D] or 0."""
    first = np.flatnonzero(np.diff(pairs.det, prepend=-1))
    gt, iou = np.full(num_det, UNMATCHED), np.zeros(num_det)
    gt[pairs.det[first]] = pairs.gt[first]
    iou[pairs.det[first]] = pairs.iou[first]
    return gt, iou


def _settle_claims(claim: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give each box that was not found to the first detection that claims it.

    Args:
        claim: [D] int64, box that a repair would let the detection find, or UNMATCHED.
        found: [G] bool.

    Returns:
        The claims that hold, [D] int64 or UNMATCHED, and which boxes anybody claims, [G] bool.
    """
    claimants = np.flatnonzero(claim != UNMATCHED)
    claimants = claimants[~found[claim[claimants]]]
    boxes, first = np.unique(claim[claimants], return_index=True)
    target = np.full(len(claim), UNMATCHED)
    target[claimants[first]] = boxes
    return target, np.isin(np.arange(len(found)), boxes)
