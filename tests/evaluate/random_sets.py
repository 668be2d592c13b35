"""Random ground truth and detections with everything that makes evaluation hard."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ladcli.classes import ClassTable
from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.results import Results


@dataclass(frozen=True)
class RandomSet:
    """What to draw; the seed alone decides the numbers."""

    images: int = 12
    classes: int = 3
    boxes: int = 60
    detections: int = 400
    crowd: float = 0.1  # share of the boxes
    score_decimals: int = 2  # few, so that scores are equal often
    side: float = 300.0  # pixels; small images are crowded ones

    def draw(self, seed: int) -> tuple[CocoFile, Results]:
        """Ground truth and detections.

        Image ids are in no order; the last class has no ground truth, and one in four images has
        none; some boxes repeat; areas differ from those of the boxes.
        """
        rng = np.random.default_rng(seed)
        image_ids = rng.permutation(self.images * 3)[: self.images] + 5
        gt_image = rng.integers(0, max(1, self.images * 3 // 4), self.boxes)
        gt_class = rng.integers(0, max(1, self.classes - 1), self.boxes)
        boxes = self._boxes(rng, self.boxes)
        repeat = rng.random(self.boxes) < 0.1
        boxes[repeat] = boxes[:1]
        truth = CocoFile(
            path=Path("truth.json"),
            image_ids=image_ids,
            file_names=[f"{i}.jpg" for i in image_ids],
            hw=np.full((self.images, 2), int(self.side)),
            classes=ClassTable(
                tuple(range(2, 2 + 3 * self.classes, 3)),
                tuple(f"class {c}" for c in range(self.classes)),
            ),
            annotation_ids=np.arange(self.boxes),
            image_row=gt_image,
            class_row=gt_class,
            boxes=boxes,
            area=(boxes[:, 2] * boxes[:, 3] * rng.uniform(0.4, 1, self.boxes)).round(1),
            crowd=rng.random(self.boxes) < self.crowd,
            trainable=np.ones(self.boxes, dtype=bool),
            notes=(),
        )
        return truth, self._results(rng, truth)

    def _boxes(self, rng: np.random.Generator, count: int) -> np.ndarray:
        sizes = rng.uniform(8, 0.5 * self.side, (count, 2))
        return np.concatenate([rng.uniform(0, self.side - sizes), sizes], axis=1).round(1)

    def _results(self, rng: np.random.Generator, truth: CocoFile) -> Results:
        """Half of the detections are ground truth, moved; others are anywhere, some empty."""
        image_row = rng.integers(0, self.images, self.detections)
        class_row = rng.integers(0, self.classes, self.detections)
        boxes = self._boxes(rng, self.detections)
        boxes[rng.random(self.detections) < 0.02, 2:] = 0
        if self.boxes:
            near = rng.random(self.detections) < 0.5
            source = rng.integers(0, self.boxes, self.detections)[near]
            moved = truth.boxes[source] + rng.normal(0, 4, (len(source), 4))
            moved[:, 2:] = moved[:, 2:].clip(min=0)
            boxes[near] = moved.round(1)
            image_row[near] = truth.image_row[source]
            same = rng.random(len(source)) < 0.8
            class_row[near] = np.where(same, truth.class_row[source], class_row[near])
        return Results(
            truth.image_ids[image_row],
            np.array(truth.classes.ids)[class_row],
            boxes,
            rng.random(self.detections).round(self.score_decimals),
        )


#: Sets that differ in what they stress, by name.
CASES = {
    "ordinary": RandomSet(),
    "two scores": RandomSet(score_decimals=0),
    "crowded": RandomSet(images=3, boxes=120, detections=900, side=120),
    "many of one class": RandomSet(images=2, classes=2, boxes=30, detections=700),
    "crowd regions only": RandomSet(crowd=1.0),
    "no ground truth": RandomSet(boxes=0),
    "no detections": RandomSet(detections=0),
    "one image": RandomSet(images=1, classes=1, boxes=4, detections=9),
}


def repeat_images(truth: CocoFile, results: Results, times: np.ndarray) -> tuple[CocoFile, Results]:
    """The set where each image occurs ``times`` [N] times, under new ids.

    ``times`` goes by ascending image id.  Copies get neighboring ids.
    """
    ids = np.sort(truth.image_ids)
    gt, gt_image = _copies(np.searchsorted(ids, truth.image_ids)[truth.image_row], times)
    det, det_image = _copies(np.searchsorted(ids, results.image_ids), times)
    total = int(times.sum())
    copied = replace(
        truth,
        image_ids=np.arange(total),
        file_names=[f"{i}.jpg" for i in range(total)],
        hw=np.repeat(truth.hw[:1], total, axis=0),
        annotation_ids=np.arange(len(gt)),
        image_row=gt_image,
        class_row=truth.class_row[gt],
        boxes=truth.boxes[gt],
        area=truth.area[gt],
        crowd=truth.crowd[gt],
        trainable=truth.trainable[gt],
    )
    found = (results.category_ids[det], results.boxes[det], results.scores[det])
    return copied, Results(det_image, *found)


def _copies(image: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which records the copies repeat, and the new image of each.

    Args:
        image: [K] position of the record's image.
        times: [N] how often each image occurs.
    """
    first = np.cumsum(times) - times
    copies = [(record, first[i] + n) for record, i in enumerate(image) for n in range(times[i])]
    record, new_image = np.array(copies, dtype=np.int64).reshape(-1, 2).T
    return record, new_image
