"""The score from which detections are shown: the one of best F1 on a validation set.

F1 = 2 right / (2 right + wrong + missed), at IoU 0.5, over all images at once; what is ignored
(over crowd regions) counts nowhere.  A threshold is chosen per class, and one for all classes
together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ladcli.evaluate.coco import IOU_50
from ladcli.evaluate.matching import IGNORED, RIGHT, Matching
from ladcli.runs.score_thresholds import DEFAULT_SCORE, ScoreThresholds, Threshold

#: The set that thresholds are derived on; never the one that results are reported on.
VALIDATION = "val"
_ALL_SIZES = 0
#: Classes that a sentence names; of more it gives the range.
_NAMED = 6


def score_thresholds(matching: Matching) -> ScoreThresholds:
    """The thresholds of best F1.

    A class without ground truth, or without a single right detection, takes the threshold of all
    classes together, in which every detection and object counts once; where that has no right
    detection either, all take `DEFAULT_SCORE`.
    """
    verdict = matching.verdict[_ALL_SIZES, IOU_50]
    counts, right = verdict != IGNORED, verdict == RIGHT
    positives = matching.positives()[_ALL_SIZES]
    overall = _of_best_f1(
        matching.score[counts], right[counts], int(positives.sum()), instead=DEFAULT_SCORE
    )
    per_class = {}
    for c, name in enumerate(matching.classes.names):
        own = slice(*matching.class_start[c : c + 2].tolist())
        score, kept = matching.score[own], counts[own]
        per_class[name] = _of_best_f1(
            score[kept], right[own][kept], int(positives[c]), instead=overall.score
        )
    return ScoreThresholds(overall, per_class)


def _of_best_f1(
    scores: np.ndarray, right: np.ndarray, positives: int, *, instead: float
) -> Threshold:
    """The threshold of best F1 of some detections.

    Equal scores are in or out together.  Of cuts that are equally good the highest is taken, which
    shows least.  The threshold lies halfway between the lowest score inside and the next one below:
    on other images it is no worse a guess than any other point of that gap, and hangs less on one
    detection.  Where nothing lies below, it is the lowest score itself.

    Args:
        scores: [D] float64, in any order.
        right: [D] bool, beside them.
        positives: ground truth that must be found.
        instead: the score where there is no right detection or no ground truth.
    """
    if not positives or not right.any():
        return Threshold(instead, 0.0 if positives else None)
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], right[order]
    last = np.flatnonzero(np.append(scores[1:] < scores[:-1], True))  # of its equals
    # Both counts are whole, so that equal F1 are equal numbers.
    f1 = 2 * right.cumsum()[last] / (last + 1 + positives)
    best = int(f1.argmax())  # the first, and so the highest score
    inside = float(scores[last[best]])
    below = float(scores[last[best + 1]]) if best + 1 < len(last) else inside
    between = (inside + below) / 2
    # Between neighboring numbers there is none.
    return Threshold(between if between > below else inside, float(f1[best]))


def least_scores(thresholds: ScoreThresholds | None, names: Sequence[str]) -> np.ndarray:
    """The score from which detections of each class are shown, [C] float64.

    Args:
        thresholds: None where there are none; then it is `DEFAULT_SCORE`.
        names: of the classes; one that the thresholds lack takes that of all together.
    """
    if thresholds is None:
        return np.full(len(names), DEFAULT_SCORE)
    found = (thresholds.per_class.get(name, thresholds.overall) for name in names)
    return np.array([one.score for one in found], dtype=np.float64)


def describe_thresholds(thresholds: ScoreThresholds) -> str:
    """``RBC 0.52, WBC 0.61``; of many classes the range, with the score of all together."""
    shown: Mapping[str, Threshold] = thresholds.per_class
    if len(shown) <= _NAMED:
        return ", ".join(f"{name} {one.score:.2f}" for name, one in shown.items())
    scores = [one.score for one in shown.values()]
    return (
        f"{min(scores):.2f} to {max(scores):.2f} by class, "
        f"{thresholds.overall.score:.2f} for all {len(shown)} together"
    )
