"""Types that flow between the rooms, and box geometry.  Imports torch alone."""

from ladcli.structures.anchors import AnchorGrid
from ladcli.structures.assignment import IGNORE, Assignment, gather_per_anchor
from ladcli.structures.batch import Batch, Targets
from ladcli.structures.candidates import (
    BACKGROUND,
    Candidates,
    Costs,
    OwnedCandidates,
    SharedCandidates,
)
from ladcli.structures.losses import ObjectiveFunction, StepTerms
from ladcli.structures.predictions import (
    ClassLogits,
    ClassOutput,
    ClassProbs,
    Detections,
    Predictions,
)
from ladcli.structures.priors import Priors
from ladcli.structures.scene import Scene
from ladcli.structures.stored import StoredRows

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
    "OwnedCandidates",
    "Predictions",
    "Priors",
    "Scene",
    "SharedCandidates",
    "StepTerms",
    "StoredRows",
    "Targets",
    "gather_per_anchor",
]
