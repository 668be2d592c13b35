"""Detections beside the ground truth of a set: matched once, whoever asks for their numbers.

A pipeline measures its networks, compares them and draws a page of that; a comparison draws a page
too.  All of them ask `Measurements`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ladcli.classes import ClassTable
from ladcli.data.coco_json import CocoFile, read_coco
from ladcli.evaluate.coco import metrics_of
from ladcli.evaluate.images_seen import ImagesSeen, images_behind
from ladcli.evaluate.matching import Matching, match
from ladcli.evaluate.results import Results, load_results
from ladcli.evaluate.tide import repairs_of, tide_errors
from ladcli.evaluate.tide_repairs import Repairs
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.tide_numbers import TideReport


@dataclass(frozen=True, eq=False)
class Measurement:
    """One results file on one set; what follows from it is computed when it is first asked for."""

    truth: CocoFile  # the part of the set that the detections are of
    images: ImagesSeen  # which part that is
    results: Results

    @cached_property
    def matching(self) -> Matching:
        return match(self.truth, self.results)

    @cached_property
    def metrics(self) -> CocoMetrics:
        """COCO's numbers, by our own engine."""
        return metrics_of(self.matching)

    @cached_property
    def tide(self) -> TideReport:
        """TIDE's errors at the usual thresholds, by the corrected definition."""
        return tide_errors(self.truth, self.results)

    @cached_property
    def repairs(self) -> Repairs:
        """What is behind `tide`, for any weights of images."""
        return repairs_of(self.truth, self.results)


class Measurements:
    """Reads every file once, and matches every results file once with the same ground truth."""

    def __init__(self) -> None:
        self._truths: dict[Path, CocoFile] = {}
        self._measured: dict[tuple[Path, Path, ClassTable], Measurement] = {}

    def truth(self, path: Path) -> CocoFile:
        """The ground truth in a file.

        Raises:
            UserError: it is unsound.
        """
        if path.resolve() not in self._truths:
            self._truths[path.resolve()] = read_coco(path, use="evaluation")
        return self._truths[path.resolve()]

    def know_truth(self, path: Path, truth: CocoFile) -> None:
        """Take ``truth`` for what a file holds: it was read, or found to be the same."""
        self._truths[path.resolve()] = truth

    def of(self, predictions: Path, truth: CocoFile) -> Measurement:
        """The detections in a file, without the images that its metrics.json says were skipped.

        Raises:
            UserError: they cannot be read, or are of another set.
        """
        key = _key(predictions, truth)
        if key not in self._measured:
            results = load_results(predictions, truth)
            images = images_behind(predictions, truth, results)
            self._measured[key] = Measurement(images.part_of(truth), images, results)
        return self._measured[key]

    def keep(self, predictions: Path, truth: CocoFile, measurement: Measurement) -> None:
        """Answer with this when a file is asked for that was just written and measured.

        Notes name the file as whoever read it did, so results with notes are read again.
        """
        if not measurement.results.notes:
            self._measured[_key(predictions, truth)] = measurement


def _key(predictions: Path, truth: CocoFile) -> tuple[Path, Path, ClassTable]:
    # A set may be read with its root category as a class, and without.
    return predictions.resolve(), truth.path.resolve(), truth.classes
