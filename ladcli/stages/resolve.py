"""From a recipe that leaves things open to one that leaves nothing: what depends on the data.

A run that goes on keeps what it resolved when it started, so that neither a later version of the
program nor its own presets change it on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ladcli.data.index import CocoIndex
from ladcli.recipe import flat, is_given, update_recipe
from ladcli.recipe.learning_rate import DEFAULT_BATCH, follow_batch
from ladcli.recipe.presets import TrainingFacts, apply_preset
from ladcli.recipe.schema import OptimConfig, Recipe
from ladcli.recipe.warmup import default_warmup, too_long


@dataclass(frozen=True)
class Resolved:
    """A recipe that leaves nothing open."""

    recipe: Recipe
    values: dict[str, Any]  # what was left open, by dotted key
    hints: tuple[str, ...]  # what the user should know of it
    steps_per_epoch: int


def resolve(
    recipe: Recipe,
    index: CocoIndex,
    *,
    stage: str,
    count_steps: Callable[[Recipe], int],
) -> Resolved:
    """Fill in what the recipe leaves open: its preset, the learning rate, and the warm-up.

    Args:
        recipe: as given.
        index: the training images.
        stage: the command.
        count_steps: optimizer steps of an epoch under a recipe.
    """
    asked = recipe
    recipe, hints = resolve_preset(recipe, index)
    followed = follow_batch(recipe)
    if followed is not recipe and _takes_common_rate(recipe, stage):
        hints.append(_rate_hint(followed))
    recipe = followed
    steps_per_epoch = count_steps(recipe)
    total_steps = steps_per_epoch * recipe.schedule.epochs
    if recipe.optim.warmup_steps is None:
        steps, hint = default_warmup(recipe, distills=stage == "distill", total_steps=total_steps)
        recipe = update_recipe(recipe, {"optim.warmup_steps": steps}, source="warm-up")
    else:
        hint = too_long(recipe.optim.warmup_steps, total_steps)
    before, after = flat(asked), flat(recipe)
    values = {
        key: value
        for key, value in after.items()
        if value != before[key] or (is_given(recipe, key) and not is_given(asked, key))
    }
    return Resolved(recipe, values, (*hints, *([hint] if hint else [])), steps_per_epoch)


def resolve_preset(
    recipe: Recipe, index: CocoIndex, *, sections: tuple[str, ...] | None = None
) -> tuple[Recipe, list[str]]:
    """The recipe with its preset filled in, and what to tell the user about it.

    Args:
        sections: those of the recipe that the stage reads, where it does not read all.
    """
    recipe, values = apply_preset(recipe, training_facts(index))
    if recipe.train.preset is None:
        return recipe, []
    read = {
        key: value
        for key, value in values.items()
        if sections is None or key.partition(".")[0] in sections
    }
    shown = ", ".join(f"{key}={_plain(value)}" for key, value in read.items())
    return recipe, [
        f"preset {recipe.train.preset}: {shown or 'sets nothing, all that it would set is given'}"
    ]


def keep_resolved(recipe: Recipe, saved: Recipe, notes: Mapping[str, Any]) -> Recipe:
    """The recipe of a run that goes on, with what the run resolved at its start.

    Args:
        recipe: as given for the continuation.
        saved: the stored recipe of the run.
        notes: its `run.json`; where it does not say what was resolved, the run is of a version
            that resolved the warm-up alone, and took 0.01 for every batch.
    """
    stored = flat(saved)
    resolved = notes.get("resolved")
    if isinstance(resolved, dict):
        keys = set(resolved)
    else:
        keys = {"optim.warmup_steps"}
        if saved.optim.lr == OptimConfig().lr and saved.optim.lr_batch is None:
            keys |= {"optim.lr"}
    kept = {
        key: stored[key]
        for key in stored
        if key in keys and (not is_given(recipe, key) or flat(recipe)[key] is None)
    }
    return update_recipe(recipe, kept) if kept else recipe


def training_facts(index: CocoIndex) -> TrainingFacts:
    """What presets may depend on."""
    height, width = (int(side) for side in np.median(index.hw, axis=0))
    return TrainingFacts(len(index), (height, width))


def _takes_common_rate(recipe: Recipe, stage: str) -> bool:
    """Whether a network of the run learns at ``optim.lr``."""
    return stage != "colad" or recipe.net_a.lr is None or recipe.net_b.lr is None


def _rate_hint(recipe: Recipe) -> str:
    default, batch = OptimConfig().lr, recipe.train.batch_size
    return (
        f"learning rate {recipe.optim.lr:g}, which is {default:g} x {batch}/{DEFAULT_BATCH} for "
        f"the batch of {batch}; --lr X chooses another"
    )


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list) and len(value) == 1:
        return str(value[0])
    return str(value)
