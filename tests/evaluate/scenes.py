"""Scenes of one image, small enough to be understood at sight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.results import Results
from tests.evaluate.random_sets import RandomSet

LabeledBox = tuple[int, list[float]]


def scene(
    gts: list[LabeledBox], dets: list[LabeledBox], crowd: tuple[int, ...] = ()
) -> tuple[CocoFile, Results]:
    """One image and two classes; scores fall from detection to detection.

    Args:
        crowd: which of ``gts`` are crowd regions.
    """
    empty, _ = RandomSet(images=1, classes=2, boxes=0).draw(seed=0)
    gt_label, gt_boxes = _columns(gts)
    truth = replace(
        empty,
        annotation_ids=np.arange(len(gts)),
        image_row=np.zeros(len(gts), dtype=np.int64),
        class_row=gt_label,
        boxes=gt_boxes,
        area=gt_boxes[:, 2] * gt_boxes[:, 3],
        crowd=np.isin(np.arange(len(gts)), crowd),
    )
    label, boxes = _columns(dets)
    return truth, Results(
        np.full(len(dets), truth.image_ids[0]),
        np.array(truth.classes.ids)[label],
        boxes,
        np.linspace(0.9, 0.1, len(dets)),
    )


def _columns(labeled: list[LabeledBox]) -> tuple[np.ndarray, np.ndarray]:
    labels = np.array([label for label, _ in labeled], dtype=np.int64)
    return labels, np.array([box for _, box in labeled], dtype=np.float64).reshape(-1, 4)
