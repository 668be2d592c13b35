"""`lad eval --predictions`: COCO metrics and TIDE errors of any results file, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladcli.data.coco_json import read_coco
from ladcli.evaluate.coco import CocoMetrics, coco_metrics
from ladcli.evaluate.results import load_results
from ladcli.evaluate.thresholds import ScoreThresholds
from ladcli.evaluate.tide import TideOptions, TideReport, tide_errors


@dataclass(frozen=True)
class Evaluation:
    """Metrics, and where they and the predictions were written."""

    metrics: CocoMetrics
    folder: Path | None
    notes: tuple[str, ...] = ()
    tide: TideReport | None = None  # where it was asked for
    thresholds: ScoreThresholds | None = None  # of the validation set, and of no other
    stored_in: Path | None = None  # the checkpoint that took these thresholds

    def to_json(self) -> dict[str, Any]:
        """The content of metrics.json."""
        tide = self.tide.to_json() if self.tide else {}
        thresholds = {"thresholds": self.thresholds.to_plain()} if self.thresholds else {}
        return {**self.metrics.to_json(), **tide, **thresholds}


def evaluate_results(
    predictions: Path, annotations: Path, *, tide: TideOptions | None = None
) -> Evaluation:
    """Metrics of a COCO results file.

    Args:
        tide: look for TIDE's errors too, in this way.

    Raises:
        UserError: one of the files is unsound.
    """
    truth = read_coco(annotations, use="evaluation")
    results = load_results(predictions, truth)
    return Evaluation(
        coco_metrics(truth, results),
        None,
        (*truth.notes, *results.notes),
        tide_errors(truth, results, tide) if tide else None,
    )
