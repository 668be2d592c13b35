"""`lad pretrain`: train a PAA detector, as a baseline or to be a teacher."""

from __future__ import annotations

from ladcli.distill.teacher import Teacher
from ladcli.recipe.schema import Recipe
from ladcli.stages.training import Prepared, RunOptions, TrainingResult, run_training


def pretrain(recipe: Recipe, options: RunOptions) -> TrainingResult:
    """Train a detector that assigns its own labels.  Raises as `run_training`."""
    return run_training("pretrain", recipe, options, _no_teacher)


def _no_teacher(prepared: Prepared) -> tuple[Teacher | None, dict[str, str]]:
    return None, {}
