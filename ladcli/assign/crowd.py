"""Priors over crowd regions can be left out of the loss."""

from __future__ import annotations

from dataclasses import replace

import torch

from ladcli.structures import BACKGROUND, IGNORE, Assignment, Scene
from ladcli.structures.boxes import box_area

#: Share of a prior's area inside one crowd region above which it is ignored.
MAX_CROWD_SHARE = 0.5


@torch.no_grad()
def ignore_crowd(assignment: Assignment, scene: Scene) -> Assignment:
    """Turn background priors that lie mostly over a crowd region into ignored ones.

    Args:
        assignment: [B, A].
        scene: its crowd regions [B, R, 4] are zero-area boxes where padded.
    """
    crowd, boxes = scene.targets.crowd, scene.priors.boxes
    if crowd.shape[1] == 0:
        return assignment
    low = torch.maximum(crowd[:, :, None, :2], boxes[:, :2])  # [B, R, A, 2]
    high = torch.minimum(crowd[:, :, None, 2:], boxes[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1) / box_area(boxes)  # [B, R, A]
    over_crowd = shared.amax(dim=1) > MAX_CROWD_SHARE
    background = assignment.gt_index == BACKGROUND
    gt_index = assignment.gt_index.masked_fill(background & over_crowd, IGNORE)
    return replace(assignment, gt_index=gt_index)
