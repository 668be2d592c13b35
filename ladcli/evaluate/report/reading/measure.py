"""The numbers of one network on one set: from its detections, or as they were recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ladcli.errors import UserError
from ladcli.evaluate.coco import IOU_50, IOU_75, metrics_of
from ladcli.evaluate.images_seen import images_behind, recorded_note
from ladcli.evaluate.matching import match
from ladcli.evaluate.report.reading.content import SetResult, Truth
from ladcli.evaluate.report.reading.precision_recall import precision_curves
from ladcli.evaluate.results import load_results
from ladcli.evaluate.thresholds import VALIDATION
from ladcli.evaluate.tide import tide_errors
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.evaluation_folder import EvaluationFolder
from ladcli.runs.metrics_file import read_recorded, stored_thresholds
from ladcli.runs.names import METRICS

#: Numbers that differ by more were measured on something else.
_SAME = 1e-6


def measure_set(
    folder: EvaluationFolder, *, truth: Truth | None, why_not: str | None = None
) -> SetResult:
    """What a network reached on a set, measured anew where that is possible.

    Args:
        folder: of a run; holds detections, their metrics, or both.
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
            found = _measured(detections, network, split, truth, recorded.metrics, remarks)
            return replace(found, thresholds=thresholds)
        except UserError as error:
            remarks.append(f"{error}. The numbers are as recorded.")
    note = recorded_note(folder.metrics)
    remarks += [note] if note else []
    return SetResult(
        network,
        split,
        recorded.metrics,
        recorded.tide,
        remarks=tuple(remarks),
        thresholds=thresholds,
    )


def _measured(
    path: Path,
    network: str,
    split: str,
    truth: Truth,
    recorded: CocoMetrics | None,
    remarks: list[str],
) -> SetResult:
    results = load_results(path, truth.annotations)
    images = images_behind(path, truth.annotations, results)
    skipping = images.notes(truth.annotations)
    truth = replace(truth, annotations=images.part_of(truth.annotations))
    matching = match(truth.annotations, results)
    metrics = metrics_of(matching)
    if recorded is not None and _differ(metrics.stats["AP"], recorded.stats["AP"]):
        remarks = [
            *remarks,
            f"{path.parent}: {METRICS} holds other numbers than {path.name} gives with "
            f"{truth.annotations.path}; shown is what it gives.",
        ]
    return SetResult(
        network,
        split,
        metrics,
        tide_errors(truth.annotations, results).entries[0],
        np.stack([precision_curves(matching, t) for t in (IOU_50, IOU_75)]),
        truth,
        results,
        (*remarks, *results.notes, *skipping),
    )


def _differ(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > _SAME
