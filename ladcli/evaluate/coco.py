"""The numbers of the COCO protocol, by their names.

Numbers are shares of 1.  AP averages the IoU thresholds .50:.05:.95; s, m and l are objects with
an area below 32², up to 96², and beyond; AR1, AR10 and AR100 are recalls with that many detections
per image and class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.average_precision import average_precisions, recalls
from ladcli.evaluate.matching import Matching, match
from ladcli.evaluate.results import Results

#: Names of the twelve numbers, in the order of pycocotools.
STATS = (
    "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl",
)  # fmt: skip
#: Positions among thresholds (.50 and .75) and among sizes.
IOU_50, IOU_75 = 0, 5
_ALL, _SMALL, _MEDIUM, _LARGE = range(4)


@dataclass(frozen=True)
class CocoMetrics:
    """What COCO's protocol says of a set of detections; None where nothing is defined."""

    #: those of `STATS`, in this order
    stats: dict[str, float | None]
    #: AP AP50 AP75 APs APm APl AR100 by class name, in the order of the class table
    per_class: dict[str, dict[str, float | None]]

    def to_json(self) -> dict[str, Any]:
        """``{"coco": {"stats": [12 numbers or None], "per_class": {…}}}`` for metrics.json."""
        return {
            "coco": {
                "stats": list(self.stats.values()),
                "per_class": {name: dict(values) for name, values in self.per_class.items()},
            }
        }


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
