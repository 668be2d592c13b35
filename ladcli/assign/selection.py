"""Which candidates become positives: the cheap ones, by the mixture of their costs.

PAA (section 3.1) fits a two-component mixture to the costs of each ground truth's cheapest
candidates and takes the lower component as positives.  Where exactly the lower component ends is a
rule of its own; both known rules are here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ladcli.assign.mixture import MixtureEngine, MixtureFit
from ladcli.structures import BACKGROUND, IGNORE, AnchorGrid, Assignment, Candidates, Costs

Rule = Literal["density-peak", "mean"]


@dataclass(frozen=True)
class Samples:
    """The cheapest candidates of every ground truth, ascending in cost.

    K = levels × topk at most; a level with fewer anchors contributes fewer columns.
    """

    cost: Tensor  # [B, G, K] float32, ascending; +inf for padding
    anchor: Tensor  # [B, G, K] int64, flat anchor index; meaningless for padding
    valid: Tensor  # [B, G, K] bool


@torch.no_grad()
def cheapest_samples(
    candidates: Candidates, costs: Costs, grid: AnchorGrid, num_gt: int, *, topk: int
) -> Samples:
    """The ``topk`` cheapest candidates of each ground truth in each level, sorted by cost.

    Candidates whose cost is not finite are no samples.

    Args:
        candidates: [B, A].
        costs: [B, A].
        grid: tells the levels.
        num_gt: G, the padded number of ground truths.
        topk: candidates per ground truth and level.
    """
    owner = torch.arange(num_gt, device=costs.values.device).view(1, num_gt, 1)
    finite = torch.where(costs.values.isfinite(), costs.values, torch.inf)
    cost, anchor, start = [], [], 0
    for length in grid.level_lengths:  # five levels, a static loop
        level = slice(start, start + length)
        mine = candidates.gt_index[:, None, level] == owner  # [B, G, length]
        level_cost = torch.where(mine, finite[:, None, level], torch.inf)
        value, index = level_cost.topk(min(topk, length), dim=2, largest=False)
        cost.append(value)
        anchor.append(index + start)
        start += length
    sorted_cost, order = torch.cat(cost, dim=2).sort(dim=2, stable=True)
    sorted_anchor = torch.cat(anchor, dim=2).gather(2, order)
    return Samples(sorted_cost, sorted_anchor, sorted_cost < torch.inf)


@torch.no_grad()
def mixture_selection(
    candidates: Candidates,
    costs: Costs,
    grid: AnchorGrid,
    valid: Tensor,
    num_gt: int,
    *,
    engine: MixtureEngine,
    topk: int = 9,
    rule: Rule = "density-peak",
) -> Assignment:
    """Positives from the mixture of costs; every other valid anchor is background.

    A ground truth with fewer than two samples gets no positives.

    Args:
        candidates, costs: [B, A].
        grid: tells the levels.
        valid: [B, A] bool; invalid anchors are ignored.
        num_gt: G, the padded number of ground truths.
        engine: fits the mixtures.
        topk: cheapest candidates per ground truth and level that enter the mixture.
        rule: see `select_samples`.
    """
    gt_index = torch.where(valid, BACKGROUND, IGNORE)
    if num_gt == 0:
        return Assignment(gt_index)
    samples = cheapest_samples(candidates, costs, grid, num_gt, topk=topk)
    flat_cost, flat_valid = samples.cost.flatten(0, 1), samples.valid.flatten(0, 1)
    fit = engine(flat_cost.double(), flat_valid)
    positive = select_samples(fit, flat_cost, flat_valid, rule=rule).view_as(samples.valid)
    return Assignment(_mark_positives(gt_index, samples, positive))


@torch.no_grad()
def select_samples(
    fit: MixtureFit, costs: Tensor, valid: Tensor, *, rule: Rule = "density-peak"
) -> Tensor:
    """Positives among the samples of N mixtures.

    ``density-peak`` (the reference): the samples of component 0 in ascending cost, up to and
    including the one where the mixture is densest.  ``mean`` (the paper's text): samples cheaper
    than the mean of the lower component.

    Args:
        fit: N mixtures over K samples.
        costs: [N, K] ascending.
        valid: [N, K] bool.

    Returns:
        [N, K] bool; rows with fewer than two samples have none.
    """
    enough = valid.sum(dim=1, keepdim=True) >= 2
    if rule == "mean":
        lower_mean = fit.means.amin(dim=1, keepdim=True)
        return valid & enough & (costs.double() < lower_mean)
    lower = valid & enough & (fit.component == 0)
    density = fit.log_density.masked_fill(~lower, -torch.inf)
    peak = density.argmax(dim=1, keepdim=True)  # the first of equals
    column = torch.arange(costs.shape[1], device=costs.device).unsqueeze(0)
    return lower & (column <= peak)


def _mark_positives(gt_index: Tensor, samples: Samples, positive: Tensor) -> Tensor:
    """Write the ground truth of every positive sample into ``gt_index`` [B, A]."""
    b, g, k = positive.shape
    owner = torch.arange(g, device=gt_index.device).view(1, g, 1).expand(b, g, k)
    # Anchors belong to one ground truth only, so a maximum cannot mix two of them, and samples
    # that are not positive write the sentinel, which changes nothing.
    value = torch.where(positive, owner, IGNORE).flatten(1)
    return gt_index.scatter_reduce(1, samples.anchor.flatten(1), value, "amax")
