"""Task-aligned assignment (TOOD, Feng et al. 2021), which the YOLO family trains with.

A candidate has the alignment t = p^α · IoU^β, of its class probability and its predicted box.  Its
cost is −log t, so the cheapest candidates are the best aligned ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ladcli.assign.assigner import Assigner
from ladcli.assign.dense_costs import own_class, predicted_iou
from ladcli.assign.owners import to_best_owner
from ladcli.assign.places import inside_boxes
from ladcli.assign.selection import cheapest_samples
from ladcli.structures import Assignment, Candidates, ClassOutput, Costs, Scene, SharedCandidates

#: Keeps the normalization of an object without alignment finite.
_EPS = 1e-7


def tal_assigner(
    *, alpha: float = 1.0, beta: float = 6.0, topk: int = 13, ignore_crowd: bool = False
) -> Assigner:
    """TAL with the published exponents 1 and 6 and 13 positives per object.

    Args:
        alpha: exponent of the class probability.
        beta: exponent of the IoU.
        topk: candidates of each ground truth that become positives.
        ignore_crowd: ignore priors over crowd regions instead of calling them background.
    """
    options = {"candidates": "inside", "cost": "alignment", "alpha": alpha, "beta": beta,
               "topk": topk, "selection": "topk"}  # fmt: skip
    return Assigner(
        candidate_rule=inside_candidates,
        cost_rule=partial(alignment_cost, alpha=alpha, beta=beta),
        selection_rule=BestAligned(topk),
        options=tuple(sorted(options.items())),
        crowd_is_ignored=ignore_crowd,
    )


@torch.no_grad()
def inside_candidates(scene: Scene) -> SharedCandidates:
    """Priors with their center inside a ground truth are candidates of it."""
    return SharedCandidates(inside_boxes(scene))


@torch.no_grad()
def alignment_cost(
    candidates: Candidates,
    scene: Scene,
    cls: ClassOutput,
    boxes: Tensor,
    *,
    alpha: float,
    beta: float,
) -> Costs:
    """−α · log p − β · log IoU of every candidate, with the IoU beside it.

    A candidate whose predicted box misses the ground truth has no alignment and no finite cost.
    """
    iou = predicted_iou(boxes, scene)
    log_prob = own_class(cls, scene).log_prob()
    cost = -alpha * log_prob - beta * iou.log()  # +inf where the IoU is 0
    return Costs(cost.masked_fill(~candidates.mask, torch.inf), iou)


@dataclass(frozen=True)
class BestAligned:
    """The ``topk`` best aligned candidates of every ground truth, with soft class targets.

    A prior that several want goes to the one that its predicted box overlaps most.  The target of a
    positive is its alignment, divided by the best of its object and multiplied by the object's best
    IoU, both among its positives.
    """

    topk: int = 13

    @torch.no_grad()
    def __call__(self, candidates: Candidates, costs: Costs, scene: Scene) -> Assignment:
        if costs.iou is None:
            raise ValueError("task-aligned selection needs the predicted IoU beside the costs")
        samples = cheapest_samples(candidates, costs, scene, topk=self.topk)
        cost, prior = samples.cost[..., : self.topk], samples.prior[..., : self.topk]
        chosen = samples.valid[..., : self.topk]
        iou = costs.iou.gather(2, prior)
        owned = to_best_owner(chosen, prior, -iou, scene)
        owner = torch.arange(scene.num_gt, device=prior.device).view(1, -1, 1)
        if not chosen.numel():
            return replace(owned, quality=torch.zeros_like(owned.gt_index, dtype=cost.dtype))
        mine = chosen & (_of_prior(owned.gt_index, prior) == owner)
        alignment = torch.where(mine, (-cost).exp(), 0.0)
        best_iou = torch.where(mine, iou, 0.0).amax(dim=2, keepdim=True)
        scale = best_iou / (alignment.amax(dim=2, keepdim=True) + _EPS)
        quality = torch.zeros_like(owned.gt_index, dtype=cost.dtype)
        worth = torch.where(mine, alignment * scale, 0.0)
        quality = quality.scatter_reduce(1, prior.flatten(1), worth.flatten(1), "amax")
        return replace(owned, quality=quality)


def _of_prior(values: Tensor, prior: Tensor) -> Tensor:
    """``values`` [B, A] of priors [B, G, K]."""
    return values.gather(1, prior.flatten(1)).view_as(prior)
