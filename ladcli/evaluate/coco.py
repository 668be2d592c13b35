"""Average precision by the COCO protocol; pycocotools stays behind `coco_metrics`.

Numbers are shares of 1.  AP averages the IoU thresholds .50:.05:.95; s, m and l are objects with
an area below 32², up to 96², and beyond; AR1, AR10 and AR100 are recalls with that many detections
per image and class.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.results import Results

#: Positions on pycocotools' axes: thresholds .50 and .75, object sizes, limits of detections.
_IOU_50, _IOU_75 = 0, 5
_ALL, _SMALL, _MEDIUM, _LARGE = range(4)
_FIRST_1, _FIRST_10, _FIRST_100 = range(3)


@dataclass(frozen=True)
class CocoMetrics:
    """What COCO's protocol says of a set of detections; None where nothing is defined."""

    #: AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl, in this order
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
    precision, recall = _curves(ground_truth, results)
    return CocoMetrics(
        stats=_stats(precision, recall),
        per_class={
            name: _class_stats(precision[:, :, k], recall[:, k])
            for k, name in enumerate(ground_truth.classes.names)
        },
    )


def _stats(precision: np.ndarray, recall: np.ndarray) -> dict[str, float | None]:
    """The twelve numbers from curves as of `_curves`."""
    return {
        **_average_precisions(precision),
        "AR1": _mean(recall[:, :, _ALL, _FIRST_1]),
        "AR10": _mean(recall[:, :, _ALL, _FIRST_10]),
        "AR100": _mean(recall[:, :, _ALL, _FIRST_100]),
        "ARs": _mean(recall[:, :, _SMALL, _FIRST_100]),
        "ARm": _mean(recall[:, :, _MEDIUM, _FIRST_100]),
        "ARl": _mean(recall[:, :, _LARGE, _FIRST_100]),
    }


def _class_stats(precision: np.ndarray, recall: np.ndarray) -> dict[str, float | None]:
    """One class's numbers; curves as of `_curves` without the axis of classes."""
    return {
        **_average_precisions(precision),
        "AR100": _mean(recall[:, _ALL, _FIRST_100]),
    }


def _average_precisions(precision: np.ndarray) -> dict[str, float | None]:
    """The six AP numbers of ``precision`` [thresholds, recalls, ..., sizes, limits]."""
    best = precision[..., _FIRST_100]
    return {
        "AP": _mean(best[..., _ALL]),
        "AP50": _mean(best[_IOU_50, ..., _ALL]),
        "AP75": _mean(best[_IOU_75, ..., _ALL]),
        "APs": _mean(best[..., _SMALL]),
        "APm": _mean(best[..., _MEDIUM]),
        "APl": _mean(best[..., _LARGE]),
    }


def _mean(values: np.ndarray) -> float | None:
    """Mean of the defined values (undefined is -1), None where there are none."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None


def _curves(ground_truth: CocoFile, results: Results) -> tuple[np.ndarray, np.ndarray]:
    """pycocotools' evaluation.

    Returns:
        Precision [10 thresholds, 101 recalls, C classes, 4 sizes, 3 limits] and recall
        [10, C, 4, 3], -1 where nothing is defined.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images = [{"id": i} for i in ground_truth.image_ids.tolist()]
    categories = [{"id": i} for i in ground_truth.classes.ids]

    def index(annotations: list[dict[str, Any]]) -> Any:
        coco = COCO()
        coco.dataset = {"images": images, "categories": categories, "annotations": annotations}
        coco.createIndex()
        return coco

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        evaluation = COCOeval(index(_truths(ground_truth)), index(_found(results)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"], evaluation.eval["recall"]


def _truths(ground_truth: CocoFile) -> list[dict[str, Any]]:
    """Annotations for pycocotools, with ids from 1: an id 0 reads as "no match" there."""
    image_ids = ground_truth.image_ids[ground_truth.image_row]
    category_ids = np.array(ground_truth.classes.ids, dtype=np.int64)[ground_truth.class_row]
    columns = zip(
        image_ids.tolist(),
        category_ids.tolist(),
        ground_truth.boxes.tolist(),
        ground_truth.area.tolist(),
        ground_truth.crowd.tolist(),
        strict=True,
    )
    return [
        {
            "id": number,
            "image_id": image_id,
            "category_id": category_id,
            "bbox": box,
            "area": area,
            "iscrowd": int(crowd),
        }
        for number, (image_id, category_id, box, area, crowd) in enumerate(columns, 1)
    ]


def _found(results: Results) -> list[dict[str, Any]]:
    """Detections for pycocotools; their area is that of the box."""
    columns = zip(
        results.image_ids.tolist(),
        results.category_ids.tolist(),
        results.boxes.tolist(),
        results.scores.tolist(),
        strict=True,
    )
    return [
        {
            "id": number,
            "image_id": image_id,
            "category_id": category_id,
            "bbox": box,
            "area": box[2] * box[3],
            "score": score,
        }
        for number, (image_id, category_id, box, score) in enumerate(columns, 1)
    ]
