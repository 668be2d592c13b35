"""The numbers of one network on one set: from its detections, or as they were recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ladcli.data.json_text import read_json
from ladcli.errors import UserError
from ladcli.evaluate.coco import IOU_50, IOU_75, STATS, CocoMetrics, metrics_of
from ladcli.evaluate.images_seen import images_behind, recorded_note
from ladcli.evaluate.matching import match
from ladcli.evaluate.report.reading.content import SetResult, Truth
from ladcli.evaluate.report.reading.precision_recall import precision_curves
from ladcli.evaluate.results import load_results
from ladcli.evaluate.thresholds import VALIDATION, ScoreThresholds
from ladcli.evaluate.tide import TideErrors, TideThresholds, tide_errors

_PER_CLASS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")
#: Numbers that differ by more were measured on something else.
_SAME = 1e-6


def measure_set(
    folder: Path, *, network: str, split: str, truth: Truth | None, why_not: str | None = None
) -> SetResult:
    """What ``folder`` (eval/NETWORK/SPLIT of a run) says, measured anew where that is possible.

    Args:
        folder: holds predictions.json, metrics.json, or both.
        network: model, a or b.
        split: name of the set.
        truth: its ground truth, or None where it was not found.
        why_not: then the reason, for the reader.

    Returns:
        Numbers from the detections where they and the ground truth can be used, else the recorded
        ones, which have no curves; remarks say what is missing.
    """
    recorded, tide, remarks = read_recorded(folder / "metrics.json")
    # Whatever the set: no threshold is derived on what results are reported on.
    thresholds = stored_thresholds(folder.parent / VALIDATION / "metrics.json")
    detections = folder / "predictions.json"
    if truth is None:
        remarks.append(f"{split}: {why_not or 'no ground truth'}; the numbers are as recorded.")
    elif not detections.is_file():
        remarks.append(f"{detections}: no such file; the numbers are as recorded.")
    else:
        try:
            found = _measured(detections, network, split, truth, recorded, remarks)
            return replace(found, thresholds=thresholds)
        except UserError as error:
            remarks.append(f"{error}. The numbers are as recorded.")
    note = recorded_note(folder / "metrics.json")
    remarks += [note] if note else []
    return SetResult(network, split, recorded, tide, remarks=tuple(remarks), thresholds=thresholds)


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
            f"{path.parent}: metrics.json holds other numbers than {path.name} gives with "
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


def read_recorded(path: Path) -> tuple[CocoMetrics | None, TideErrors | None, list[str]]:
    """The numbers of a metrics.json as far as it can be used, and what is wrong with it."""
    if not path.is_file():
        return None, None, []
    try:
        content = read_json(path)
    except UserError as error:
        return None, None, [str(error)]
    try:
        coco = content["coco"]
        stats = dict(zip(STATS, map(_number, coco["stats"]), strict=True))
        per_class = {
            str(name): {key: _number(values.get(key)) for key in _PER_CLASS}
            for name, values in coco["per_class"].items()
        }
        tide = _recorded_tide(content.get("tide") or [])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return None, None, [f"{path}: is no metrics file; measure anew with lad eval."]
    return CocoMetrics(stats, per_class), tide, []


def stored_thresholds(path: Path) -> ScoreThresholds | None:
    """The thresholds in a metrics.json; None where there are none that can be used."""
    try:
        content = read_json(path)
        stored = content.get("thresholds") if isinstance(content, dict) else None
        return ScoreThresholds.from_plain(stored) if stored is not None else None
    except (UserError, ValueError):  # no such file, or a damaged one: pages say that there are none
        return None


def _recorded_tide(entries: list[dict[str, Any]]) -> TideErrors | None:
    if not entries:
        return None
    first = entries[0]
    return TideErrors(
        TideThresholds(float(first["pos_threshold"]), float(first["background_threshold"])),
        _number(first["ap"]),
        {str(kind): _number(value) for kind, value in first["dAP"].items()},
        {str(kind): int(value) for kind, value in first["counts"].items()},
    )


def _number(value: Any) -> float | None:
    """Undefined numbers are null; other programs write NaN."""
    return float(value) if value is not None and np.isfinite(float(value)) else None
