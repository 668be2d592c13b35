"""The detection loss of PAA and LAD: focal, GIoU and the IoU branch."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ladcli.structures import AnchorGrid, Assignment, Predictions, Targets, gather_per_anchor
from ladcli.structures.boxes import decode_boxes, pair_giou, pair_iou
from ladcli.structures.focal import focal_loss

BoxWeighting = Literal["iou", "uniform"]

#: Smallest weight of a positive whose weight is its IoU.
MIN_IOU_WEIGHT = 1e-12
_EPS = torch.finfo(torch.float32).eps


def detection_loss(
    predictions: Predictions,
    assignment: Assignment,
    targets: Targets,
    grid: AnchorGrid,
    *,
    box_weighting: BoxWeighting,
    alpha: float = 0.25,
    gamma: float = 2.0,
    cls_weight: float = 1.0,
    box_weight: float = 1.3,
    iou_weight: float = 0.5,
) -> dict[str, Tensor]:
    """Losses of a student under an assignment, whoever made it.

    With n positives and B images: the focal loss is summed and divided by max(n, B); the IoU
    branch's cross-entropy against the IoU of the student's own boxes is a mean over positives;
    the GIoU loss is a mean over positives too, weighted by that IoU where ``box_weighting`` is
    ``iou`` (PAA) and plain where it is ``uniform`` (LAD, CoLAD).  Without positives the last two
    are zero and still connected to the graph.

    Args:
        predictions: of the student, [B, A, …].
        assignment: [B, A].
        targets: G boxes per image.
        grid: A anchors.

    Returns:
        ``cls``, ``box`` and ``iou`` (where the network has that branch), each [] float32.
    """
    gt_index = assignment.gt_index
    foreground = assignment.foreground
    num_positive = assignment.num_positive.float()
    mean_over = num_positive + _EPS

    labels = gather_per_anchor(targets.labels, gt_index)
    focal = focal_loss(predictions.cls, labels, foreground, alpha=alpha, gamma=gamma)
    focal_sum = torch.where(assignment.counted, focal, 0.0).sum()
    losses = {"cls": cls_weight * focal_sum / num_positive.clamp(min=gt_index.shape[0])}

    boxes = decode_boxes(grid.anchors, predictions.box_deltas.float())
    gt_boxes = gather_per_anchor(targets.boxes, gt_index)
    giou_loss = 1 - pair_giou(boxes, gt_boxes)
    iou = pair_iou(boxes.detach(), gt_boxes)
    if box_weighting == "iou":
        weight = torch.where(foreground, iou.clamp(min=MIN_IOU_WEIGHT), 0.0)
        box_sum, box_norm = weight * giou_loss, weight.sum() + _EPS
    else:
        box_sum, box_norm = giou_loss, mean_over
    losses["box"] = box_weight * torch.where(foreground, box_sum, 0.0).sum() / box_norm

    if predictions.iou_logits is not None:
        iou_loss = F.binary_cross_entropy_with_logits(
            predictions.iou_logits.float(), iou.clamp(0, 1), reduction="none"
        )
        iou_sum = torch.where(foreground, iou_loss, 0.0).sum()
        losses["iou"] = iou_weight * iou_sum / mean_over
    return losses
