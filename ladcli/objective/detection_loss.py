"""The detection loss of PAA and LAD: focal, GIoU and the IoU branch."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ladcli.structures import Assignment, Predictions, Scene, gather_per_anchor
from ladcli.structures.boxes import pair_giou, pair_iou
from ladcli.structures.focal import focal_loss, quality_focal_loss
from ladcli.structures.losses import LossTerm, LossTerms, Normalizer

BoxWeighting = Literal["iou", "uniform"]

#: Smallest weight of a positive whose weight is its IoU.
MIN_IOU_WEIGHT = 1e-12
_EPS = torch.finfo(torch.float32).eps


def detection_loss(
    predictions: Predictions,
    boxes: Tensor,
    assignment: Assignment,
    scene: Scene,
    *,
    box_weighting: BoxWeighting,
    alpha: float,
    gamma: float,
    cls_weight: float,
    box_weight: float,
    iou_weight: float,
) -> LossTerms:
    """Loss terms of a student under an assignment, whoever made it.

    With n positives and B images: the focal loss is summed and divided by max(n, B); the IoU
    branch's cross-entropy against the IoU of the student's own boxes is a mean over positives;
    the GIoU loss is a mean over positives too, weighted by that IoU where ``box_weighting`` is
    ``iou`` (PAA) and plain where it is ``uniform`` (LAD, CoLAD).  Without positives the last two
    are zero and still connected to the graph.

    Where the assignment has a quality q per positive, that is the target of its class, q weighs
    its box loss, and Σ q takes the place of n for both.

    Args:
        predictions: of the student, [B, A, …].
        boxes: its boxes [B, A, 4], decoded and not clipped.
        assignment: [B, A].

    Returns:
        ``cls``, ``box`` and ``iou`` (where the network has that branch).
    """
    gt_index, foreground = assignment.gt_index, assignment.foreground
    positives = assignment.num_positive.float()
    images = positives.new_full((), gt_index.shape[0])
    labels = gather_per_anchor(scene.targets.labels, gt_index)
    gt_boxes = gather_per_anchor(scene.targets.boxes, gt_index)

    giou_loss = 1 - pair_giou(boxes, gt_boxes)
    iou = pair_iou(boxes.detach(), gt_boxes)
    if assignment.quality is not None:
        quality = torch.where(foreground, assignment.quality, 0.0)
        focal = quality_focal_loss(
            predictions.cls, labels, foreground, quality, alpha=alpha, gamma=gamma
        )
        amount, box_loss = quality.sum(), quality * giou_loss
        box_norm = Normalizer(amount, epsilon=_EPS)
    else:
        focal = focal_loss(predictions.cls, labels, foreground, alpha=alpha, gamma=gamma)
        amount, box_loss = positives, giou_loss
        box_norm = Normalizer(positives, epsilon=_EPS)
        if box_weighting == "iou":
            weight = torch.where(foreground, iou.clamp(min=MIN_IOU_WEIGHT), 0.0)
            box_loss, box_norm = weight * giou_loss, Normalizer(weight.sum(), epsilon=_EPS)

    losses = {
        "cls": LossTerm(cls_weight * torch.where(assignment.counted, focal, 0.0).sum(), "cls"),
        "box": LossTerm(box_weight * torch.where(foreground, box_loss, 0.0).sum(), "box"),
    }
    normalizers = {"cls": Normalizer(amount, at_least=images), "box": box_norm}
    if predictions.iou_logits is not None:
        iou_loss = F.binary_cross_entropy_with_logits(
            predictions.iou_logits.float(), iou.clamp(0, 1), reduction="none"
        )
        iou_sum = torch.where(foreground, iou_loss, 0.0).sum()
        losses["iou"] = LossTerm(iou_weight * iou_sum, "positives")
        normalizers["positives"] = Normalizer(positives, epsilon=_EPS)
    return LossTerms(losses, normalizers)
