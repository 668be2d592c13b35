"""AP after each kind of TIDE's errors is repaired, for images that count any number of times.

As in `average_precision`, a weight per image stands for that many copies of it: detections are
sorted once, for `lad eval` and for every resample of a comparison alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ladcli.evaluate.average_precision import interpolated_precision, mean_of_defined
from ladcli.evaluate.greedy import UNMATCHED
from ladcli.evaluate.tide_walk import Errors, Kind, Walk
from ladcli.runs.tide_numbers import Definition

#: Kinds that are repaired in the detections, by their names.
OF_DETECTIONS = {
    "Cls": Kind.CLS,
    "Loc": Kind.LOC,
    "Both": Kind.BOTH,
    "Dupe": Kind.DUPE,
    "Bkg": Kind.BKG,
}
MAIN_KINDS = (*OF_DETECTIONS, "Miss")
SPECIAL_KINDS = ("FalsePos", "FalseNeg")
ALL_KINDS = (*MAIN_KINDS, *SPECIAL_KINDS)
#: Not `numpy.linspace`: some of its numbers differ in the last bit, and tidecv divides.
_RECALLS = np.arange(101) / 100


class Repairs:
    """What repairs would gain.  N images, B weightings, C classes; points of 100."""

    def __init__(
        self, walk: Walk, errors: Errors, num_classes: int, definition: Definition
    ) -> None:
        lists = _listings(walk, errors, num_classes, definition)
        self.classes = [
            ClassRepairs(walk, errors, lists, class_row, definition)
            for class_row in range(num_classes)
        ]
        self._with_detections = np.unique(walk.image)
        self._clipped = len(MAIN_KINDS) if definition == "tidecv" else 0

    def gains(self, per_class: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """dAP of `ALL_KINDS`, [8, B]; NaN where nothing is detected, or there is no ground truth.

        Args:
            per_class: [9, C, B], from `ClassRepairs.average_precision` of every class.
            weights: [N, B], the weights that this is of.
        """
        ap = mean_of_defined(per_class, axis=1)
        gains = ap[1:] - ap[0]
        gains[: self._clipped] = np.maximum(gains[: self._clipped], 0)
        detected = weights[self._with_detections].any(axis=0)
        return np.where(detected, gains, np.nan)


class ClassRepairs:
    """One class's AP as it is, and after each repair."""

    def __init__(
        self,
        walk: Walk,
        errors: Errors,
        lists: _Listings,
        class_row: int,
        definition: Definition,
    ) -> None:
        self._before = _Ranked(lists.before, class_row)
        self._repaired = [_Ranked(listing, class_row) for listing in lists.of_detections]
        # Miss and FalseNeg change the ground truth alone, FalsePos the order alone.
        self._reordered = _Ranked(lists.reordered, class_row)
        self._right_first = _Ranked(lists.right_first, class_row)
        own = walk.gt_label == class_row
        self._gt_image = walk.gt_image[own]
        self._near_image = walk.gt_image[own & ~errors.gt_missed]
        self._found_image = walk.gt_image[own & errors.gt_found]
        self._needs_ground_truth = definition == "corrected"
        self.num_right = max(ranked.num_right for ranked in (self._before, *self._repaired))

    def average_precision(self, weights: np.ndarray) -> np.ndarray:
        """AP as it is and after the repair of each of `ALL_KINDS`, [9, B]; NaN where there is none.

        A class without ground truth and detections has no AP; after Miss or FalseNeg is repaired
        that is also so for one that had ground truth and no detection.

        Args:
            weights: [N, B] float64, whole numbers, how often each image counts.
        """
        total, near, found = (
            weights[image].sum(axis=0)
            for image in (self._gt_image, self._near_image, self._found_image)
        )
        repaired = [
            (self._before, total),
            *((ranked, total) for ranked in self._repaired),
            (self._reordered, near),
            (self._right_first, total),
            (self._reordered, found),
        ]
        result = np.stack([ranked.average_precision(weights, of) for ranked, of in repaired])
        return np.where(total > 0, result, np.nan) if self._needs_ground_truth else result


@dataclass(frozen=True, eq=False)
class _Listing:
    """Detections that are scored, class after class, each class's best first.  L detections."""

    class_start: np.ndarray  # [C + 1] int64
    image: np.ndarray  # [L] int64
    right: np.ndarray  # [L] bool


@dataclass(frozen=True, eq=False)
class _Listings:
    """All the lists that AP is computed of."""

    before: _Listing
    of_detections: list[_Listing]  # beside `OF_DETECTIONS`
    reordered: _Listing  # nothing repaired, in the order that the definition gives repaired lists
    right_first: _Listing  # as if all that is right had score 1, and all that is wrong score 0


class _Ranked:
    """A class's part of a listing."""

    def __init__(self, listing: _Listing, class_row: int) -> None:
        own = slice(*listing.class_start[class_row : class_row + 2].tolist())
        self._right = np.flatnonzero(listing.right[own])
        self.num_right = len(self._right)
        image = listing.image[own]
        self._with_detections = np.unique(image)
        # Below the last right detection nothing matters.
        self._image = image[: self._right[-1] + 1 if self.num_right else 0]

    def average_precision(self, weights: np.ndarray, positives: np.ndarray) -> np.ndarray:
        """AP [B] in points; 0 with detections and no ``positives`` [B], NaN without either."""
        weight = weights[self._image]
        scored = weight.cumsum(axis=0)[self._right]
        found = weight[self._right].cumsum(axis=0)
        ap = 100 * interpolated_precision(found, scored, positives, _RECALLS)
        detected = weights[self._with_detections].any(axis=0)
        return np.where((positives == 0) & detected, 0.0, ap)


def _listings(walk: Walk, errors: Errors, num_classes: int, definition: Definition) -> _Listings:
    by_score = np.argsort(-walk.score, kind="stable")
    order = by_score if definition == "corrected" else np.lexsort((errors.right, -walk.score))
    scored = ~errors.ignored

    def listing(rows: np.ndarray, label: np.ndarray, right: np.ndarray) -> _Listing:
        # A small type lets numpy sort by counting.
        by_class = np.argsort(label[rows].astype(np.min_scalar_type(num_classes)), kind="stable")
        detected = np.bincount(label[rows], minlength=num_classes)
        rows = rows[by_class]
        return _Listing(np.append(0, detected.cumsum()), walk.image[rows], right[rows])

    def without(kind: Kind) -> _Listing:
        """Without the errors of ``kind``: what can become right does, the rest is removed."""
        own = errors.kind == kind
        repaired = own & (errors.target != UNMATCHED)
        label = walk.label.copy()
        label[repaired] = walk.gt_label[errors.target[repaired]]
        # Also what is ignored can be repaired, and is scored from then on.
        keep = np.where(own, repaired, scored)
        return listing(order[keep[order]], label, errors.right | repaired)

    kept = order[scored[order]]
    reordered = listing(kept, walk.label, errors.right)
    return _Listings(
        before=listing(by_score[scored[by_score]], walk.label, errors.right)
        if definition == "tidecv"
        else reordered,
        of_detections=[without(kind) for kind in OF_DETECTIONS.values()],
        reordered=reordered,
        right_first=listing(
            kept[np.argsort(~errors.right[kept], kind="stable")], walk.label, errors.right
        ),
    )
