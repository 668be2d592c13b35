"""Presets: values for what a recipe leaves open, by the size of a training set and its images.

A preset stands between the defaults and the recipe file.  It is evaluated once, when the data are
open, and what it sets is written to `recipe.yaml` like anything else: a stored recipe does not
change when a preset does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ladcli.recipe.load import is_given, update_recipe
from ladcli.recipe.schema import Recipe


@dataclass(frozen=True)
class TrainingFacts:
    """What a preset may depend on."""

    num_images: int  # of the training set
    median_hw: tuple[int, int]  # of its stored images, pixels


def small(facts: TrainingFacts) -> dict[str, Any]:
    """Sets of 50 to 2,000 images, on one GPU or a CPU."""
    return {
        "data.short": [320],
        "data.long": 448,
        "train.batch_size": 8,
        "optim.lr": 0.005,
        "schedule.epochs": 24,
    }


#: Every preset by its name, as `train.preset` and `--preset` know them.
PRESETS: Mapping[str, Callable[[TrainingFacts], dict[str, Any]]] = {"small": small}


def apply_preset(recipe: Recipe, facts: TrainingFacts) -> tuple[Recipe, dict[str, Any]]:
    """The recipe with what its preset sets where it was left open.

    Values that belong together are taken together: sizes only where neither side was given, the
    learning rate in proportion to the batch, and its falls in proportion to the epochs.

    Returns:
        The recipe, and what the preset set, by dotted key; nothing where there is no preset.
    """
    if recipe.train.preset is None:
        return recipe, {}
    values = PRESETS[recipe.train.preset](facts)
    if is_given(recipe, "data.short") or is_given(recipe, "data.long"):
        values.pop("data.short", None)
        values.pop("data.long", None)
    if is_given(recipe, "optim.lr_batch"):
        values.pop("optim.lr", None)
    if "optim.lr" in values and is_given(recipe, "train.batch_size"):
        values["optim.lr"] *= recipe.train.batch_size / values["train.batch_size"]
    if "schedule.epochs" in values:
        given = is_given(recipe, "schedule.epochs")
        epochs = recipe.schedule.epochs if given else values["schedule.epochs"]
        values["schedule.decay_epochs"] = decays(epochs)
    values = {key: value for key, value in values.items() if not is_given(recipe, key)}
    return update_recipe(recipe, values, source=f"preset {recipe.train.preset}"), values


def decays(epochs: int) -> list[int]:
    """Epochs after which the rate falls: 2/3 and 11/12 of the run, as in the paper's 12 and 24."""
    places = {round(epochs * 2 / 3), round(epochs * 11 / 12)}
    return sorted(place for place in places if 0 < place < epochs)
