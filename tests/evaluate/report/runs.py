"""Runs made by hand: as a training would leave them on the disk, and as a page knows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ladcli.data.coco_json import CocoFile, read_coco
from ladcli.evaluate.coco import IOU_50, IOU_75, coco_metrics, metrics_of
from ladcli.evaluate.matching import match
from ladcli.evaluate.measured import MeasuredMethod, MeasuredRun, Truth
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.evaluate.report.reading.method import MethodRecord, Part
from ladcli.evaluate.report.reading.precision_recall import precision_curves
from ladcli.evaluate.results import Results, load_results
from ladcli.evaluate.tide import tide_errors
from ladcli.evaluate.tide_repairs import ALL_KINDS, MAIN_KINDS
from ladcli.files import write_json
from ladcli.recipe import Recipe, load_recipe, save_recipe
from ladcli.runs.coco_numbers import STATS, CocoMetrics
from ladcli.runs.tide_numbers import TideErrors, TideThresholds
from tests.evaluate.random_sets import RandomSet

NOTES: dict[str, Any] = {
    "stage": "distill",
    "status": "finished",
    "command": ["/usr/bin/lad", "distill", "--out", "my run"],
    "seed": 3,
    "versions": {"python": "3.11.7", "torch": "2.4.0"},
    "started": "2025-03-01T10:00:00+0000",
    "finished": "2025-03-01T11:05:00+0000",
    "fingerprints": {"data": "0123456789abcdef" * 4},
    "classes": [[1, "disc"], [3, "square"], [7, "triangle"]],
    "skipped_images": [],
}


def write_run(
    folder: Path,
    data: Path | None,
    *,
    networks: tuple[str, ...] = ("model",),
    sets: tuple[str, ...] = ("val",),
    notes: dict[str, Any] | None = None,
    recipe: Recipe | None = None,
) -> Path:
    """A finished run, evaluated on ``sets`` of ``data`` with detections that are partly wrong."""
    write_json(folder / "run.json", {**NOTES, **(notes or {})})
    flags = {"data.dir": str(data) if data else None, "optim.lr": 0.02}
    save_recipe(recipe or load_recipe(None, flags=flags), folder / "recipe.yaml")
    write_metrics(folder / "metrics.jsonl", networks)
    for network in networks:
        for name in sets:
            assert data is not None
            truth = read_coco(data / "annotations" / f"{name}.json")
            write_evaluation(folder / "eval" / network / name, truth, seed=len(network))
    return folder


def write_metrics(path: Path, networks: tuple[str, ...]) -> None:
    """Four logged steps and two evaluated epochs."""
    lines: list[dict[str, Any]] = []
    for step in (10, 20, 30, 40):
        line: dict[str, Any] = {"kind": "train", "step": step, "epoch": step // 21}
        for network in networks:
            prefix = "" if network == "model" else f"{network}."
            line |= {f"{prefix}lr": 0.01, f"{prefix}loss": 20 / step, f"{prefix}cls": 10 / step}
        if len(networks) > 1:
            line |= {"loss": 40 / step, "teacher_share": step / 50}
        lines.append({**line, "num_positive": 100 + step})
    for epoch in (1, 2):
        for network in networks:
            named = {} if network == "model" else {"network": network}
            scores = {"AP": epoch / 10, "AP50": epoch / 5, "AP75": None}
            line = {"kind": "eval", "step": 20 * epoch, "epoch": epoch, "set": "val"}
            lines.append({**line, **named, **scores})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_evaluation(folder: Path, truth: CocoFile, *, seed: int = 0) -> None:
    """Detections near most objects, some of another class, some anywhere; and their metrics."""
    rng = np.random.default_rng(seed)
    records = []
    for k, box in enumerate(truth.boxes):
        if rng.random() < 0.2:
            continue  # missed
        label = truth.class_row[k] if rng.random() < 0.8 else rng.integers(len(truth.classes))
        moved = box + rng.normal(0, 1.5, 4)
        records.append(_record(truth, int(truth.image_row[k]), int(label), moved, rng.random()))
    for row in range(len(truth.image_ids)):
        anywhere = np.concatenate([rng.uniform(0, 60, 2), rng.uniform(10, 30, 2)])
        records.append(_record(truth, row, int(rng.integers(len(truth.classes))), anywhere, 0.5))
    write_json(folder / "predictions.json", records)
    metrics = coco_metrics(truth, load_results(folder / "predictions.json", truth))
    write_json(folder / "metrics.json", metrics.to_json())


def _record(truth: CocoFile, row: int, label: int, box: np.ndarray, score: float) -> dict[str, Any]:
    return {
        "image_id": int(truth.image_ids[row]),
        "category_id": truth.classes.ids[label],
        "bbox": [round(float(v), 3) for v in box.clip(min=0)],
        "score": round(float(score), 6),
    }


def probe_arrays(
    *, epoch: int, names: tuple[str, ...], teacher: bool = True, prices: bool = True
) -> dict[str, Any]:
    """A probe of images of 128 x 96 pixels with two boxes each; the first box has 2 positives of
    4 samples, the second a single sample and so no positive.  Without ``prices`` the teacher has
    labels alone."""
    num = len(names)
    arrays: dict[str, Any] = {
        "epoch": epoch,
        "step": 10 * epoch,
        "image_id": np.arange(num),
        "file_name": np.array(names),
        "content_hw": np.tile([96, 128], (num, 1)),
        "canvas_hw": np.tile([96, 128], (num, 1)),
        "gt_image": np.repeat(np.arange(num), 2),
        "gt_box": np.tile([[10, 10, 60, 60], [80, 20, 90, 30]], (num, 1)).astype(np.float32),
        "gt_label": np.tile([2, 0], num),
    }
    for source in ("own", "teacher") if teacher else ("own",):
        cost = np.full((2 * num, 45), np.nan, dtype=np.float32)
        cost[0::2, :4] = [0.5, 0.6, 2.0, 2.2]
        cost[1::2, :1] = 1.0
        positive = np.zeros((2 * num, 45), dtype=bool)
        positive[0::2, :2] = True
        arrays |= {
            f"{source}_positive_image": np.repeat(np.arange(num), 2),
            f"{source}_positive_gt": np.repeat(np.arange(0, 2 * num, 2), 2),
            f"{source}_positive_center": np.tile([[24, 32], [40, 48]], (num, 1)).astype(float),
            f"{source}_positive_stride": np.tile([8, 32], num),
            f"{source}_cost": cost,
            f"{source}_sample_positive": positive,
            f"{source}_means": np.tile([0.55, 2.1], (2 * num, 1)),
            f"{source}_variances": np.tile([0.0025, 0.01], (2 * num, 1)),
            f"{source}_weights": np.tile([0.5, 0.5], (2 * num, 1)),
        }
    if not prices:
        kept = ("teacher_positive_image", "teacher_positive_gt", "teacher_positive_center",
                "teacher_positive_stride")  # fmt: skip
        arrays = {k: v for k, v in arrays.items() if not k.startswith("teacher_") or k in kept}
    return arrays


def write_probe(path: Path, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **probe_arrays(**options))
    return path


def plain_result(
    ap: float | None,
    *,
    classes: dict[str, float | None] | None = None,
    cost: float | None = None,
    count: int = 0,
    network: str = "model",
    split: str = "val",
    truth: Truth | None = None,
) -> MeasuredRun:
    """As metrics.json alone tells it: ``ap`` for every number of all classes together, that of
    ``classes``, and the same ``cost`` and ``count`` of every kind of error where there is one."""
    per_class = {name: {"AP": value} for name, value in (classes or {}).items()}
    tide = None
    if cost is not None:
        costs, counts = dict.fromkeys(ALL_KINDS, cost), dict.fromkeys(MAIN_KINDS, count)
        tide = TideErrors(TideThresholds(), 50.0, dict(costs), counts)
    metrics = CocoMetrics(dict.fromkeys(STATS, ap), per_class)
    return MeasuredRun(network, split, metrics, tide, truth=truth)


def measured_result(truth: CocoFile, results: Results, images: Path = Path()) -> MeasuredRun:
    """As it is measured where the ground truth is known."""
    matching = match(truth, results)
    return MeasuredRun(
        "model",
        "val",
        metrics_of(matching),
        tide_errors(truth, results).entries[0],
        np.stack([precision_curves(matching, t) for t in (IOU_50, IOU_75)]),
        Truth(truth, images),
        results,
    )


def random_entry(name: str, *, seed: int = 0, classes: int = 3, place: int = 0) -> MeasuredMethod:
    """Something measured on a random set, whose last class has no objects."""
    drawn = RandomSet(classes=classes, boxes=30 * classes).draw(seed)
    return MeasuredMethod(name, (measured_result(*drawn),), place)


def record(
    name: str, *results: MeasuredRun, recipe: Recipe | None = None, **notes: Any
) -> RunRecord:
    """A run with results, on a random set by default, and nothing else."""
    shown = results or random_entry(name).runs
    return RunRecord(name, {**NOTES, **notes}, recipe, [], results=shown)


def method(name: str, *runs: RunRecord, network: str = "model") -> MethodRecord:
    return MethodRecord(name, tuple(Part(run, network) for run in runs))
