"""Random files of ground truth and detections with everything that files of others hold."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

#: Sizes of boxes, so that areas fall on the limits between small, medium and large, too.
_SIDES = (0, 1, 8, 16, 31.5, 32, 33, 64, 95.9, 96, 97, 144)
_AREAS = (0, 1024, 1024.0000001, 1023.9999999, 9216, 9216.5, 9215, -3, 1e12)


class OddSet:
    """One draw: the content of two files, as the seed decides."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.side = float(rng.choice([60, 200, 500]))
        self.decimals = int(rng.choice([0, 1, 3, 12]))
        num_images, num_classes = int(rng.integers(1, 9)), int(rng.integers(1, 5))
        self.image_ids = self._ids(num_images)
        self.class_ids = self._ids(num_classes)
        boxes = int(rng.choice([0, 1, 5, 40, 120]))
        # One image and one class stay without boxes, where there are several.
        owners = self.image_ids[: max(1, num_images - 1)]
        classes = self.class_ids[: max(1, num_classes - 1)]
        ids = self._ids(boxes) if rng.random() < 0.5 else list(range(boxes))  # with an id 0
        self.annotations = [self._annotation(i, owners, classes) for i in ids]
        self.detections = self._detections(int(rng.choice([0, 1, 20, 150, 400])))
        self.truth = {
            "images": [self._image(i) for i in self.image_ids],
            "categories": [{"id": i, "name": f"class {n}"} for n, i in enumerate(self.class_ids)],
            "annotations": self.annotations,
        }

    def _pick(self, values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def _ids(self, count: int) -> list[int]:
        """Different ids in no order: small ones, with gaps, or beyond what a float64 can hold."""
        start = self._pick([0, 1, 1, 7, 2**53, 2**62])
        return [int(start + 3 * i) for i in self.rng.permutation(count)]

    def _image(self, number: int) -> dict[str, Any]:
        """Some sizes are placeholders, and some are those of another image."""
        width, height = self._pick([(1, 1), (640, 480), (int(self.side), int(self.side) // 2)])
        return {"id": number, "file_name": f"{number}.jpg", "width": width, "height": height}

    def _box(self) -> list[float]:
        rng = self.rng
        if rng.random() < 0.5:
            sizes = [float(self._pick(_SIDES)), float(self._pick(_SIDES))]
        else:
            sizes = rng.uniform(0, self.side, 2).tolist()
        low = -0.3 * self.side if rng.random() < 0.2 else 0
        corner = rng.uniform(low, 1.2 * self.side, 2).tolist()
        return self._rounded([*corner, *sizes])

    def _rounded(self, box: list[float]) -> list[float]:
        return [round(v, self.decimals) if self.decimals else float(round(v)) for v in box]

    def _annotation(self, number: int, owners: list[int], classes: list[int]) -> dict[str, Any]:
        rng = self.rng
        box = self._box()
        area = box[2] * box[3]
        if rng.random() < 0.4:
            area = float(self._pick([*_AREAS, area * rng.uniform(0.2, 1.2)]))
        record = {
            "id": number,
            "image_id": self._pick(owners),
            "category_id": self._pick(classes),
            "bbox": box,
            "area": area,
            "iscrowd": int(rng.random() < 0.15),
        }
        if record["iscrowd"]:
            record["segmentation"] = {"size": [10, 10], "counts": [50, 50]}
        if rng.random() < 0.2:
            record["ignore"] = int(rng.random() < 0.7)
        return record

    def _detections(self, count: int) -> list[dict[str, Any]]:
        """Half of them near objects; equal scores are frequent, some categories unknown."""
        rng = self.rng
        score_decimals = int(rng.choice([0, 1, 2, 17]))
        crowded = rng.random() < 0.3  # more than 100 of a class in an image
        found = []
        for _ in range(count):
            image, label, box = self._pick(self.image_ids), self._pick(self.class_ids), self._box()
            if self.annotations and rng.random() < 0.6:
                near = self._pick(self.annotations)
                shift = rng.normal(0, self._pick([0, 0.5, 4]), 4)
                box = [v + d for v, d in zip(near["bbox"], shift.tolist(), strict=True)]
                box = self._rounded([*box[:2], max(box[2], 0), max(box[3], 0)])
                image = near["image_id"]
                if rng.random() < 0.85:
                    label = near["category_id"]
            elif rng.random() < 0.05:
                label = max(self.class_ids) + 1
            if crowded:
                image, label = self.image_ids[0], self.class_ids[0]
            score = round(float(rng.random()), score_decimals)
            found.append({"image_id": image, "category_id": label, "bbox": box, "score": score})
        return found

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Two files: ground truth and results."""
        truth, results = folder / "truth.json", folder / "results.json"
        truth.write_text(json.dumps(self.truth))
        results.write_text(json.dumps(self.detections))
        return truth, results


def published(truth: Path, results: Path) -> tuple[list[float], np.ndarray, np.ndarray]:
    """What pycocotools makes of two files: the twelve numbers, precision and recall.

    Annotations are renumbered where one has the id 0, and without detections there is no file.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        records = coco.dataset["annotations"]
        if any(record["id"] == 0 for record in records):
            for number, record in enumerate(records, start=1):
                record["id"] = number
            coco.createIndex()
        if json.loads(results.read_text()):
            found = coco.loadRes(str(results))
        else:
            found = COCO()
            found.dataset = {**coco.dataset, "annotations": []}
            found.createIndex()
        evaluation = COCOeval(coco, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist(), evaluation.eval["precision"], evaluation.eval["recall"]
