"""Adaptive training sample selection (Zhang et al. 2020).

No network is asked: positives depend on boxes and priors alone.  So there is nothing that a teacher
could say otherwise, and label assignment distillation with it would be plain training.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ladcli.assign.assigner import Assigner
from ladcli.assign.owners import to_best_owner
from ladcli.assign.places import inside_boxes, nearest_on_levels
from ladcli.structures import Assignment, Candidates, ClassOutput, Costs, Scene
from ladcli.structures.boxes import pair_iou


def atss_assigner(*, topk: int = 9, ignore_crowd: bool = False) -> Assigner:
    """ATSS with the published 9 nearest priors per level.

    Args:
        topk: nearest priors per ground truth and level.
        ignore_crowd: ignore priors over crowd regions instead of calling them background.
    """
    return Assigner(
        candidate_rule=partial(nearest_on_levels, per_level=topk),
        cost_rule=prior_distance,
        selection_rule=AdaptiveThreshold(topk),
        options=(("candidates", "nearest"), ("selection", "mean+std"), ("topk", topk)),
        crowd_is_ignored=ignore_crowd,
        asks_network=False,
    )


@torch.no_grad()
def prior_distance(candidates: Candidates, scene: Scene, cls: ClassOutput, boxes: Tensor) -> Costs:
    """1 − IoU of the prior itself with the ground truth; outputs of networks do not enter."""
    iou = prior_overlap(candidates, scene)
    return Costs((1 - iou).masked_fill(~candidates.mask, torch.inf))


@torch.no_grad()
def prior_overlap(candidates: Candidates, scene: Scene) -> Tensor:
    """IoU [B, G, K] of the priors of shared candidates with their ground truths."""
    prior = candidates.prior().expand_as(candidates.mask)
    return pair_iou(scene.priors.boxes[prior], scene.targets.boxes.unsqueeze(2))


@dataclass(frozen=True)
class AdaptiveThreshold:
    """Candidates whose prior overlaps by at least mean + deviation, with the center inside.

    Mean and (unbiased) deviation are those of all candidates of the ground truth.  A prior that
    several want goes to the one that it overlaps most.
    """

    topk: int = 9

    @torch.no_grad()
    def __call__(self, candidates: Candidates, costs: Costs, scene: Scene) -> Assignment:
        mask = candidates.mask
        prior = candidates.prior().expand_as(mask)
        iou = prior_overlap(candidates, scene)
        counted = iou.masked_fill(~mask, 0.0)
        number = mask.sum(dim=2, keepdim=True)
        mean = counted.sum(dim=2, keepdim=True) / number.clamp(min=1)
        spread = (iou - mean).square().masked_fill(~mask, 0.0).sum(dim=2, keepdim=True)
        deviation = (spread / (number - 1).clamp(min=1)).sqrt()
        inside = inside_boxes(scene).gather(2, prior)
        chosen = mask & inside & (iou >= mean + deviation)
        return to_best_owner(chosen, prior, -iou, scene)
