"""TIDE: how much AP each kind of error costs (Bolya et al. 2020, "TIDE: A General Toolbox for
Identifying Object Detection Errors").

The cost of a kind, dAP, is the AP after all errors of that kind are repaired, and no others, minus
the AP before.  There are two definitions.  *tidecv* is what the published tool of that name
computes.  *corrected*, the default, differs in three points:

- detections of equal score keep their order when errors are repaired (the tool then ranks the wrong
  ones first, which costs AP);
- only classes that have ground truth are averaged (the tool counts a class that is merely detected
  as AP 0);
- dAP may be negative (the tool shows 0 instead).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.average_precision import mean_of_defined
from ladcli.evaluate.results import Results
from ladcli.evaluate.tide_repairs import ALL_KINDS, OF_DETECTIONS, Repairs
from ladcli.evaluate.tide_walk import Walk, classify, prepare_walk
from ladcli.runs.tide_numbers import Definition, TideErrors, TideReport, TideThresholds


@dataclass(frozen=True)
class TideOptions:
    """What to ask for."""

    thresholds: tuple[TideThresholds, ...] = (TideThresholds(),)
    definition: Definition = "corrected"


def tide_errors(
    ground_truth: CocoFile, results: Results, options: TideOptions = TideOptions()
) -> TideReport:
    """TIDE's errors of ``results`` at each of the thresholds asked for.

    At most 100 detections count per image, all classes together.  Without any detection every dAP
    is None: there are no errors to weigh against each other, and the tool stops.
    """
    lowest = min(thresholds.background for thresholds in options.thresholds)
    walk = prepare_walk(ground_truth, results, at_least=lowest)
    num_classes, definition = len(ground_truth.classes), options.definition
    entries = (_errors_at(walk, num_classes, chosen, definition) for chosen in options.thresholds)
    return TideReport(definition, tuple(entries))


def repairs_of(
    ground_truth: CocoFile, results: Results, thresholds: TideThresholds = TideThresholds()
) -> Repairs:
    """The repairs behind `tide_errors`, by the corrected definition, for any weights of images."""
    walk = prepare_walk(ground_truth, results, at_least=thresholds.background)
    errors = classify(walk, thresholds.positive, thresholds.background)
    return Repairs(walk, errors, len(ground_truth.classes), "corrected")


def _errors_at(
    walk: Walk, num_classes: int, thresholds: TideThresholds, definition: Definition
) -> TideErrors:
    errors = classify(walk, thresholds.positive, thresholds.background)
    repairs = Repairs(walk, errors, num_classes, definition)
    once = np.ones((walk.num_images, 1))
    per_class = np.stack([c.average_precision(once) for c in repairs.classes], axis=1)
    gains = repairs.gains(per_class, once)[:, 0]
    counts = {name: int((errors.kind == kind).sum()) for name, kind in OF_DETECTIONS.items()}
    return TideErrors(
        thresholds=thresholds,
        ap=_defined(float(mean_of_defined(per_class[0, :, 0], axis=0))),
        dap={kind: _defined(gain) for kind, gain in zip(ALL_KINDS, gains.tolist(), strict=True)},
        counts={**counts, "Miss": int(errors.gt_missed.sum())},
    )


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else value
