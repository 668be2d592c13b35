"""`lad pretrain`: train a PAA detector, as a baseline or to be a teacher."""

from __future__ import annotations

from typing import Any

from ladcli.objective.objectives import Objective
from ladcli.recipe.schema import Recipe
from ladcli.stages.assigner import build_assigner
from ladcli.stages.prepare import Prepared, TrainingMethod, single_network
from ladcli.stages.training import RunOptions, TrainingResult, run_training


def pretrain(recipe: Recipe, options: RunOptions) -> TrainingResult:
    """Train a detector that assigns its own labels.  Raises as `run_training`."""
    return run_training(TrainingMethod("pretrain", single_network, _objective), recipe, options)


def _objective(prepared: Prepared) -> tuple[Objective, dict[str, Any]]:
    recipe = prepared.recipe
    return Objective(build_assigner(recipe.assign), recipe.loss, prepared.anchors), {}
