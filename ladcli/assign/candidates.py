"""Which anchors a ground truth may choose from (PAA, section 3.1: the pre-assignment)."""

from __future__ import annotations

import torch
from torch import Tensor

from ladcli.structures import BACKGROUND, AnchorGrid, Candidates, Targets
from ladcli.structures.boxes import matrix_iou


@torch.no_grad()
def iou_candidates(
    targets: Targets, grid: AnchorGrid, valid: Tensor, *, min_iou: float = 0.1
) -> Candidates:
    """Every anchor goes to the ground truth it overlaps best, and no ground truth goes empty.

    1. An anchor whose best IoU is at least ``min_iou`` goes to that ground truth, the first of
       equals.
    2. Then each ground truth, in order, also takes *all* anchors that overlap it exactly as well
       as its best one does, even below ``min_iou`` and from an earlier ground truth.  A box that
       overlaps no anchor therefore takes every anchor it does not overlap.

    Args:
        targets: G boxes per image, padded.
        grid: A anchors.
        valid: [B, A] bool; invalid anchors are never candidates.
        min_iou: see above.

    Returns:
        Candidates, [B, A].
    """
    b, a = valid.shape
    g = targets.boxes.shape[1]
    if g == 0:
        return Candidates(torch.full((b, a), BACKGROUND, device=valid.device))

    iou = matrix_iou(targets.boxes, grid.anchors)  # [B, G, A]
    allowed = valid.unsqueeze(1) & targets.valid.unsqueeze(2)  # [B, G, A]
    iou = iou.masked_fill(~allowed, -1.0)

    best_iou, best_gt = iou.max(dim=1)  # [B, A]; the first of equals
    gt_index = torch.where(best_iou >= min_iou, best_gt, BACKGROUND)

    own_best = iou.amax(dim=2, keepdim=True)  # [B, G, 1]
    claims = (iou == own_best) & allowed
    order = torch.arange(g, device=valid.device).view(1, g, 1)
    last_claim = torch.where(claims, order, BACKGROUND).amax(dim=1)  # later boxes win
    return Candidates(torch.where(last_claim >= 0, last_claim, gt_index))
