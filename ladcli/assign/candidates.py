"""Which anchors a ground truth may choose from (PAA, section 3.1: the pre-assignment)."""

from __future__ import annotations

import torch
from torch import Tensor

from ladcli.structures import BACKGROUND, OwnedCandidates, Priors, Scene
from ladcli.structures.boxes import EPS, box_area, matrix_iou

#: IoU from which a prior is a candidate.
MIN_IOU = 0.1


@torch.no_grad()
def iou_candidates(scene: Scene, *, min_iou: float = MIN_IOU) -> OwnedCandidates:
    """Every prior goes to the ground truth it overlaps best, and no ground truth goes empty.

    1. A prior whose best IoU is at least ``min_iou`` goes to that ground truth, the first of
       equals.
    2. Then each ground truth, in order, also takes *all* priors that overlap it exactly as well
       as its best one does, even below ``min_iou`` and from an earlier ground truth.  A box that
       overlaps no prior therefore takes every prior it does not overlap.
    """
    targets, valid = scene.targets, scene.valid
    b, a = valid.shape
    g = scene.num_gt
    if g == 0:
        return OwnedCandidates(torch.full((b, a), BACKGROUND, device=valid.device))

    iou = prior_iou(targets.boxes, scene.priors)  # [B, G, A]
    iou.masked_fill_(~targets.valid.unsqueeze(2), -1.0).masked_fill_(~valid.unsqueeze(1), -1.0)

    best_iou, best_gt = iou.max(dim=1)  # [B, A]; the first of equals
    gt_index = torch.where(best_iou >= min_iou, best_gt, BACKGROUND)

    own_best = iou.amax(dim=2, keepdim=True)  # [B, G, 1]
    claims = iou == own_best.masked_fill(own_best < 0, torch.inf)  # padding claims nothing
    order = torch.arange(g, dtype=torch.int32, device=valid.device).view(1, g, 1)
    last_claim = torch.where(claims, order, BACKGROUND).amax(dim=1)  # later boxes win
    return OwnedCandidates(torch.where(last_claim >= 0, last_claim, gt_index))


def prior_iou(boxes: Tensor, priors: Priors) -> Tensor:
    """IoU of boxes [B, G, 4] with all priors, [B, G, A]."""
    if priors.grid_sizes is None:
        return matrix_iou(boxes, priors.boxes)
    return _grid_iou(boxes, priors, priors.grid_sizes)


def _grid_iou(boxes: Tensor, priors: Priors, grid_sizes: tuple[tuple[int, int], ...]) -> Tensor:
    """Equal to `ladcli.structures.boxes.matrix_iou` to the last bit, and several times as fast.

    On a level, the width of an overlap depends on the anchor's column alone, and its height on the
    row.
    """
    x1, y1, x2, y2 = boxes.unsqueeze(-1).unbind(-2)  # each [B, G, 1]
    overlaps = []
    for (rows, cols), here in zip(grid_sizes, priors.level_slices(), strict=True):
        if rows * cols == 0:
            continue
        level = priors.boxes[here].view(rows, cols, 4)
        low_x, high_x = level[0, :, 0], level[0, :, 2]  # [cols]
        low_y, high_y = level[:, 0, 1], level[:, 0, 3]  # [rows]
        width = (torch.minimum(x2, high_x) - torch.maximum(x1, low_x)).clamp_(min=0)
        height = (torch.minimum(y2, high_y) - torch.maximum(y1, low_y)).clamp_(min=0)
        overlaps.append((height.unsqueeze(-1) * width.unsqueeze(-2)).flatten(2))
    overlap = torch.cat(overlaps, dim=2)
    union = (box_area(boxes).unsqueeze(-1) + box_area(priors.boxes)).sub_(overlap).clamp_(min=EPS)
    return overlap.div_(union)
