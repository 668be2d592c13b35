"""One-to-one matching, as DETR trains: every object gets one prior, at the least total cost.

The exact solution of an assignment problem is a search without a bound on its steps, so it is found
on the host, by scipy.  What crosses over is small: in a cheapest matching of G objects each has one
of its G cheapest priors, because of these the others can take G − 1 at most.  It is the one place
where label assignment makes a device wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ladcli.assign.assigner import Assigner
from ladcli.assign.cost import ALPHA, BOX_WEIGHT, GAMMA
from ladcli.assign.dense_costs import focal_class_cost, giou_cost
from ladcli.assign.places import possible
from ladcli.assign.selection import TOPK
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


def one_to_one_assigner(
    *,
    box_weight: float = BOX_WEIGHT,
    alpha: float = ALPHA,
    gamma: float = GAMMA,
    ignore_crowd: bool = False,
) -> Assigner:
    """All priors are candidates, priced by equation 2; one positive per object.

    Args:
        box_weight: weight of the GIoU loss in the cost.
        alpha, gamma: of the focal loss in the cost.
        ignore_crowd: ignore priors over crowd regions instead of calling them background.
    """
    options = {"candidates": "all", "cost": "focal+giou", "box_weight": box_weight,
               "alpha": alpha, "gamma": gamma, "selection": "hungarian"}  # fmt: skip
    return Assigner(
        candidate_rule=every_prior,
        cost_rule=partial(dense_detection_cost, box_weight=box_weight, alpha=alpha, gamma=gamma),
        selection_rule=CheapestMatching(),
        options=tuple(sorted(options.items())),
        crowd_is_ignored=ignore_crowd,
    )


@torch.no_grad()
def every_prior(scene: Scene) -> SharedCandidates:
    """Every valid prior is a candidate of every ground truth."""
    return SharedCandidates(possible(scene))


@torch.no_grad()
def dense_detection_cost(
    candidates: Candidates,
    scene: Scene,
    cls: ClassOutput,
    boxes: Tensor,
    *,
    box_weight: float,
    alpha: float,
    gamma: float,
) -> Costs:
    """As `ladcli.assign.cost.detection_cost`, without a tensor of pairs × classes."""
    cost = focal_class_cost(cls, scene, alpha=alpha, gamma=gamma)
    cost = cost.add_(giou_cost(boxes, scene), alpha=box_weight)
    return Costs(cost.masked_fill(~candidates.mask, torch.inf))


@dataclass(frozen=True)
class CheapestMatching:
    """One prior per ground truth, at the least sum of costs."""

    topk: int = TOPK  # cheapest candidates per level that caches and probes keep

    @torch.no_grad()
    def __call__(self, candidates: Candidates, costs: Costs, scene: Scene) -> Assignment:
        gt_index = torch.where(scene.valid, BACKGROUND, IGNORE)
        if scene.num_gt == 0:
            return Assignment(gt_index)
        values = costs.values
        cheapest, place = values.topk(min(scene.num_gt, values.shape[2]), dim=2, largest=False)
        prior = candidates.prior().expand_as(values).gather(2, place)
        rows, columns = matched(cheapest.cpu().numpy(), prior.cpu().numpy())
        positive = torch.from_numpy(columns).to(gt_index.device)
        owner = torch.from_numpy(rows).to(gt_index.device)
        return Assignment(gt_index.scatter_reduce(1, positive, owner, "amax"))


def matched(cost: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cheapest matchings of ground truths and priors, image by image.

    Args:
        cost: [B, G, K] float, +inf where there is no candidate.
        prior: [B, G, K] int64.

    Returns:
        Rows and priors, each [B, G] int64; a ground truth that gets none has the row −2 (IGNORE),
        which changes nothing, and prior 0.
    """
    # Here and not above: other methods do without, and it takes a while to load.
    from scipy.optimize import linear_sum_assignment

    rows = np.full(cost.shape[:2], IGNORE, dtype=np.int64)
    columns = np.zeros(cost.shape[:2], dtype=np.int64)
    for image in range(len(cost)):
        there = np.flatnonzero(np.isfinite(cost[image]).any(axis=1))
        if not len(there):
            continue
        wanted, column = np.unique(prior[image, there], return_inverse=True)
        table = np.full((len(there), len(wanted)), _FORBIDDEN)
        values = np.where(np.isfinite(cost[image, there]), cost[image, there], _FORBIDDEN)
        np.put_along_axis(table, column.reshape(values.shape), values, axis=1)
        gt, chosen = linear_sum_assignment(table)
        sound = table[gt, chosen] < _FORBIDDEN
        rows[image, there[gt[sound]]] = there[gt[sound]]
        columns[image, there[gt[sound]]] = wanted[chosen[sound]]
    return rows, columns


#: Dearer than any sum of real costs, and still exact to add up.
_FORBIDDEN = 1e9
