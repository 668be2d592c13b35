"""Freeze what mmdet's assigners say to random images: inputs and results, numbers alone.

    PYTHONPATH=.:PEERS python tests/assign/make_mmdet_cases.py

PEERS holds mmdet 3.3.0, mmengine 0.10.7 and mmcv-lite 2.1.0, installed there without their
dependencies.  The compiled module of mmcv, which no assigner calls, is replaced by an empty one.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.box_coding import encode_boxes
from ladcli.detector.anchors import anchor_grid
from ladcli.structures.boxes import decode_boxes, matrix_iou

OUT = Path(__file__).parent / "files" / "mmdet_assigners.npz"
CANVAS_HW = (128, 160)
NUM_CLASSES = 12
COUNTS = (0, 1, 2, 5, 9, 12)


class _Empty(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


def main() -> None:
    """Write `OUT`."""
    compiled = _Empty("mmcv._ext")
    compiled.__spec__ = importlib.machinery.ModuleSpec("mmcv._ext", None)
    sys.modules["mmcv._ext"] = compiled
    arrays: dict[str, np.ndarray] = {}
    draw = torch.Generator().manual_seed(20)
    for number, count in enumerate(COUNTS):
        boxes, labels, prob, predicted = random_image(count, draw)
        found = results(boxes, labels, prob, predicted)
        for name, values in {"boxes": boxes, "labels": labels, "prob": prob,
                             "predicted": predicted, **found}.items():  # fmt: skip
            arrays[f"{name}_{number}"] = values.numpy()
    np.savez_compressed(OUT, **arrays)


def random_image(count: int, draw: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Ground truth, class probabilities and predicted boxes that fit it more or less."""
    priors = anchor_grid(CANVAS_HW).anchors
    size = 6 * 20 ** torch.rand(count, 2, generator=draw)
    low = torch.rand(count, 2, generator=draw) * (torch.tensor([160.0, 128.0]) - size).clamp(min=1)
    boxes = torch.cat([low, low + size], dim=1)
    labels = torch.randperm(NUM_CLASSES, generator=draw)[:count]  # a class of its own for each
    prob = torch.rand(len(priors), NUM_CLASSES, generator=draw) * 0.98 + 0.01
    deltas = torch.randn(len(priors), 4, generator=draw)
    if count:
        best = matrix_iou(boxes, priors).argmax(dim=0)
        aim = encode_boxes(priors, boxes[best]).clamp(-12, 12)
        deltas = aim + torch.randn(len(priors), 4, generator=draw)
    return boxes, labels, prob, decode_boxes(priors, deltas)


def results(boxes: Tensor, labels: Tensor, prob: Tensor, predicted: Tensor) -> dict[str, Tensor]:
    """Ground truth of every prior by each of mmdet's assigners, -1 for none; and TAL's metric."""
    from mmdet.models.task_modules.assigners import (
        ATSSAssigner,
        HungarianAssigner,
        SimOTAAssigner,
        TaskAlignedAssigner,
    )
    from mmengine.structures import InstanceData

    grid = anchor_grid(CANVAS_HW)
    gts = InstanceData(bboxes=boxes, labels=labels)
    stride = grid.stride.float().unsqueeze(1)
    centers = (grid.anchors[:, :2] + grid.anchors[:, 2:]) / 2
    points = torch.cat([centers, stride, stride], dim=1)

    atss = ATSSAssigner(topk=9).assign(
        InstanceData(priors=grid.anchors), list(grid.level_lengths), gts
    )
    simota = SimOTAAssigner(center_radius=2.5, candidate_topk=10).assign(
        InstanceData(bboxes=predicted, scores=prob, priors=points), gts
    )
    # Theirs ranks all priors and then drops those outside, ours ranks those inside: without a
    # score outside, both rank the same.
    tal = TaskAlignedAssigner(topk=13).assign(
        InstanceData(bboxes=predicted, scores=scores_inside(boxes, labels, prob, centers),
                     priors=grid.anchors), gts, alpha=1, beta=6,
    )  # fmt: skip
    matching = HungarianAssigner({"type": "IoUCost", "iou_mode": "giou", "weight": 1.3})
    one_to_one = matching.assign(InstanceData(bboxes=predicted, scores=prob), gts, {})
    metric = getattr(tal, "assign_metrics", predicted.new_zeros(len(prob)))
    return {
        "atss": atss.gt_inds - 1,
        "simota": simota.gt_inds - 1,
        "tal": tal.gt_inds - 1,
        "tal_metric": metric,
        "one_to_one": one_to_one.gt_inds - 1,
    }


def scores_inside(boxes: Tensor, labels: Tensor, prob: Tensor, centers: Tensor) -> Tensor:
    """``prob`` with 0 for the class of an object that has the prior's center outside."""
    if not len(boxes):
        return prob
    low = (centers - boxes[:, None, :2]).amin(dim=2)
    high = (boxes[:, None, 2:] - centers).amin(dim=2)
    inside = torch.minimum(low, high) > 0.01  # [G, A]
    kept = torch.zeros_like(prob, dtype=torch.bool)
    for gt, label in enumerate(labels.tolist()):
        kept[:, label] |= inside[gt]
    return torch.where(kept, prob, 0.0)


if __name__ == "__main__":
    main()
