"""The dynamic switch: whose costs decide, the teacher's or the student's (equation 3).

Of two networks that price the same candidates, the one whose costs tell good from bad candidates
more clearly, by the score ρ, is the teacher of the moment.  The paper decides once per iteration;
the reference once per ground truth and level.  The scope of a decision is an option here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ladcli.assign.grouped_mixture import fit_grouped_mixtures
from ladcli.assign.moments import CostMoments, Scope, cost_moments, scope_groups, scope_shape
from ladcli.structures import Candidates, Costs, Scene

Criterion = Literal["std-mean", "fisher"]


@dataclass(frozen=True)
class Judgement:
    """What the switch knows of one network, for every decision: [B, G, L], spanned axes 1 long."""

    score: Tensor  # ρ, float64
    mean: Tensor  # mean cost, float64; +inf where there is none
    count: Tensor  # candidates, float64


@dataclass(frozen=True)
class Switch:
    """How two networks are compared.

    ``std-mean`` is ρ = σ / μ of the candidates' costs, with the unbiased σ.  ``fisher`` fits a
    mixture of two Gaussians and is ρ = (μ₊ - μ₋)² / (σ₊² + σ₋²).
    """

    criterion: Criterion = "std-mean"
    scope: Scope = "level"

    def judge(self, candidates: Candidates, costs: Costs, scene: Scene) -> Judgement:
        """Judge the network that these costs come from."""
        moments = cost_moments(candidates, costs, scene)
        fisher = None
        if self.criterion == "fisher":
            fisher = fisher_scores(candidates, costs, scene, self.scope)
        return self.judge_moments(moments, fisher)

    def judge_moments(self, moments: CostMoments, fisher: Tensor | None) -> Judgement:
        """Judge from moments per ground truth and level, and from Fisher scores of this scope."""
        pooled = moments.pooled(self.scope)
        if fisher is None:
            # Costs are sums of losses, so a mean of 0 has a deviation of 0 too.
            score = pooled.std / pooled.mean.clamp(min=torch.finfo(torch.float64).tiny)
        else:
            score = fisher
        # Without any finite cost a network cannot be the cheaper one.
        mean = torch.where(pooled.count > 0, pooled.mean, torch.inf)
        return Judgement(score, mean, pooled.count)


def choose_teacher(teacher: Judgement, student: Judgement) -> Tensor:
    """Where the teacher's costs are used, bool, in the shape of the judgements.

    The higher score wins, and a tie goes to the teacher.  One candidate alone has no spread: there
    the teacher wins only if it is strictly cheaper.
    """
    cheaper = teacher.mean < student.mean
    return torch.where(teacher.count < 2, cheaper, teacher.score >= student.score)


def mix_costs(
    candidates: Candidates, teacher: Costs, student: Costs, roles: Tensor, scene: Scene
) -> Costs:
    """Costs of whichever network decides over each candidate, in the candidates' layout.

    Args:
        roles: bool, broadcastable to [B, G, L]; True takes the teacher's cost.
    """
    values, num_gt, levels = student.values, roles.shape[1], scene.priors.num_levels
    if num_gt == 0:  # no ground truth, no candidates
        return student
    roles = roles.expand(scene.num_images, num_gt, levels).flatten(1)
    place = candidates.level(scene.priors)
    if num_gt > 1:  # else one decision for all ground truths
        place = candidates.owner().clamp(min=0) * levels + place
    by_teacher = roles.gather(1, place.expand_as(values).flatten(1)).view_as(values)
    iou = None
    if teacher.iou is not None and student.iou is not None:
        iou = torch.where(by_teacher, teacher.iou, student.iou)
    return Costs(
        torch.where(by_teacher, teacher.values, values),
        iou,
        _mixed_background(teacher, student, roles),
    )


def _mixed_background(teacher: Costs, student: Costs, roles: Tensor) -> Tensor | None:
    """The background's price belongs to no object, so whole images decide over it.

    Args:
        roles: [B, G·L], equal within an image where the scope is an image or wider.
    """
    if teacher.background is None or student.background is None:
        return None
    return torch.where(roles[:, :1], teacher.background, student.background)


def teacher_share(roles: Tensor, count: Tensor) -> Tensor:
    """Share of the decisions that went to the teacher, [] float32; 0 where there was none."""
    decided = count > 0
    return (roles & decided).sum() / decided.sum().clamp(min=1)


@torch.no_grad()
def fisher_scores(candidates: Candidates, costs: Costs, scene: Scene, scope: Scope) -> Tensor:
    """Fisher score of the costs in every group of ``scope``: [B, G, L], spanned axes 1 long."""
    group = scope_groups(candidates, costs, scene, scope).flatten()
    shape = scope_shape(scene, scope)
    num_groups = math.prod(shape)
    values = torch.where(group < num_groups, costs.values.flatten(), 0.0)
    if values.device.type == "cpu" and not torch.compiler.is_compiling():
        # A CPU knows for free which priors are candidates; another device would have to wait.
        rows = (group < num_groups).nonzero().squeeze(1)
        values, group = values[rows], group[rows]
    # The last group collects whatever belongs to none, and is dropped.
    means, variances = fit_grouped_mixtures(values, group, num_groups + 1)
    score = (means[1] - means[0]).square() / variances.sum(dim=0)
    return score[:num_groups].view(shape)
