"""Precision at every recall, the curves whose mean is AP."""

from __future__ import annotations

import numpy as np

from ladcli.evaluate.average_precision import RECALLS
from ladcli.evaluate.matching import IGNORED, RIGHT, Matching


def precision_curves(matching: Matching, threshold: int) -> np.ndarray:
    """Best precision at each of the 101 recalls or a higher one, as the COCO protocol reads it.

    Args:
        matching: of all objects, whatever their size.
        threshold: position in `IOU_THRESHOLDS`.

    Returns:
        [C, 101] in [0, 1]; NaN for a class without ground truth.  The mean of a row is the AP of
        its class at this threshold.
    """
    positives = matching.positives()[0]
    curves = np.full((len(matching.classes), len(RECALLS)), np.nan)
    for c in np.flatnonzero(positives):
        own = slice(*matching.class_start[c : c + 2].tolist())
        verdict = matching.verdict[0, threshold, own]
        right = verdict[verdict != IGNORED] == RIGHT
        curves[c] = _interpolated(right, int(positives[c]))
    return curves


def _interpolated(right: np.ndarray, positives: int) -> np.ndarray:
    """[101] precision of detections ``right`` [K] bool, best score first."""
    found = right.cumsum()
    precision = found / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(found / positives, RECALLS, side="left")
    return np.append(best, 0.0)[place]


def mean_curve(curves: np.ndarray) -> np.ndarray:
    """[101] mean over the classes of ``curves`` [C, 101] that have ground truth; NaN for none."""
    defined = curves[~np.isnan(curves).any(axis=1)]
    return defined.mean(axis=0) if len(defined) else np.full(curves.shape[1], np.nan)
