"""The chain candidates → cost → selection, composed of three parts.

Every label assignment method is a triple of a candidate rule, a cost and a selection rule.  The
chain can be walked in one go (`Assigner.assign`) or stopped between the parts, which is what
distillation does: there, another network prices the candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch import Tensor

from ladcli.assign.candidates import iou_candidates
from ladcli.assign.cost import detection_cost
from ladcli.assign.crowd import ignore_crowd
from ladcli.assign.mixture import MixtureEngine, fit_mixtures
from ladcli.assign.selection import Rule, mixture_selection
from ladcli.assign.sklearn_mixture import fit_mixtures_sklearn
from ladcli.structures import AnchorGrid, Assignment, Candidates, Costs, Predictions, Targets

CandidateRule = Callable[[Targets, AnchorGrid, Tensor], Candidates]
CostRule = Callable[[Candidates, Predictions, Targets, AnchorGrid], Costs]
SelectionRule = Callable[[Candidates, Costs, AnchorGrid, Tensor, int], Assignment]


@dataclass(frozen=True)
class Assigner:
    """A label assignment method, and the options that tell it from another."""

    candidate_rule: CandidateRule
    cost_rule: CostRule
    selection_rule: SelectionRule
    options: tuple[tuple[str, Any], ...]  # everything that changes positives, for fingerprints
    topk: int = 9  # cheapest candidates per ground truth and level that selection looks at
    crowd_is_ignored: bool = False

    def candidates(self, targets: Targets, grid: AnchorGrid, valid: Tensor) -> Candidates:
        """Anchors that each ground truth may choose from; ``valid`` is [B, A] bool."""
        return self.candidate_rule(targets, grid, valid)

    def price(
        self, candidates: Candidates, predictions: Predictions, targets: Targets, grid: AnchorGrid
    ) -> Costs:
        """What each candidate costs the network that made ``predictions``."""
        return self.cost_rule(candidates, predictions, targets, grid)

    def select(
        self,
        candidates: Candidates,
        costs: Costs,
        targets: Targets,
        grid: AnchorGrid,
        valid: Tensor,
    ) -> Assignment:
        """Positives, background and ignored anchors, [B, A]."""
        num_gt = targets.boxes.shape[1]
        assignment = self.selection_rule(candidates, costs, grid, valid, num_gt)
        return self.finish(assignment, targets, grid)

    def finish(self, assignment: Assignment, targets: Targets, grid: AnchorGrid) -> Assignment:
        """What remains to be done to positives that come from elsewhere, such as a cache."""
        if self.crowd_is_ignored:
            return ignore_crowd(assignment, targets.crowd, grid)
        return assignment

    def assign(
        self, predictions: Predictions, targets: Targets, grid: AnchorGrid, valid: Tensor
    ) -> Assignment:
        """The whole chain, priced by the network that made ``predictions``."""
        candidates = self.candidates(targets, grid, valid)
        costs = self.price(candidates, predictions, targets, grid)
        return self.select(candidates, costs, targets, grid, valid)


def paa_assigner(
    *,
    min_iou: float = 0.1,
    topk: int = 9,
    box_weight: float = 1.3,
    alpha: float = 0.25,
    gamma: float = 2.0,
    selection: Rule = "density-peak",
    mixture: Literal["batched", "sklearn"] = "batched",
    ignore_crowd: bool = False,
) -> Assigner:
    """Probabilistic anchor assignment (Kim and Lee 2020), as the reference implements it.

    Args:
        min_iou: IoU from which an anchor is a candidate.
        topk: cheapest candidates per ground truth and level that enter the mixture.
        box_weight: weight of the GIoU loss in the cost.
        alpha, gamma: of the focal loss in the cost.
        selection: see `ladcli.assign.selection.select_samples`.
        mixture: our batched fit, or scikit-learn's as a slow reference.
        ignore_crowd: ignore anchors over crowd regions instead of calling them background.
    """
    engine: MixtureEngine = fit_mixtures if mixture == "batched" else fit_mixtures_sklearn
    options = {
        "candidates": "iou",
        "min_iou": min_iou,
        "cost": "focal+giou",
        "box_weight": box_weight,
        "alpha": alpha,
        "gamma": gamma,
        "topk": topk,
        "selection": selection,
    }
    return Assigner(
        partial(iou_candidates, min_iou=min_iou),
        partial(detection_cost, box_weight=box_weight, alpha=alpha, gamma=gamma),
        partial(mixture_selection, engine=engine, topk=topk, rule=selection),
        tuple(sorted(options.items())),
        topk,
        ignore_crowd,
    )
