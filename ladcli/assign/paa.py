"""Probabilistic anchor assignment (Kim and Lee 2020), as the reference implements it."""

from __future__ import annotations

from functools import partial
from typing import Literal

from ladcli.assign.assigner import Assigner
from ladcli.assign.candidates import MIN_IOU, iou_candidates
from ladcli.assign.cost import ALPHA, BOX_WEIGHT, GAMMA, detection_cost
from ladcli.assign.mixture import MixtureEngine, fit_mixtures
from ladcli.assign.selection import TOPK, MixtureSelection, Rule
from ladcli.assign.sklearn_mixture import fit_mixtures_sklearn


def paa_assigner(
    *,
    min_iou: float = MIN_IOU,
    topk: int = TOPK,
    box_weight: float = BOX_WEIGHT,
    alpha: float = ALPHA,
    gamma: float = GAMMA,
    selection: Rule = "density-peak",
    mixture: Literal["batched", "sklearn"] = "batched",
    ignore_crowd: bool = False,
) -> Assigner:
    """PAA: priors by IoU, detection loss as the cost, the cheap component of a mixture.

    Args:
        min_iou: IoU from which a prior is a candidate.
        topk: cheapest candidates per ground truth and level that enter the mixture.
        box_weight: weight of the GIoU loss in the cost.
        alpha, gamma: of the focal loss in the cost.
        selection: see `ladcli.assign.selection.select_samples`.
        mixture: our batched fit, or scikit-learn's as a slow reference.
        ignore_crowd: ignore priors over crowd regions instead of calling them background.
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
        candidate_rule=partial(iou_candidates, min_iou=min_iou),
        cost_rule=partial(detection_cost, box_weight=box_weight, alpha=alpha, gamma=gamma),
        selection_rule=MixtureSelection(topk=topk, rule=selection, engine=engine),
        options=tuple(sorted(options.items())),
        crowd_is_ignored=ignore_crowd,
    )
