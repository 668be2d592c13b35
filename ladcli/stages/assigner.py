"""From the recipe's assignment options to an assigner."""

from __future__ import annotations

from ladcli.assign import Assigner, paa_assigner
from ladcli.detector.levels import AnchorLayout
from ladcli.fingerprint import fingerprint_plain
from ladcli.recipe.schema import AssignConfig


def build_assigner(config: AssignConfig) -> Assigner:
    """The assigner a recipe asks for."""
    return paa_assigner(
        min_iou=config.min_iou,
        topk=config.topk,
        box_weight=config.box_weight,
        alpha=config.alpha,
        gamma=config.gamma,
        selection=config.selection,
        mixture=config.mixture,
        ignore_crowd=config.ignore_crowd,
    )


def assigner_fingerprint(assigner: Assigner, anchors: AnchorLayout) -> str:
    """Identifies everything that decides which anchors become positives.

    The engine of the mixture is left out: both give the same positives.
    """
    options = [list(option) for option in assigner.options]
    if not anchors.is_default:
        options += [list(option) for option in sorted(anchors.to_plain().items())]
    return fingerprint_plain(options)
