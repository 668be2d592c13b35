"""The numbers of the COCO protocol, of detections that were matched."""

from __future__ import annotations

import numpy as np

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.average_precision import average_precisions, recalls
from ladcli.evaluate.matching import Matching, match
from ladcli.evaluate.results import Results
from ladcli.runs.coco_numbers import CocoMetrics

#: Positions among thresholds (.50 and .75) and among sizes.
IOU_50, IOU_75 = 0, 5
_ALL, _SMALL, _MEDIUM, _LARGE = range(4)


def coco_metrics(ground_truth: CocoFile, results: Results) -> CocoMetrics:
    """Score ``results`` against ``ground_truth``.

    Crowd regions are ignored as pycocotools does: they may take any number of detections, by
    their boxes, and are never missed.  Without detections all numbers are 0; where there is no
    ground truth they are None.  Class names are taken to be unique, as `read_coco` demands.
    """
    return metrics_of(match(ground_truth, results))


def metrics_of(matching: Matching) -> CocoMetrics:
    """The numbers that a matching gives."""
    precision = average_precisions(matching)
    recall = recalls(matching, limit=100)
    return CocoMetrics(
        stats={
            **_precision_numbers(precision),
            "AR1": _mean(recalls(matching, limit=1)[_ALL]),
            "AR10": _mean(recalls(matching, limit=10)[_ALL]),
            "AR100": _mean(recall[_ALL]),
            "ARs": _mean(recall[_SMALL]),
            "ARm": _mean(recall[_MEDIUM]),
            "ARl": _mean(recall[_LARGE]),
        },
        per_class={
            name: {**_precision_numbers(precision[..., c]), "AR100": _mean(recall[_ALL, :, c])}
            for c, name in enumerate(matching.classes.names)
        },
    )


def _precision_numbers(precision: np.ndarray) -> dict[str, float | None]:
    """The six AP numbers of ``precision`` [sizes, thresholds, ...]."""
    return {
        "AP": _mean(precision[_ALL]),
        "AP50": _mean(precision[_ALL, IOU_50]),
        "AP75": _mean(precision[_ALL, IOU_75]),
        "APs": _mean(precision[_SMALL]),
        "APm": _mean(precision[_MEDIUM]),
        "APl": _mean(precision[_LARGE]),
    }


def _mean(values: np.ndarray) -> float | None:
    """Mean of the defined values (the others are NaN), None where there are none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else None
