"""Multiple anchor learning (Ke et al. 2020): a bag of priors per object shrinks to the best."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from ladcli.assign.assigner import Assigner
from ladcli.assign.candidates import prior_iou
from ladcli.assign.cost import ALPHA, BOX_WEIGHT, GAMMA, detection_cost
from ladcli.assign.owners import to_best_owner
from ladcli.assign.places import possible
from ladcli.structures import Assignment, Candidates, Costs, Scene, SharedCandidates


def mal_assigner(
    *,
    min_iou: float = 0.5,
    topk: int = 50,
    box_weight: float = BOX_WEIGHT,
    alpha: float = ALPHA,
    gamma: float = GAMMA,
    ignore_crowd: bool = False,
) -> Assigner:
    """MAL with bags of up to 50 priors of IoU above 0.5, which shrink evenly over the training.

    Args:
        min_iou: IoU above which a prior enters the bag; the best ones enter whatever their IoU.
        topk: priors of a bag at most, those of the highest IoU.
        box_weight: weight of the GIoU loss in the cost.
        alpha, gamma: of the focal loss in the cost.
        ignore_crowd: ignore priors over crowd regions instead of calling them background.
    """
    options = {"candidates": "bag", "min_iou": min_iou, "topk": topk, "cost": "focal+giou",
               "box_weight": box_weight, "alpha": alpha, "gamma": gamma,
               "selection": "shrinking"}  # fmt: skip
    return Assigner(
        candidate_rule=partial(bags, min_iou=min_iou, size=topk),
        cost_rule=partial(detection_cost, box_weight=box_weight, alpha=alpha, gamma=gamma),
        selection_rule=ShrinkingBag(topk),
        options=tuple(sorted(options.items())),
        crowd_is_ignored=ignore_crowd,
        needs_progress=True,
    )


@torch.no_grad()
def bags(scene: Scene, *, min_iou: float, size: int) -> SharedCandidates:
    """The priors that overlap each ground truth most, above ``min_iou``, and the best ones.

    Returns:
        Places [B, G, K] by falling IoU; K is at most ``size``.
    """
    iou = prior_iou(scene.targets.boxes, scene.priors)
    iou = iou.masked_fill(~possible(scene), -1.0)
    best, index = iou.topk(min(size, iou.shape[2]), dim=2)
    # The best, and those that are as good; one that touches no prior has none.
    claims = (best == best.amax(dim=2, keepdim=True)) & (best > 0)
    return SharedCandidates((best > min_iou) | claims, index)


@dataclass(frozen=True)
class ShrinkingBag:
    """At first the whole bag is positive, at last its cheapest prior alone.

    In between, after a share λ of the training, a bag of n keeps its ⌈n · (1 − λ)⌉ cheapest, at
    least one.  A prior that several want goes to the one that it is cheapest for.
    """

    topk: int = 50

    @torch.no_grad()
    def __call__(self, candidates: Candidates, costs: Costs, scene: Scene) -> Assignment:
        mask = candidates.mask & costs.values.isfinite()
        size = mask.sum(dim=2, keepdim=True)
        kept = (size * (1 - scene.progress)).ceil().clamp(min=1)
        price = costs.values.masked_fill(~mask, torch.inf)
        ascending, order = price.sort(dim=2, stable=True)
        prior = candidates.prior().expand_as(mask).gather(2, order)
        rank = torch.arange(mask.shape[2], device=mask.device)
        chosen = (rank < kept) & (ascending < torch.inf)
        return to_best_owner(chosen, prior, ascending, scene)
