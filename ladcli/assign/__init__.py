"""Label assignment: which anchors answer for which ground truth.

Imports torch and `ladcli.structures` only, so that it can be used from another trainer::

    from ladcli.assign import paa_assigner

    assigner = paa_assigner(topk=9)
    assignment = assigner.assign(predictions, targets, grid, grid.valid(valid_hw))
"""

from ladcli.assign.assigner import Assigner, paa_assigner
from ladcli.assign.mixture import MixtureFit, fit_mixtures
from ladcli.assign.selection import Samples, cheapest_samples, select_samples

__all__ = [
    "Assigner",
    "MixtureFit",
    "Samples",
    "cheapest_samples",
    "fit_mixtures",
    "paa_assigner",
    "select_samples",
]
