"""What it would cost a network to make a candidate a positive (equation 2 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor

from ladcli.structures import (
    AnchorGrid,
    Candidates,
    ClassOutput,
    Costs,
    Predictions,
    Targets,
)
from ladcli.structures.boxes import decode_boxes, pair_giou
from ladcli.structures.focal import focal_loss


@torch.no_grad()
def detection_cost(
    candidates: Candidates,
    predictions: Predictions,
    targets: Targets,
    grid: AnchorGrid,
    *,
    box_weight: float = 1.3,
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> Costs:
    """Classification plus box loss of every candidate, as if it were a positive.

    The printed equation has IoU; like the reference we use the training box loss (GIoU).  The
    IoU branch does not enter.

    Args:
        candidates: [B, A].
        predictions: of the network that prices.
        targets: G boxes per image.
        grid: A anchors.
        box_weight: weight of the GIoU loss.
        alpha, gamma: of the focal loss.

    Returns:
        Costs [B, A], +inf where the anchor is no candidate.
    """
    rows = _rows_to_price(candidates)  # [N], into the flattened [B·A]
    gt_index = candidates.gt_index
    num_anchors = gt_index.shape[1]
    image = rows // num_anchors
    gt_row = gt_index.flatten().index_select(0, rows).clamp(min=0)
    labels, gt_boxes = _of_each_pair(targets, image, gt_row)
    boxes = decode_boxes(
        grid.anchors.index_select(0, rows - image * num_anchors),
        predictions.box_deltas.flatten(0, 1).index_select(0, rows).float(),
    )
    cls_part, box_part = cost_parts(
        predictions.cls.rows(rows),
        boxes,
        labels,
        gt_boxes,
        box_weight=box_weight,
        alpha=alpha,
        gamma=gamma,
    )
    values = torch.full(gt_index.shape, torch.inf, device=gt_index.device).flatten()
    values = values.index_copy(0, rows, cls_part + box_part).view_as(gt_index)
    return Costs(values.masked_fill(~candidates.mask, torch.inf))


def cost_parts(
    cls: ClassOutput,
    boxes: Tensor,
    labels: Tensor,
    gt_boxes: Tensor,
    *,
    box_weight: float = 1.3,
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> tuple[Tensor, Tensor]:
    """The two terms of the cost for N pairs of an anchor and a ground truth.

    Args:
        cls: class outputs, [N, C].
        boxes: [N, 4] decoded, not clipped.
        labels: [N] int64, class of the ground truth.
        gt_boxes: [N, 4].

    Returns:
        Class part [N]: focal loss summed over all classes, one-hot target.  Box part [N]:
        ``box_weight`` times (1 - GIoU).
    """
    everywhere = torch.ones_like(labels, dtype=torch.bool)
    cls_part = focal_loss(cls, labels, everywhere, alpha=alpha, gamma=gamma)
    return cls_part, box_weight * (1 - pair_giou(boxes, gt_boxes))


def _of_each_pair(targets: Targets, image: Tensor, gt_row: Tensor) -> tuple[Tensor, Tensor]:
    """Labels [N] and boxes [N, 4] of ground truths ``gt_row`` [N] of images ``image`` [N]."""
    num_gt = targets.labels.shape[1]
    if num_gt == 0:
        return torch.zeros_like(image), targets.boxes.new_zeros(len(image), 4)
    row = image * num_gt + gt_row
    labels = targets.labels.flatten().index_select(0, row)
    return labels, targets.boxes.flatten(0, 1).index_select(0, row)


def _rows_to_price(candidates: Candidates) -> Tensor:
    """Indices into the flattened [B·A] anchors that have to be priced.

    A CPU knows for free which anchors are candidates (some 10 %) and prices only those.  Another
    device would have to wait to learn their number, so it prices all anchors at a static shape.
    """
    flat = candidates.mask.flatten()
    if flat.device.type == "cpu" and not torch.compiler.is_compiling():
        return flat.nonzero().squeeze(1)
    return torch.arange(flat.shape[0], device=flat.device)
