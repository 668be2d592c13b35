"""TIDE: how much AP each kind of error costs (Bolya et al. 2020, "TIDE: A General Toolbox for
Identifying Object Detection Errors").

The cost of a kind, dAP, is the AP after all errors of that kind are repaired, and no others, minus
the AP before.  There are two definitions.  *tidecv* is what the published tool of that name
computes.  *corrected*, the default, differs in three points:

- detections of equal score keep their order when errors are repaired (the tool then ranks the wrong
  ones first, which costs AP);
- only classes that have ground truth are averaged (the tool counts a class that is merely detected
  as AP 0);
- dAP may be negative (the tool shows 0 instead).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ladcli.data.coco_json import CocoFile
from ladcli.errors import UserError
from ladcli.evaluate.average_precision import interpolated_precision
from ladcli.evaluate.greedy import UNMATCHED
from ladcli.evaluate.results import Results
from ladcli.evaluate.tide_walk import Errors, Kind, Walk, classify, prepare_walk

Definition = Literal["corrected", "tidecv"]

#: Kinds that are repaired in the detections, by their names.
_OF_DETECTIONS = {
    "Cls": Kind.CLS,
    "Loc": Kind.LOC,
    "Both": Kind.BOTH,
    "Dupe": Kind.DUPE,
    "Bkg": Kind.BKG,
}
MAIN_KINDS = (*_OF_DETECTIONS, "Miss")
SPECIAL_KINDS = ("FalsePos", "FalseNeg")
#: Not `numpy.linspace`: some of its numbers differ in the last bit, and tidecv divides.
_RECALLS = np.arange(101) / 100


@dataclass(frozen=True)
class TideThresholds:
    """IoU from which a detection is right, and up to which it overlaps nothing.

    Raises:
        UserError: not 0 < background < positive <= 1.
    """

    positive: float = 0.5
    background: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.background < self.positive <= 1:
            raise UserError(
                f"TIDE thresholds {self.positive:g}:{self.background:g} are out of range; "
                "choose 0 < BG < POS <= 1, such as 0.5:0.1"
            )


@dataclass(frozen=True)
class TideErrors:
    """Errors at one pair of thresholds.  Points of 100; None where nothing is defined."""

    thresholds: TideThresholds
    ap: float | None
    per_class_ap: dict[str, float]  # of the classes that are averaged
    dap: dict[str, float | None]  # Cls Loc Both Dupe Bkg Miss FalsePos FalseNeg
    counts: dict[str, int]  # Cls Loc Both Dupe Bkg Miss

    def to_json(self) -> dict[str, Any]:
        """One entry of the list ``tide`` in metrics.json."""
        return {
            "pos_threshold": self.thresholds.positive,
            "background_threshold": self.thresholds.background,
            "ap": self.ap,
            "dAP": dict(self.dap),
            "counts": dict(self.counts),
        }


@dataclass(frozen=True)
class TideOptions:
    """What to ask for."""

    thresholds: tuple[TideThresholds, ...] = (TideThresholds(),)
    definition: Definition = "corrected"


@dataclass(frozen=True)
class TideReport:
    """The answer, one entry for each pair of thresholds."""

    definition: Definition
    entries: tuple[TideErrors, ...]

    def to_json(self) -> dict[str, Any]:
        """``{"tide_definition": NAME, "tide": [entries]}`` for metrics.json."""
        return {
            "tide_definition": self.definition,
            "tide": [entry.to_json() for entry in self.entries],
        }


def tide_errors(
    ground_truth: CocoFile, results: Results, options: TideOptions = TideOptions()
) -> TideReport:
    """TIDE's errors of ``results`` at each of the thresholds asked for.

    At most 100 detections count per image, all classes together.  Without any detection every dAP
    is None: there are no errors to weigh against each other, and the tool stops.
    """
    lowest = min(thresholds.background for thresholds in options.thresholds)
    walk = prepare_walk(ground_truth, results, at_least=lowest)
    names, definition = ground_truth.classes.names, options.definition
    entries = (_errors_at(walk, names, chosen, definition) for chosen in options.thresholds)
    return TideReport(definition, tuple(entries))


def _errors_at(
    walk: Walk, names: Sequence[str], thresholds: TideThresholds, definition: Definition
) -> TideErrors:
    errors = classify(walk, thresholds.positive, thresholds.background)
    repairs = _Repairs(walk, errors, len(names), definition)
    per_class = repairs.before()
    counts = {name: int((errors.kind == kind).sum()) for name, kind in _OF_DETECTIONS.items()}
    return TideErrors(
        thresholds=thresholds,
        ap=_mean(per_class),
        per_class_ap={
            name: float(ap) for name, ap in zip(names, per_class, strict=True) if not np.isnan(ap)
        },
        dap=_gains(repairs, definition),
        counts={**counts, "Miss": int(errors.gt_missed.sum())},
    )


def _gains(repairs: _Repairs, definition: Definition) -> dict[str, float | None]:
    """dAP of every kind."""
    after = {
        **{name: repairs.of_detections(kind) for name, kind in _OF_DETECTIONS.items()},
        "Miss": repairs.of_missed(),
        "FalsePos": repairs.of_false_positives(),
        "FalseNeg": repairs.of_false_negatives(),
    }
    before = _mean(repairs.before())
    gains: dict[str, float | None] = {}
    for name, per_class in after.items():
        ap = _mean(per_class)
        if repairs.nothing_detected or ap is None or before is None:
            gains[name] = None
        elif definition == "tidecv" and name in MAIN_KINDS:
            gains[name] = max(ap - before, 0.0)
        else:
            gains[name] = ap - before
    return gains


def _mean(per_class: np.ndarray) -> float | None:
    """Mean of AP [C] over the classes that have one (the others are NaN)."""
    defined = per_class[~np.isnan(per_class)]
    return float(defined.mean()) if len(defined) else None


class _Repairs:
    """AP of every class, [C] in points, after this or that repair; NaN for one that has none."""

    def __init__(
        self, walk: Walk, errors: Errors, num_classes: int, definition: Definition
    ) -> None:
        self._walk, self._errors = walk, errors
        self._num_classes, self._definition = num_classes, definition
        self._positives = self._per_class(np.ones(len(walk.gt_label), dtype=bool))
        self._scored = ~errors.ignored
        self._by_score = np.argsort(-walk.score, kind="stable")
        self._repaired_order = self._by_score
        if definition == "tidecv":
            self._repaired_order = np.lexsort((errors.right, -walk.score))
        self.nothing_detected = len(walk.label) == 0

    def before(self) -> np.ndarray:
        """AP as it is."""
        rows = self._by_score[self._scored[self._by_score]]
        return self._average_precision(rows)

    def of_detections(self, kind: Kind) -> np.ndarray:
        """AP without the errors of ``kind``: what can become right does, the rest is removed."""
        own = self._errors.kind == kind
        repaired = own & (self._errors.target != UNMATCHED)
        label = self._walk.label.copy()
        label[repaired] = self._walk.gt_label[self._errors.target[repaired]]
        # Also what is ignored can be repaired, and is scored from then on.
        keep = np.where(own, repaired, self._scored)
        rows = self._repaired_order[keep[self._repaired_order]]
        return self._average_precision(rows, label=label, right=self._errors.right | repaired)

    def of_missed(self) -> np.ndarray:
        """AP if what no detection comes near were no ground truth."""
        return self._without(self._errors.gt_missed)

    def of_false_negatives(self) -> np.ndarray:
        """AP if nothing that is not found were ground truth."""
        return self._without(~self._errors.gt_found)

    def of_false_positives(self) -> np.ndarray:
        """AP if all that is right had score 1, and all that is wrong score 0."""
        rows = self._repaired_order[self._scored[self._repaired_order]]
        return self._average_precision(rows[np.argsort(~self._errors.right[rows], kind="stable")])

    def _without(self, gt: np.ndarray) -> np.ndarray:
        """AP if boxes ``gt`` [G] did not exist."""
        rows = self._repaired_order[self._scored[self._repaired_order]]
        return self._average_precision(rows, positives=self._positives - self._per_class(gt))

    def _per_class(self, gt: np.ndarray) -> np.ndarray:
        """[C] int64, how many of the boxes ``gt`` [G] each class has."""
        return np.bincount(self._walk.gt_label[gt], minlength=self._num_classes)

    def _average_precision(
        self,
        rows: np.ndarray,
        *,
        label: np.ndarray | None = None,
        right: np.ndarray | None = None,
        positives: np.ndarray | None = None,
    ) -> np.ndarray:
        """AP [C] of detections ``rows``, best first; by default as they are."""
        label = (self._walk.label if label is None else label)[rows]
        right = (self._errors.right if right is None else right)[rows]
        positives = self._positives if positives is None else positives
        detected = np.bincount(label, minlength=self._num_classes)
        # A small type lets numpy sort by counting.
        by_class = np.argsort(label.astype(np.min_scalar_type(self._num_classes)), kind="stable")
        result = np.zeros(self._num_classes)
        for c, own in enumerate(np.split(right[by_class], np.cumsum(detected)[:-1])):
            if positives[c]:
                place = np.flatnonzero(own) + 1
                found = np.arange(1, len(place) + 1)
                result[c] = 100 * interpolated_precision(found, place, positives[c], _RECALLS)
        # A class without ground truth and detections has no AP; after Miss or FalseNeg is repaired
        # that is also so for one that had ground truth and no detection.
        averaged = (positives > 0) | (detected > 0)
        if self._definition == "corrected":
            averaged &= self._positives > 0
        return np.where(averaged, result, np.nan)
