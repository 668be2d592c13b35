"""Presets: values for what a recipe leaves open, by the size of a training set and its images.

A preset stands between the defaults and the recipe file.  It is evaluated once, when the data are
open, and what it sets is written to `recipe.yaml` like anything else: a stored recipe does not
change when a preset does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ladcli.recipe.load import is_given, update_recipe
from ladcli.recipe.schema import Recipe

#: Images that a network of the preset `small` sees at least.
SMALL_IMAGES_SEEN = 4800


@dataclass(frozen=True)
class TrainingFacts:
    """What a preset may depend on."""

    num_images: int  # of the training set
    median_hw: tuple[int, int]  # of its stored images, pixels


def small(facts: TrainingFacts) -> dict[str, Any]:
    """Sets of 50 to 2,000 images, on one GPU or a CPU; docs/small-data.md has the figures.

    On a CPU the head costs more than a light backbone, so it gets 64 channels and not 256.
    """
    return {
        "data.short": [320],
        "data.long": 512,
        "model.backbone": "tf_efficientnet_lite0",
        "model.channels": 64,
        "train.batch_size": 8,
        "optim.lr": 0.02,
        "schedule.epochs": small_epochs(facts.num_images),
    }


def small_epochs(num_images: int) -> int:
    """24 epochs; of fewer than 200 images more, until about 5,000 were seen.

    The rate needs some 600 steps of 8 images to do its work, however few images there are.
    """
    wanted = 12 * math.ceil(SMALL_IMAGES_SEEN / max(num_images, 1) / 12)
    return min(max(wanted, 24), 96)


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
