"""TIDE as its appendix reads: loops over images, detections and boxes, one repair at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pycocotools import mask

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.results import Results

KINDS = ("Cls", "Loc", "Both", "Dupe", "Bkg")


@dataclass
class Box:
    """A box of the ground truth."""

    label: int
    bbox: list[float]
    found: bool = False
    claimed_by: Detection | None = None


@dataclass
class Detection:
    label: int
    bbox: list[float]
    score: float
    right: bool = False
    ignored: bool = False
    kind: str = ""
    target: Box | None = None

    def repaired(self) -> bool:
        return self.target is not None and self.target.claimed_by is self


@dataclass
class SlowTide:
    """Errors at one pair of thresholds."""

    positive: float
    background: float
    compat: bool
    detections: list[Detection] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)

    def look_at(self, boxes: list[Box], crowd: list[Box], detections: list[Detection]) -> None:
        """Judge one image; detections in the order of the file."""
        detections = sorted(detections, key=lambda d: -d.score)[:100]
        self.boxes += boxes
        self.detections += detections
        for found in detections:
            free = [b for b in boxes if b.label == found.label and not b.found]
            best = max(free, key=lambda b: iou(found, b), default=None)
            if best is not None and iou(found, best) >= self.positive:
                found.right = best.found = True
        for found in detections:
            own = [region for region in crowd if region.label == found.label]
            covered = max((iou(found, region, crowd=True) for region in own), default=0)
            found.ignored = not found.right and covered > self.positive
        for found in detections:
            if not found.right:
                self._classify(found, boxes)

    def _classify(self, found: Detection, boxes: list[Box]) -> None:
        if not boxes:
            found.kind = "Bkg"
            return
        same = max(boxes, key=lambda b: iou(found, b) * (b.label == found.label))
        other = max(boxes, key=lambda b: iou(found, b) * (b.label != found.label))
        same_iou = iou(found, same) * (same.label == found.label)
        other_iou = iou(found, other) * (other.label != found.label)
        taken = [iou(found, b) for b in boxes if b.found and b.label == found.label]
        if self.background <= same_iou <= self.positive:
            found.kind, found.target = "Loc", same
        elif other_iou >= self.positive:
            found.kind, found.target = "Cls", other
        elif max(taken, default=0) >= self.positive:
            found.kind = "Dupe"
        elif max(iou(found, b) for b in boxes) <= self.background:
            found.kind = "Bkg"
        else:
            found.kind = "Both"
        if found.target is not None and not found.target.found and not found.target.claimed_by:
            found.target.claimed_by = found

    def counts(self) -> dict[str, int]:
        counts = {kind: sum(d.kind == kind for d in self.detections) for kind in KINDS}
        return {**counts, "Miss": len(self._missed())}

    def _missed(self) -> list[Box]:
        return [b for b in self.boxes if not b.found and b.claimed_by is None]

    def before(self) -> float | None:
        return self._mean([(d.label, d.score, d.right) for d in self.detections if not d.ignored])

    def after(self, name: str) -> float | None:
        """AP after the repair of one kind."""
        wrong = [d for d in self.detections if not d.right]
        ordered = wrong + [d for d in self.detections if d.right] if self.compat else None
        entries = []
        for d in ordered or self.detections:
            if name in KINDS and d.kind == name:
                if d.repaired():
                    assert d.target is not None
                    entries.append((d.target.label, d.score, True))
            elif not d.ignored:
                score = float(d.right) if name == "FalsePos" else d.score
                entries.append((d.label, score, d.right))
        gone = {"Miss": self._missed(), "FalseNeg": [b for b in self.boxes if not b.found]}
        return self._mean(entries, gone.get(name, []))

    def _mean(
        self, entries: list[tuple[int, float, bool]], gone: list[Box] | None = None
    ) -> float | None:
        labels = [b.label for b in self.boxes]
        left = list(labels)
        for box in gone or []:
            left.remove(box.label)
        classes = set(left) | {label for label, _, _ in entries}
        if not self.compat:
            classes &= set(labels)
        values = [
            class_ap([(s, r) for at, s, r in entries if at == label], left.count(label))
            for label in sorted(classes)
        ]
        return float(np.mean(values)) if values else None

    def gains(self) -> dict[str, float | None]:
        """dAP of every kind."""
        before = self.before()
        gains: dict[str, float | None] = {}
        for name in (*KINDS, "Miss", "FalsePos", "FalseNeg"):
            after = self.after(name)
            if before is None or after is None or not self.detections:
                gains[name] = None
            else:
                special = name in ("FalsePos", "FalseNeg")
                cut = self.compat and not special
                gains[name] = max(after - before, 0) if cut else after - before
        return gains


def class_ap(entries: list[tuple[float, bool]], positives: int) -> float:
    """101-point AP in points of 100."""
    if not positives:
        return 0.0
    curve, right = [], 0
    for place, (_, is_right) in enumerate(sorted(entries, key=lambda e: -e[0]), 1):
        right += is_right
        curve.append((right / positives, right / place))
    heights = [
        max((p for recall, p in curve if recall >= k / 100), default=0.0) for k in range(101)
    ]
    return 100 * sum(heights) / 101


def iou(found: Detection, box: Box, *, crowd: bool = False) -> float:
    return float(mask.iou(np.array([found.bbox]), np.array([box.bbox]), [int(crowd)])[0, 0])


def slow_tide(truth: CocoFile, results: Results, **options: Any) -> SlowTide:
    """All images of a set, in the order of the file."""
    tide = SlowTide(**options)
    labels = {category: label for label, category in enumerate(truth.classes.ids)}
    for row, image_id in enumerate(truth.image_ids):
        own = np.flatnonzero(truth.image_row == row)
        boxes = [
            (Box(int(truth.class_row[g]), truth.boxes[g].tolist()), truth.crowd[g]) for g in own
        ]
        detections = [
            Detection(
                labels[int(results.category_ids[d])],
                results.boxes[d].tolist(),
                float(results.scores[d]),
            )
            for d in np.flatnonzero(results.image_ids == image_id)
        ]
        tide.look_at(
            [box for box, crowd in boxes if not crowd],
            [box for box, crowd in boxes if crowd],
            detections,
        )
    return tide
