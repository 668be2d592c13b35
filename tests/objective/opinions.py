"""Batches of random boxes, and outputs that a random network could have for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ladcli.assign import Assigner, paa_assigner
from ladcli.cache.contents import encode_opinion
from ladcli.cache.format import Level
from ladcli.cache.reader import TeacherCache
from ladcli.cache.writer import CacheWriter
from ladcli.detector.anchors import anchor_grid, predicted_boxes
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.objective.opinion import PredictedOpinion
from ladcli.objective.soft_loss import soft_label_loss
from ladcli.objective.soft_targets import SoftTargets
from ladcli.recipe.schema import SoftConfig
from ladcli.structures import Batch, ClassLogits, ClassProbs, Predictions, Scene, Targets
from ladcli.structures.losses import normalize
from tests.detector.tiny import tiny_batch

NUM_CLASSES = 3
CANVAS, CONTENT = (96, 128), (90, 70)  # part of the canvas is padding, with invalid anchors


def random_batch(seed: int, *, boxes_per_image: tuple[int, ...] = (3, 0, 5)) -> Batch:
    """Noise with boxes of 20 to 80 pixels, about as large as the anchors of the finest level."""
    batch = tiny_batch(seed, boxes_per_image=boxes_per_image, canvas_hw=CANVAS, content_hw=CONTENT)
    draw = torch.Generator().manual_seed(seed)
    boxes = []
    for count in boxes_per_image:
        corner = 30 * torch.rand(count, 2, generator=draw)
        far = corner + 20 + 60 * torch.rand(count, 2, generator=draw)
        boxes.append(torch.cat([corner, far.minimum(torch.tensor([70.0, 90.0]))], dim=1))
    labels = [torch.randint(NUM_CLASSES, (count,), generator=draw) for count in boxes_per_image]
    return replace(batch, targets=Targets.from_lists(boxes, labels))


def random_predictions(
    seed: int, batch: Batch, *, probs: bool = False, iou_branch: bool = True
) -> Predictions:
    """A few classes stand out, and boxes lie near their anchors."""
    draw = torch.Generator().manual_seed(seed)
    size = (len(batch), anchor_grid(batch.canvas_hw).num_anchors)
    raw = 2 * torch.randn(*size, NUM_CLASSES, generator=draw) - 5
    cls = ClassProbs(raw.sigmoid()) if probs else ClassLogits(raw)
    deltas = torch.randn(*size, 4, generator=draw)
    iou: Tensor | None = torch.randn(size, generator=draw)
    return Predictions(cls, deltas, iou if iou_branch else None)


def random_opinion(
    seed: int,
    batch: Batch,
    assigner: Assigner | None = None,
    *,
    probs: bool = False,
    iou_branch: bool = True,
) -> PredictedOpinion:
    predictions = random_predictions(seed, batch, probs=probs, iou_branch=iou_branch)
    return PredictedOpinion.of(predictions, batch, scene_of(batch), assigner or paa_assigner())


def scene_of(batch: Batch) -> Scene:
    """What assignment sees of a batch, with the anchors of the default recipe."""
    return DEFAULT_LAYOUT.scene(batch)


def soft_losses(
    student: Predictions, soft: SoftTargets, batch: Batch, **options: Any
) -> dict[str, Tensor]:
    """Soft-label losses of a student; ``options`` replace those of the default recipe."""
    default = SoftConfig()
    weights = default.weights(alone=True)
    given = {
        "loss": default.loss,
        "gamma": default.gamma,
        "cls_weight": weights.cls,
        "box_weight": weights.box,
        "iou_weight": weights.iou,
        **options,
    }
    boxes = predicted_boxes(student, scene_of(batch), clip_hw=batch.content_hw)
    return normalize({"model": soft_label_loss(student, boxes, soft, **given)})["model"]


def write_opinion(
    path: Path, opinion: PredictedOpinion, level: Level, soft: SoftConfig | None = None
) -> TeacherCache:
    """A cache of one part that holds one opinion of one batch."""
    predictions = opinion.predictions
    attributes: dict[str, Any] = {
        "fingerprints": dict.fromkeys(("teacher", "data", "input", "assigner", "soft"), "0" * 64),
        "class_output": "probs" if isinstance(predictions.cls, ClassProbs) else "logits",
        "iou_branch": int(predictions.iou_logits is not None),
        "precision": "fp32",
        "classes": [[1, "cup"], [2, "plate"], [3, "spoon"]],
    }
    writer = CacheWriter(
        path,
        level,
        attributes,
        image_ids=np.arange(len(opinion.batch)) + 10,
        view_ids=(0,),
        num_parts=1,
        num_classes=NUM_CLASSES,
    )
    writer.add(opinion.batch, encode_opinion(opinion, level, soft or SoftConfig()))
    writer.close_part(0)
    writer.finish()
    return TeacherCache(path)
