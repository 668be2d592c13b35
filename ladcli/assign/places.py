"""Where priors lie relative to ground truths: the geometry that candidate rules are made of."""

from __future__ import annotations

import torch
from torch import Tensor

from ladcli.structures import Scene, SharedCandidates

#: Pixels that a center must be away from the border of a box to count as inside.
BORDER = 0.01


@torch.no_grad()
def inside_boxes(scene: Scene, *, border: float = BORDER) -> Tensor:
    """Which valid priors have their center inside which ground truth, [B, G, A] bool."""
    x, y = scene.priors.centers.unbind(-1)  # each [A]
    x1, y1, x2, y2 = scene.targets.boxes.unsqueeze(-1).unbind(-2)  # each [B, G, 1]
    nearest = torch.minimum(
        torch.minimum(x - x1, x2 - x), torch.minimum(y - y1, y2 - y)
    )  # to a side, [B, G, A]
    return (nearest > border) & possible(scene)


@torch.no_grad()
def near_centers(scene: Scene, *, radius: float) -> Tensor:
    """Which valid priors lie within ``radius`` strides of a ground truth's center, [B, G, A] bool.

    The region is a square, as the reference of OTA has it.
    """
    center = (scene.targets.boxes[..., :2] + scene.targets.boxes[..., 2:]) / 2  # [B, G, 2]
    far_x, far_y = (
        (scene.priors.centers[:, axis] - center[..., axis].unsqueeze(-1)).abs() for axis in (0, 1)
    )
    reach = radius * scene.priors.stride
    return (torch.maximum(far_x, far_y) < reach) & possible(scene)


@torch.no_grad()
def nearest_on_levels(scene: Scene, *, per_level: int) -> SharedCandidates:
    """The priors whose centers are nearest to that of each ground truth, so many on every level.

    Returns:
        Places [B, G, K]; K is at most levels × ``per_level``.
    """
    center = (scene.targets.boxes[..., :2] + scene.targets.boxes[..., 2:]) / 2  # [B, G, 2]
    index, mask = [], []
    for here in scene.priors.level_slices():
        count = min(per_level, here.stop - here.start)
        x, y = scene.priors.centers[here].unbind(-1)
        away = (x - center[..., :1]).square() + (y - center[..., 1:]).square()  # [B, G, n]
        away = away.masked_fill(~scene.valid[:, None, here], torch.inf)
        distance, place = away.topk(count, dim=2, largest=False)
        index.append(place + here.start)
        mask.append(distance < torch.inf)
    found = torch.cat(mask, dim=2) & scene.targets.valid.unsqueeze(2)
    return SharedCandidates(found, torch.cat(index, dim=2))


def possible(scene: Scene) -> Tensor:
    """Pairs of a ground truth that is there and a valid prior, [B, G, A] bool."""
    return scene.targets.valid.unsqueeze(2) & scene.valid.unsqueeze(1)
