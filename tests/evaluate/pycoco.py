"""pycocotools as the oracle: the published evaluator on the same arrays."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.results import Results


def published_evaluation(ground_truth: CocoFile, results: Results) -> COCOeval:
    """pycocotools after `evaluate` and `accumulate`."""
    images = [{"id": i} for i in ground_truth.image_ids.tolist()]
    categories = [{"id": i} for i in ground_truth.classes.ids]

    def index(annotations: list[dict[str, Any]]) -> COCO:
        coco = COCO()
        coco.dataset = {"images": images, "categories": categories, "annotations": annotations}
        coco.createIndex()
        return coco

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        evaluation = COCOeval(index(_truths(ground_truth)), index(_found(results)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def published_stats(ground_truth: CocoFile, results: Results) -> list[float]:
    """The twelve numbers, -1 where nothing is defined."""
    evaluation = published_evaluation(ground_truth, results)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.summarize()
    return [float(number) for number in evaluation.stats]


def _truths(ground_truth: CocoFile) -> list[dict[str, Any]]:
    """Annotations with ids from 1: an id 0 reads as "no match" there."""
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
    """Detections; their area is that of the box."""
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
