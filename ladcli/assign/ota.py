"""Optimal transport assignment (Ge et al. 2021): objects and background bid for all priors at once.

Every prior is one unit of demand.  An object supplies as many units as its best predicted IoUs add
up to, and background supplies the rest.  Sinkhorn's iteration finds the plan that moves them most
cheaply, and a prior goes to whoever supplies most of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ladcli.assign.assigner import Assigner
from ladcli.assign.dense_costs import background_cost
from ladcli.assign.places import inside_boxes, nearest_on_levels
from ladcli.assign.simota import dynamic_k, entropy_iou_cost
from ladcli.structures import (
    BACKGROUND,
    IGNORE,
    Assignment,
    Candidates,
    ClassOutput,
    Costs,
    Scene,
    SharedCandidates,
)


def ota_assigner(
    *,
    radius: int = 5,
    topk: int = 20,
    iou_weight: float = 3.0,
    epsilon: float = 0.1,
    steps: int = 50,
    ignore_crowd: bool = False,
) -> Assigner:
    """OTA with the published radius 5, 20 IoUs for the dynamic k, and 50 Sinkhorn steps at 0.1.

    Args:
        radius: ``radius``² nearest priors per level are candidates, where they lie inside.
        topk: IoUs that are added up to the supply of an object.
        iou_weight: of −log IoU in the cost.
        epsilon: weight of the plan's entropy; smaller is nearer to the cheapest plan.
        steps: of Sinkhorn's iteration, always as many.
        ignore_crowd: ignore priors over crowd regions instead of calling them background.
    """
    options = {"candidates": "nearest inside", "radius": radius, "cost": "entropy+log-iou",
               "iou_weight": iou_weight, "topk": topk, "epsilon": epsilon, "steps": steps,
               "selection": "sinkhorn"}  # fmt: skip
    return Assigner(
        candidate_rule=partial(nearest_inside, per_level=radius * radius),
        cost_rule=partial(transport_cost, iou_weight=iou_weight),
        selection_rule=Transport(topk, epsilon, steps),
        options=tuple(sorted(options.items())),
        crowd_is_ignored=ignore_crowd,
    )


@torch.no_grad()
def nearest_inside(scene: Scene, *, per_level: int) -> SharedCandidates:
    """The nearest priors of every level that lie inside a ground truth, in the dense layout."""
    near = nearest_on_levels(scene, per_level=per_level)
    inside = inside_boxes(scene, border=0.0)
    if near.index is None or not near.mask.numel():
        return SharedCandidates(inside)
    chosen = torch.zeros_like(inside).scatter(2, near.index, near.mask)
    return SharedCandidates(chosen & inside)


@torch.no_grad()
def transport_cost(
    candidates: Candidates, scene: Scene, cls: ClassOutput, boxes: Tensor, *, iou_weight: float
) -> Costs:
    """As SimOTA's cost, with the price of background beside it."""
    costs = entropy_iou_cost(candidates, scene, cls, boxes, iou_weight=iou_weight)
    return Costs(costs.values, costs.iou, background_cost(cls, scene.valid))


@dataclass(frozen=True)
class Transport:
    """Priors go to whoever supplies most of them in the optimal plan."""

    topk: int = 20
    epsilon: float = 0.1
    steps: int = 50

    @torch.no_grad()
    def __call__(self, candidates: Candidates, costs: Costs, scene: Scene) -> Assignment:
        if costs.iou is None or costs.background is None:
            raise ValueError("transport needs the predicted IoU and a background price with costs")
        ignored = torch.where(scene.valid, BACKGROUND, IGNORE)
        if scene.num_gt == 0:
            return Assignment(ignored)
        wanted = dynamic_k(candidates.mask, costs.iou, most=self.topk)
        # No object can supply more than it has candidates.
        wanted = torch.minimum(wanted, candidates.mask.sum(dim=2))
        left = (scene.valid.sum(dim=1, keepdim=True) - wanted.sum(dim=1, keepdim=True)).clamp(min=0)
        supply = torch.cat([wanted, left], dim=1).to(costs.values.dtype)  # [B, G + 1]
        price = torch.cat([costs.values, costs.background.unsqueeze(1)], dim=1)
        price = price.masked_fill(~scene.valid.unsqueeze(1), torch.inf)
        plan = sinkhorn(price, supply, epsilon=self.epsilon, steps=self.steps)
        # Supplies differ by orders of magnitude: each is measured by its own largest part.
        share = plan - plan.amax(dim=2, keepdim=True).clamp(min=_NOTHING)
        best = share.argmax(dim=1)  # [B, A]; background is the last
        owned = (best < scene.num_gt) & candidates.mask.any(dim=1)
        return Assignment(torch.where(owned & scene.valid, best, ignored))


#: Stands for the logarithm of nothing, so that differences of it stay finite.
_NOTHING = -1e30


@torch.no_grad()
def sinkhorn(price: Tensor, supply: Tensor, *, epsilon: float, steps: int) -> Tensor:
    """The logarithm of the optimal plan with entropy, by a fixed number of steps.

    Args:
        price: [B, S, A] of moving a unit from each supplier to each prior; +inf forbids it.
        supply: [B, S] units; the demand of every prior is 1.
        epsilon: weight of the entropy.

    Returns:
        [B, S, A], −inf where nothing is moved.
    """
    kernel = -price / epsilon  # logarithms throughout: exponentials would underflow
    log_supply = supply.clamp(min=0).log()
    u = torch.zeros_like(supply)
    v = torch.zeros_like(price[:, 0])
    for _ in range(steps):
        u = log_supply - _log_sum(kernel + v.unsqueeze(1), dim=2)
        v = -_log_sum(kernel + u.unsqueeze(2), dim=1)
    return kernel + u.unsqueeze(2) + v.unsqueeze(1)


def _log_sum(values: Tensor, *, dim: int) -> Tensor:
    """log Σ exp; 0 where there is nothing to add up, so that nothing becomes NaN."""
    total = values.logsumexp(dim=dim)
    return torch.where(total.isfinite(), total, 0.0)
