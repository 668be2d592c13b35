"""Sets as the statistics measure them, of annotations that tests write themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ladcli.data.brightness import mean_brightness
from ladcli.data.index import build_index
from ladcli.data.statistics import DataStatistics, MeasuredSet, read_annotated
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.stages.input_boxes import input_boxes
from tests.data.corpus import write_images, write_json

#: Input size of the sets.
SHORT, LONG = 96, 128


def content_of(
    images: list[list[tuple[str, list[float]]]],
    *,
    classes: tuple[str, ...] = ("cup", "plate"),
    size: tuple[int, int] = (128, 96),
) -> dict[str, Any]:
    """Annotations of images of one ``size`` (width, height): each a list of class and box."""
    records = [
        {
            "image_id": number,
            "category_id": classes.index(name) + 1,
            "bbox": box,
            "area": box[2] * box[3],
        }
        for number, boxes in enumerate(images)
        for name, box in boxes
    ]
    return {
        "images": [
            {"id": k, "file_name": f"{k:03d}.png", "width": size[0], "height": size[1]}
            for k in range(len(images))
        ],
        "annotations": [{"id": k, **record} for k, record in enumerate(records, start=1)],
        "categories": [{"id": k, "name": name} for k, name in enumerate(classes, start=1)],
    }


def measured_set(
    folder: Path, content: dict[str, Any], name: str = "train", *, pixels: bool = True
) -> MeasuredSet:
    """``content`` written to ``folder`` with its images, and measured; all images are decoded."""
    folder.mkdir(parents=True, exist_ok=True)
    if pixels:
        write_images(folder, content)
    annotated = read_annotated(write_json(folder, content, f"{name}.json"))
    index = build_index(annotated.truth, folder)
    boxes = input_boxes(index, SHORT, LONG)
    iou, level = boxes.best_anchor(DEFAULT_LAYOUT)
    rows = np.arange(len(index)) if pixels else np.arange(0)
    return MeasuredSet(
        name, annotated, index, boxes.sides, level, iou >= 0.1, pixels, mean_brightness(index, rows)
    )


def statistics(*sets: MeasuredSet) -> DataStatistics:
    return DataStatistics.of(sets, short=SHORT, long=LONG, level_names=DEFAULT_LAYOUT.level_names)
