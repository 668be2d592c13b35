"""From the pairs that a rule chose to an assignment: a prior answers for one ground truth."""

from __future__ import annotations

import torch
from torch import Tensor

from ladcli.structures import BACKGROUND, IGNORE, Assignment, Scene


@torch.no_grad()
def to_best_owner(chosen: Tensor, prior: Tensor, rank: Tensor, scene: Scene) -> Assignment:
    """Leave each prior to the ground truth with the lowest rank; of equals, to the first.

    Args:
        chosen: [B, G, K] bool, the pairs that a rule chose.
        prior: [B, G, K] int64, of each pair.
        rank: [B, G, K], lower is better; finite where chosen.

    Returns:
        Every other valid prior is background.
    """
    gt_index = torch.where(scene.valid, BACKGROUND, IGNORE)
    if chosen.numel() == 0:
        return Assignment(gt_index)
    b, g, k = chosen.shape
    flat = prior.expand_as(chosen).flatten(1)
    price = rank.masked_fill(~chosen, torch.inf).flatten(1)
    best = price.new_full(gt_index.shape, torch.inf).scatter_reduce(1, flat, price, "amin")
    wins = chosen.flatten(1) & (price == best.gather(1, flat))
    owner = torch.arange(g, device=flat.device).view(1, g, 1).expand(b, g, k).flatten(1)
    first = torch.full_like(gt_index, g)
    first = first.scatter_reduce(1, flat, owner.masked_fill(~wins, g), "amin")
    return Assignment(torch.where(first < g, first, gt_index))
