"""A teacher's outputs as targets: what soft-label distillation asks of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ladcli.structures import Predictions, Scene, Targets
from ladcli.structures.boxes import clip_boxes, matrix_iou
from ladcli.structures.predictions import full_precision

Select = Literal["pred", "anchor"]


@dataclass(frozen=True)
class SoftTargets:
    """Targets of every prior; boxes and IoUs count where ``weight`` is above zero."""

    prob: Tensor  # [B, A, C] class probabilities
    boxes: Tensor  # [B, A, 4] xyxy, clipped to the image
    iou: Tensor | None  # [B, A] probabilities; None for a teacher without IoU branch
    weight: Tensor  # [B, A] IoU with the best ground truth where selected, 0 elsewhere


@torch.no_grad()
def soft_targets(
    predictions: Predictions,
    boxes: Tensor,
    content_hw: Tensor,
    scene: Scene,
    *,
    select: Select,
    min_iou: float,
) -> SoftTargets:
    """The targets that a teacher's predictions make.

    A prior's box is a target where it (or with ``select='anchor'`` the prior itself) has an IoU
    above ``min_iou`` with a ground truth of the image.

    Args:
        boxes: the teacher's boxes [B, A, 4], decoded.
        content_hw: [B, 2], boxes are clipped to it.
    """
    boxes = clip_boxes(boxes, content_hw)
    judged = boxes if select == "pred" else scene.priors.boxes.expand_as(boxes)
    weight = selection_weight(judged, scene.targets, min_iou=min_iou)
    weight = weight.masked_fill(~scene.valid, 0.0)
    iou = predictions.iou_logits
    return SoftTargets(
        predictions.cls.prob(),
        boxes,
        None if iou is None else full_precision(iou).sigmoid(),
        weight,
    )


def selection_weight(boxes: Tensor, targets: Targets, *, min_iou: float) -> Tensor:
    """IoU of boxes [B, A, 4] with the best ground truth of their image where above ``min_iou``.

    Returns:
        [B, A], 0 elsewhere.
    """
    if targets.boxes.shape[1] == 0:
        return boxes.new_zeros(boxes.shape[:2])
    iou = matrix_iou(boxes, targets.boxes)  # [B, A, G]
    best = iou.masked_fill(~targets.valid.unsqueeze(1), 0.0).amax(dim=2)
    return torch.where(best > min_iou, best, 0.0)
