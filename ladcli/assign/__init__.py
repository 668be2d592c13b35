"""Label assignment: which priors answer for which ground truth.

Imports torch and `ladcli.structures` only, so that it can be used from another trainer::

    from ladcli.assign import paa_assigner
    from ladcli.structures import ClassLogits, Priors, Scene

    scene = Scene(targets, Priors.from_boxes(anchors_of_each_level, strides), valid)
    assignment = paa_assigner(topk=9).assign(scene, ClassLogits(logits), boxes)
"""

from ladcli.assign.assigner import Assigner
from ladcli.assign.atss import atss_assigner
from ladcli.assign.mal import mal_assigner
from ladcli.assign.mixture import MixtureFit, fit_mixtures
from ladcli.assign.moments import CostMoments, cost_moments
from ladcli.assign.one_to_one import one_to_one_assigner
from ladcli.assign.ota import ota_assigner
from ladcli.assign.paa import paa_assigner
from ladcli.assign.selection import MixtureSelection, Samples, cheapest_samples, select_samples
from ladcli.assign.simota import simota_assigner
from ladcli.assign.switch import (
    Judgement,
    Switch,
    choose_teacher,
    fisher_scores,
    mix_costs,
    teacher_share,
)
from ladcli.assign.tal import tal_assigner

__all__ = [
    "Assigner",
    "CostMoments",
    "Judgement",
    "MixtureFit",
    "MixtureSelection",
    "Samples",
    "Switch",
    "atss_assigner",
    "cheapest_samples",
    "choose_teacher",
    "cost_moments",
    "fisher_scores",
    "fit_mixtures",
    "mal_assigner",
    "mix_costs",
    "one_to_one_assigner",
    "ota_assigner",
    "paa_assigner",
    "select_samples",
    "simota_assigner",
    "tal_assigner",
    "teacher_share",
]
