"""The numbers of one network on one set: from its detections, or as they were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ladcli.errors import UserError
from ladcli.evaluate.coco import IOU_50, IOU_75
from ladcli.evaluate.images_seen import recorded_note
from ladcli.evaluate.measured import MeasuredRun, Truth
from ladcli.evaluate.measurements import Measurement, Measurements
from ladcli.evaluate.report.reading.precision_recall import precision_curves
from ladcli.evaluate.thresholds import VALIDATION
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.evaluation_folder import EvaluationFolder
from ladcli.runs.metrics_file import read_recorded, stored_thresholds
from ladcli.runs.names import METRICS, PREDICTIONS

#: Numbers that differ by more were measured on something else.
_SAME = 1e-6


def measure_set(
    folder: EvaluationFolder,
    measurements: Measurements,
    *,
    truth: Truth | None,
    why_not: str | None = None,
) -> MeasuredRun:
    """What a network reached on a set, measured anew where that is possible.

    Args:
        folder: of a run; holds detections, their metrics, or both.
        measurements: those that were made already, and where this one is kept.
        truth: its ground truth, or None where it was not found.
        why_not: then the reason, for the reader.

    Returns:
        Numbers from the detections where they and the ground truth can be used, else the recorded
        ones, which have no curves; remarks say what is missing.
    """
    network, split = folder.network, folder.set_name
    recorded = read_recorded(folder.metrics)
    remarks = [*recorded.remarks]
    # Whatever the set: no threshold is derived on what results are reported on.
    thresholds = stored_thresholds(folder.beside(VALIDATION).metrics)
    detections = folder.predictions
    if truth is None:
        remarks.append(f"{split}: {why_not or 'no ground truth'}; the numbers are as recorded.")
    elif not detections.is_file():
        remarks.append(f"{detections}: no such file; the numbers are as recorded.")
    else:
        try:
            measurement = measurements.of(detections, truth.annotations)
            if _differ(measurement.metrics, recorded.metrics):
                remarks.append(
                    f"{folder.path}: {METRICS} holds other numbers than {PREDICTIONS} gives with "
                    f"{truth.annotations.path}; shown is what it gives."
                )
            found = _measured(measurement, network, split, truth, remarks)
            return replace(found, thresholds=thresholds)
        except UserError as error:
            remarks.append(f"{error}. The numbers are as recorded.")
    note = recorded_note(folder.metrics)
    remarks += [note] if note else []
    return MeasuredRun(
        network,
        split,
        recorded.metrics,
        recorded.tide,
        remarks=tuple(remarks),
        thresholds=thresholds,
    )


def _measured(
    found: Measurement, network: str, split: str, truth: Truth, remarks: Sequence[str]
) -> MeasuredRun:
    skipping = found.images.notes(truth.annotations)
    return MeasuredRun(
        network,
        split,
        found.metrics,
        found.tide.entries[0],
        np.stack([precision_curves(found.matching, t) for t in (IOU_50, IOU_75)]),
        replace(truth, annotations=found.truth),
        found.results,
        (*remarks, *found.results.notes, *skipping),
    )


def _differ(one: CocoMetrics, other: CocoMetrics | None) -> bool:
    """Whether AP was recorded, and is another one."""
    if other is None:
        return False
    mine, recorded = one.stats["AP"], other.stats["AP"]
    if mine is None or recorded is None:
        return mine is not recorded
    return abs(mine - recorded) > _SAME
