"""Which images of a set detections are of: those that could be read.

Where unreadable images are skipped, one rule holds for every number: what they show leaves the
ground truth, and AP is of the other images.  A network cannot find what it was not shown.  Which
they are is stored in the metrics.json beside the detections, so that whoever measures those anew
measures the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ladcli.data.coco_json import CocoFile, describe_some
from ladcli.errors import UserError
from ladcli.evaluate.results import Results
from ladcli.runs.evaluation_folder import EvaluationFolder
from ladcli.runs.metrics_file import skipped_images
from ladcli.runs.names import PREDICTIONS


@dataclass(frozen=True)
class ImagesSeen:
    """How much of a set was seen."""

    total: int  # images of the set
    skipped: tuple[int, ...] = ()  # ids of those that were not seen, ascending

    @staticmethod
    def only(seen: Iterable[int], truth: CocoFile) -> ImagesSeen:
        """That of the images of ``truth`` only those with the ids ``seen`` were seen.

        Raises:
            UserError: none was.
        """
        everything = truth.image_ids.tolist()
        skipped = tuple(sorted(set(everything) - set(seen)))
        if len(skipped) == len(everything):
            raise UserError(f"{truth.path}: not a single image could be read; check the images")
        return ImagesSeen(len(everything), skipped)

    @property
    def measured(self) -> int:
        """Images that were seen."""
        return self.total - len(self.skipped)

    def __str__(self) -> str:
        return f"{self.measured} of {self.total} images" if self.skipped else "all images"

    def notes(self, truth: CocoFile) -> tuple[str, ...]:
        """What numbers are of, where some images were skipped."""
        if not self.skipped:
            return ()
        return (
            f"{truth.path}: {len(self.skipped)} image(s) could not be read and left the ground "
            f"truth with their boxes, so AP is of {self}: without "
            f"{describe_some('image', list(self.skipped))}",
        )

    def part_of(self, truth: CocoFile) -> CocoFile:
        """``truth`` without the images that were skipped."""
        if not self.skipped:
            return truth
        keep = ~np.isin(truth.image_ids, self.skipped)
        boxes = keep[truth.image_row]
        return replace(
            truth,
            image_ids=truth.image_ids[keep],
            file_names=[name for name, kept in zip(truth.file_names, keep, strict=True) if kept],
            hw=truth.hw[keep],
            annotation_ids=truth.annotation_ids[boxes],
            image_row=(np.cumsum(keep) - 1)[truth.image_row[boxes]],
            class_row=truth.class_row[boxes],
            boxes=truth.boxes[boxes],
            area=truth.area[boxes],
            crowd=truth.crowd[boxes],
            trainable=truth.trainable[boxes],
        )


def images_behind(predictions: Path, truth: CocoFile, results: Results) -> ImagesSeen:
    """Which images of ``truth`` the detections in a file are of, as its metrics.json says.

    Results of other programs have none beside them, and are of all images.  So are results that
    have detections in an image that is said to be skipped: that metrics.json is of others.
    """
    skipped = set(_skipped_beside(predictions)) & set(truth.image_ids.tolist())
    if not skipped or skipped & set(results.image_ids.tolist()):
        return ImagesSeen(len(truth.image_ids))
    return ImagesSeen.only(set(truth.image_ids.tolist()) - skipped, truth)


def recorded_note(metrics: Path) -> str | None:
    """What a metrics.json says of skipped images, where no ground truth is at hand."""
    skipped = skipped_images(metrics)
    if not skipped:
        return None
    return f"{metrics}: {len(skipped)} image(s) could not be read, so AP is of the others."


def _skipped_beside(predictions: Path) -> list[int]:
    """Those of results that `lad eval` wrote; what others wrote has no such file beside it."""
    beside = EvaluationFolder(predictions.parent)
    return skipped_images(beside.metrics) if predictions.name == PREDICTIONS else []
