"""Anchors over crowd regions can be left out of the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from ladcli.structures import BACKGROUND, IGNORE, AnchorGrid, Assignment
from ladcli.structures.boxes import box_area

#: Share of an anchor's area inside one crowd region above which it is ignored.
MAX_CROWD_SHARE = 0.5


@torch.no_grad()
def ignore_crowd(assignment: Assignment, crowd: Tensor, grid: AnchorGrid) -> Assignment:
    """Turn background anchors that lie mostly over a crowd region into ignored ones.

    Args:
        assignment: [B, A].
        crowd: [B, R, 4] regions, zero-area boxes where padded.
        grid: A anchors.
    """
    if crowd.shape[1] == 0:
        return assignment
    low = torch.maximum(crowd[:, :, None, :2], grid.anchors[:, :2])  # [B, R, A, 2]
    high = torch.minimum(crowd[:, :, None, 2:], grid.anchors[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1) / box_area(grid.anchors)  # [B, R, A]
    over_crowd = shared.amax(dim=1) > MAX_CROWD_SHARE
    background = assignment.gt_index == BACKGROUND
    return Assignment(assignment.gt_index.masked_fill(background & over_crowd, IGNORE))
