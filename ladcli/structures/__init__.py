"""Types that flow between the rooms, and box geometry.  Imports torch alone."""

from ladcli.structures.anchors import AnchorGrid
from ladcli.structures.assignment import (
    BACKGROUND,
    IGNORE,
    Assignment,
    Candidates,
    Costs,
    gather_per_anchor,
)
from ladcli.structures.batch import Batch, Targets
from ladcli.structures.losses import ObjectiveFunction, StepLosses
from ladcli.structures.predictions import (
    ClassLogits,
    ClassOutput,
    ClassProbs,
    Detections,
    Predictions,
)

__all__ = [
    "BACKGROUND",
    "IGNORE",
    "AnchorGrid",
    "Assignment",
    "Batch",
    "Candidates",
    "ClassLogits",
    "ClassOutput",
    "ClassProbs",
    "Costs",
    "Detections",
    "ObjectiveFunction",
    "Predictions",
    "StepLosses",
    "Targets",
    "gather_per_anchor",
]
