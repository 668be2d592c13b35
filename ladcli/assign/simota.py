"""SimOTA (YOLOX, Ge et al. 2021): objects take as many of their cheapest priors as fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ladcli.assign.assigner import Assigner
from ladcli.assign.dense_costs import MIN_IOU, entropy_class_cost, predicted_iou
from ladcli.assign.owners import to_best_owner
from ladcli.assign.places import inside_boxes, near_centers, possible
from ladcli.assign.selection import cheapest_samples
from ladcli.structures import Assignment, Candidates, ClassOutput, Costs, Scene, SharedCandidates

#: What a prior pays that is not both inside its ground truth and near its center: it is taken only
#: where nothing else is left.  It belongs to the selection, not to the costs that are compared.
OUTSIDE = 1e5


def simota_assigner(
    *,
    radius: float = 2.5,
    topk: int = 10,
    iou_weight: float = 3.0,
    ignore_crowd: bool = False,
) -> Assigner:
    """SimOTA with the published radius 2.5, 10 priors for the dynamic k, and IoU weight 3.

    Args:
        radius: of the center region, in strides.
        topk: IoUs that are added up to the number of positives of an object, and so the most.
        iou_weight: of −log IoU in the cost.
        ignore_crowd: ignore priors over crowd regions instead of calling them background.
    """
    options = {"candidates": "inside or center", "radius": radius, "cost": "entropy+log-iou",
               "iou_weight": iou_weight, "topk": topk, "selection": "dynamic-k"}  # fmt: skip
    return Assigner(
        candidate_rule=partial(inside_or_central, radius=radius),
        cost_rule=partial(entropy_iou_cost, iou_weight=iou_weight),
        selection_rule=DynamicTopK(topk, radius),
        options=tuple(sorted(options.items())),
        crowd_is_ignored=ignore_crowd,
    )


@torch.no_grad()
def inside_or_central(scene: Scene, *, radius: float) -> SharedCandidates:
    """Priors inside a ground truth, or near its center, are candidates of it."""
    return SharedCandidates(inside_boxes(scene, border=0.0) | near_centers(scene, radius=radius))


@torch.no_grad()
def entropy_iou_cost(
    candidates: Candidates, scene: Scene, cls: ClassOutput, boxes: Tensor, *, iou_weight: float
) -> Costs:
    """Binary cross-entropy over all classes − ``iou_weight`` · log IoU, with the IoU beside it."""
    iou = predicted_iou(boxes, scene)
    cost = entropy_class_cost(cls, scene, candidates.mask.any(dim=1)) - iou_weight * (
        iou + MIN_IOU
    ).log().clamp(max=0)
    return Costs(cost.masked_fill(~candidates.mask, torch.inf), iou)


@dataclass(frozen=True)
class DynamicTopK:
    """As many of the cheapest candidates as the best predicted IoUs of the object add up to.

    A prior that several want goes to the one that it is cheapest for.
    """

    topk: int = 10
    radius: float = 2.5

    @torch.no_grad()
    def __call__(self, candidates: Candidates, costs: Costs, scene: Scene) -> Assignment:
        if costs.iou is None:
            raise ValueError("a dynamic number of positives needs the predicted IoU beside costs")
        # As the reference counts: every prior that is a candidate of some object.
        counted = candidates.mask.any(dim=1, keepdim=True) & possible(scene)
        number = dynamic_k(counted, costs.iou, most=self.topk)
        both = inside_boxes(scene, border=0.0) & near_centers(scene, radius=self.radius)
        priced = Costs(costs.values + OUTSIDE * (~both))
        samples = cheapest_samples(candidates, priced, scene, topk=self.topk)
        rank = torch.arange(samples.cost.shape[2], device=number.device)
        chosen = samples.valid & (rank < number.unsqueeze(2))
        return to_best_owner(chosen, samples.prior, samples.cost, scene)


@torch.no_grad()
def dynamic_k(counted: Tensor, iou: Tensor, *, most: int) -> Tensor:
    """Positives that each object gets: its ``most`` best predicted IoUs added up, at least 1.

    Args:
        counted: [B, G, K] bool, pairs whose IoU [B, G, K] counts.

    Returns:
        [B, G] int64.
    """
    best = iou.masked_fill(~counted, 0.0).topk(min(most, iou.shape[2]), dim=2).values
    return best.sum(dim=2).long().clamp(min=1)
