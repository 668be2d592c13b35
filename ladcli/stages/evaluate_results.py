"""`lad eval --predictions`: COCO metrics and TIDE errors of any results file, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladcli.data.coco_json import read_coco
from ladcli.evaluate.coco import coco_metrics
from ladcli.evaluate.images_seen import ImagesSeen, images_behind
from ladcli.evaluate.pycocotools_engine import Disagreement, Engine, EngineOptions, chosen_metrics
from ladcli.evaluate.results import load_results
from ladcli.evaluate.tide import TideOptions, tide_errors
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.metrics_file import metrics_content
from ladcli.runs.score_thresholds import ScoreThresholds
from ladcli.runs.tide_numbers import TideReport


@dataclass(frozen=True)
class Evaluation:
    """Metrics, and where they and the predictions were written."""

    metrics: CocoMetrics
    folder: Path | None
    notes: tuple[str, ...] = ()
    tide: TideReport | None = None  # where it was asked for
    thresholds: ScoreThresholds | None = None  # of the validation set, and of no other
    stored_in: Path | None = None  # the checkpoint that took these thresholds
    images: ImagesSeen | None = None  # that it is of
    engine: Engine = "lad"
    verified: Disagreement | None = None  # where that was asked for

    def to_json(self) -> dict[str, Any]:
        """The content of metrics.json."""
        engine = {} if self.engine == "lad" else {"engine": self.engine}
        verified = self.verified.to_json() if self.verified else {}
        return metrics_content(
            self.metrics,
            tide=self.tide,
            thresholds=self.thresholds,
            measured=self.images.measured if self.images else 0,
            skipped=self.images.skipped if self.images else (),
            more={**engine, **verified},
        )


def evaluate_results(
    predictions: Path,
    annotations: Path,
    *,
    tide: TideOptions | None = None,
    engine: EngineOptions = EngineOptions(),
) -> Evaluation:
    """Metrics of a COCO results file.

    Args:
        tide: look for TIDE's errors too, in this way.
        engine: who computes the COCO numbers.

    Raises:
        UserError: one of the files is unsound.
    """
    truth = read_coco(annotations, use="evaluation")
    results = load_results(predictions, truth)
    images = images_behind(predictions, truth, results)
    seen = images.part_of(truth)
    metrics, verified = chosen_metrics(coco_metrics(seen, results), seen, results, engine)
    return Evaluation(
        metrics,
        None,
        (*truth.notes, *results.notes, *images.notes(truth)),
        tide_errors(seen, results, tide) if tide else None,
        images=images,
        engine=engine.engine,
        verified=verified,
    )
