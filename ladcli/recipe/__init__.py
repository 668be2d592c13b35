"""Typed configuration: the schema of a recipe, and how recipes are read, checked and written."""

from ladcli.flag_table import SCHEDULES
from ladcli.recipe.load import (
    AskedRecipe,
    Given,
    is_given,
    load_recipe,
    read_recipe,
    save_recipe,
    update_recipe,
)
from ladcli.recipe.options import Option, describe_options, flat
from ladcli.recipe.schema import (
    AssignConfig,
    DataConfig,
    DistillConfig,
    InferenceConfig,
    LossConfig,
    ModelConfig,
    OptimConfig,
    Recipe,
    ScheduleConfig,
    TrainConfig,
)

__all__ = [
    "SCHEDULES",
    "AskedRecipe",
    "AssignConfig",
    "DataConfig",
    "DistillConfig",
    "Given",
    "InferenceConfig",
    "LossConfig",
    "ModelConfig",
    "OptimConfig",
    "Option",
    "Recipe",
    "ScheduleConfig",
    "TrainConfig",
    "describe_options",
    "flat",
    "is_given",
    "load_recipe",
    "read_recipe",
    "save_recipe",
    "update_recipe",
]
