"""How many candidates a ground truth has in each level, and how their costs spread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ladcli.structures import Candidates, Costs, Scene

Scope = Literal["level", "object", "image", "batch"]

#: Axes of [B, G, L] that one decision spans.
_SPANS: dict[Scope, tuple[int, ...]] = {
    "level": (),
    "object": (2,),
    "image": (1, 2),
    "batch": (0, 1, 2),
}


@dataclass(frozen=True)
class CostMoments:
    """Count, mean and squared deviation of costs, per ground truth and level.

    L = levels.  Pooled over a wider scope, the axes that it spans have length 1.
    """

    count: Tensor  # [B, G, L] float64
    mean: Tensor  # [B, G, L] float64; 0 where there is none
    squared_deviation: Tensor  # [B, G, L] float64, sum of (cost - mean)²

    def pooled(self, scope: Scope) -> CostMoments:
        """The moments of all costs of a scope together."""
        span = _SPANS[scope]
        if not span:
            return self
        count = self.count.sum(dim=span, keepdim=True)
        mean = (self.count * self.mean).sum(dim=span, keepdim=True) / count.clamp(min=1)
        between = self.count * (self.mean - mean).square()
        deviation = (self.squared_deviation + between).sum(dim=span, keepdim=True)
        return CostMoments(count, mean, deviation)

    @property
    def std(self) -> Tensor:
        """Unbiased standard deviation; 0 below two costs."""
        return (self.squared_deviation / (self.count - 1).clamp(min=1)).sqrt()


@torch.no_grad()
def cost_moments(candidates: Candidates, costs: Costs, scene: Scene) -> CostMoments:
    """Moments over *all* candidates, not the cheapest alone, as far as their costs are finite."""
    shape = scope_shape(scene, "level")
    num_groups = math.prod(shape)
    group = scope_groups(candidates, costs, scene, "level")
    value = torch.where(group < num_groups, costs.values, 0.0).double().flatten()
    group = group.flatten()

    def total(values: Tensor) -> Tensor:
        # The last place collects whatever belongs to no group.
        return values.new_zeros(num_groups + 1).scatter_add_(0, group, values)

    count = total(torch.ones_like(value))
    mean = total(value) / count.clamp(min=1)
    deviation = total((value - mean[group]).square_())
    return CostMoments(*(t[:num_groups].view(shape) for t in (count, mean, deviation)))


def scope_groups(candidates: Candidates, costs: Costs, scene: Scene, scope: Scope) -> Tensor:
    """Number of the group that each candidate's cost belongs to, int64 in the candidates' layout.

    Groups count as the flattened [B, G, L] does, with the axes that ``scope`` spans left out.  What
    is no candidate, or has no finite cost, gets the number of groups.
    """
    values, num_gt = costs.values, scene.num_gt
    owner = candidates.owner()
    image = torch.arange(scene.num_images, device=values.device)
    image = image.view(-1, *(1 for _ in values.shape[1:]))
    match scope:
        case "level":
            levels = scene.priors.num_levels
            number = (image * num_gt + owner) * levels + candidates.level(scene.priors)
        case "object":
            number = image * num_gt + owner
        case "image":
            number = image
        case "batch":
            number = torch.zeros_like(image)
    counted = candidates.mask & values.isfinite()
    return torch.where(counted, number, math.prod(scope_shape(scene, scope)))


def scope_shape(scene: Scene, scope: Scope) -> tuple[int, int, int]:
    """[B, G, L] with the axes that ``scope`` spans of length 1."""
    span = _SPANS[scope]
    sizes = (scene.num_images, scene.num_gt, scene.priors.num_levels)
    first, second, third = (1 if axis in span else size for axis, size in enumerate(sizes))
    return first, second, third
