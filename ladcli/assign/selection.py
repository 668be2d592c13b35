"""Which candidates become positives: the cheap ones, by the mixture of their costs.

PAA (section 3.1) fits a two-component mixture to the costs of each ground truth's cheapest
candidates and takes the lower component as positives.  Where exactly the lower component ends is a
rule of its own; both known rules are here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from ladcli.assign.mixture import MixtureEngine, MixtureFit, fit_mixtures
from ladcli.assign.owners import to_best_owner
from ladcli.structures import (
    BACKGROUND,
    IGNORE,
    Assignment,
    Candidates,
    Costs,
    OwnedCandidates,
    Scene,
    SharedCandidates,
)

Rule = Literal["density-peak", "mean"]

#: Cheapest candidates per ground truth and level that enter the mixture.
TOPK = 9


@dataclass(frozen=True)
class Samples:
    """The cheapest candidates of every ground truth, ascending in cost.

    K = levels × topk at most; a level with fewer priors contributes fewer columns.
    """

    cost: Tensor  # [B, G, K] float32, ascending; +inf for padding
    prior: Tensor  # [B, G, K] int64, index of the prior; meaningless for padding
    valid: Tensor  # [B, G, K] bool


@torch.no_grad()
def cheapest_samples(candidates: Candidates, costs: Costs, scene: Scene, *, topk: int) -> Samples:
    """The ``topk`` cheapest candidates of each ground truth in each level, sorted by cost.

    Candidates whose cost is not finite are no samples.

    Args:
        candidates, costs: in any layout.
        topk: candidates per ground truth and level.
    """
    finite = torch.where(costs.values.isfinite(), costs.values, torch.inf)
    cost, prior = [], []
    for level_cost, prior_of in _levels(candidates, finite, scene):
        most = min(topk, level_cost.shape[2])
        value, place = level_cost.topk(most, dim=2, largest=False)
        cost.append(value)
        prior.append(prior_of(place))
    sorted_cost, order = torch.cat(cost, dim=2).sort(dim=2, stable=True)
    sorted_prior = torch.cat(prior, dim=2).gather(2, order)
    return Samples(sorted_cost, sorted_prior, sorted_cost < torch.inf)


def _levels(
    candidates: Candidates, costs: Tensor, scene: Scene
) -> Iterator[tuple[Tensor, Callable[[Tensor], Tensor]]]:
    """For every level: costs [B, G, K] per ground truth, and which prior a place [B, G, k] is.

    A static loop; +inf where there is no candidate.
    """
    for level, here in enumerate(scene.priors.level_slices()):
        match candidates:
            case OwnedCandidates():
                owner = torch.arange(scene.num_gt, device=costs.device).view(1, -1, 1)
                mine = candidates.gt_index[:, None, here] == owner
                yield torch.where(mine, costs[:, None, here], torch.inf), _shift(here.start)
            case SharedCandidates(mask, None):
                mine = mask[:, :, here]
                yield torch.where(mine, costs[:, :, here], torch.inf), _shift(here.start)
            case SharedCandidates(mask, Tensor() as index):
                mine = mask & (candidates.level(scene.priors) == level)
                yield torch.where(mine, costs, torch.inf), partial(torch.gather, index, 2)
            case _:
                raise TypeError(f"no layout of candidates: {type(candidates).__name__}")


def _shift(start: int) -> Callable[[Tensor], Tensor]:
    return lambda place: place + start


@dataclass(frozen=True)
class MixtureSelection:
    """Positives from the mixture of costs; every other valid prior is background.

    A ground truth with fewer than two samples gets no positives.
    """

    topk: int = TOPK
    rule: Rule = "density-peak"  # see `select_samples`
    engine: MixtureEngine = fit_mixtures

    @torch.no_grad()
    def __call__(self, candidates: Candidates, costs: Costs, scene: Scene) -> Assignment:
        """Candidates and costs may be in any layout."""
        gt_index = torch.where(scene.valid, BACKGROUND, IGNORE)
        samples = cheapest_samples(candidates, costs, scene, topk=self.topk)
        if 0 in samples.cost.shape:
            return Assignment(gt_index)
        flat_cost, flat_valid = samples.cost.flatten(0, 1), samples.valid.flatten(0, 1)
        fit = self.engine(flat_cost.double(), flat_valid)
        positive = select_samples(fit, flat_cost, flat_valid, rule=self.rule)
        positive = positive.view_as(samples.valid)
        if not isinstance(candidates, OwnedCandidates):
            return to_best_owner(positive, samples.prior, samples.cost, scene)
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
    # Here priors belong to one ground truth only, so a maximum cannot mix two of them, and samples
    # that are not positive write the sentinel, which changes nothing.
    value = torch.where(positive, owner, IGNORE).flatten(1)
    return gt_index.scatter_reduce(1, samples.prior.flatten(1), value, "amax")
