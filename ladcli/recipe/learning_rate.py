"""The learning rate of a recipe that names none, for the batch size it has."""

from __future__ import annotations

from ladcli.recipe.load import is_given, update_recipe
from ladcli.recipe.schema import OptimConfig, Recipe

#: Batch size that the default learning rate is meant for (the paper's).
DEFAULT_BATCH = 16


def follow_batch(recipe: Recipe) -> Recipe:
    """The recipe with the default learning rate in proportion to its batch (Goyal et al. 2017).

    A rate that was given, or the batch that it is meant for, is left as it is.  The result is
    written to ``optim.lr`` and not as a ``lr_batch``, so that rates of single networks, which are
    always given, stay as they are too.
    """
    if is_given(recipe, "optim.lr") or is_given(recipe, "optim.lr_batch"):
        return recipe
    if recipe.train.batch_size == DEFAULT_BATCH:
        return recipe
    default = OptimConfig().lr
    return update_recipe(
        recipe, {"optim.lr": default * recipe.train.batch_size / DEFAULT_BATCH}, source="batch size"
    )
