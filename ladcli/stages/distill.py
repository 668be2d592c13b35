"""`lad distill`: train a student that a teacher helps, by LAD, soft labels or both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ladcli.assign import Assigner
from ladcli.cache.differences import settings_of_views, views_in_words
from ladcli.cache.reader import read_cache_info
from ladcli.detector.checkpoint import teacher_fingerprint
from ladcli.engine.progress import announce
from ladcli.errors import UserError
from ladcli.objective.objectives import Objective
from ladcli.objective.teacher import Teacher
from ladcli.recipe import Given, flat, is_given, update_recipe
from ladcli.recipe.schema import Recipe
from ladcli.stages.assigner import build_assigner
from ladcli.stages.prepare import Prepared, TrainingMethod, single_network
from ladcli.stages.teachers import (
    checkpoint_cost,
    chosen_switch,
    make_cached_teacher,
    make_online_teacher,
)
from ladcli.stages.training import RunOptions, TrainingResult, run_training
from ladcli.training_cost import UNKNOWN, TrainingCost

#: Whoever gives one of these means sizes of his own.
_SIZES = ("short", "long", "scales", "scale_steps")


def distill(recipe: Recipe, options: RunOptions) -> TrainingResult:
    """Train a student from the teacher or the cache that the recipe names.

    Raises:
        UserError: neither is named, or what is named does not fit; else as `run_training`.
    """
    if recipe.distill.teacher is None and recipe.distill.cache is None:
        raise UserError(
            "nobody to learn from: name a teacher with --teacher CHECKPOINT, or a cache with "
            "--cache FILE"
        )
    recipe, options = _with_views_of_cache(recipe, options)
    return run_training(TrainingMethod("distill", single_network, _objective), recipe, options)


def _with_views_of_cache(recipe: Recipe, options: RunOptions) -> tuple[Recipe, RunOptions]:
    """Sizes and flips of the cache, where nobody gave sizes; with who gave them."""
    path = recipe.distill.cache
    if path is None or any(is_given(recipe, f"data.{name}") for name in _SIZES):
        return recipe, options
    info = read_cache_info(Path(path))
    values = settings_of_views(info, recipe.data)
    if values is None:
        return recipe, options  # what differs is said when the cache is opened
    if is_given(recipe, "data.flip"):
        del values["data.flip"]
    taken = update_recipe(recipe, values, source=f"cache {path}")
    if flat(taken) != flat(recipe):
        words = views_in_words(info.views)
        announce(f"note: sizes are those of the cache: {words}", quiet=options.quiet)
    given = {key: Given(value, f"cache {path}") for key, value in values.items()}
    return taken, replace(options, given={**options.given, **given})


def _objective(prepared: Prepared) -> tuple[Objective, dict[str, Any]]:
    recipe = prepared.recipe
    assigner = build_assigner(recipe.assign)
    teacher, fingerprint, cost = _open_teacher(prepared, assigner)
    config = recipe.distill
    objective = Objective(
        assigner,
        recipe.loss,
        prepared.anchors,
        teacher,
        teacher_assigns=config.mode != "soft",
        switch=chosen_switch(config),
        soft=None if config.mode == "lad" else recipe.soft,
    )
    return objective, {"fingerprints": {"teacher": fingerprint}, "earlier": [cost]}


def _open_teacher(prepared: Prepared, assigner: Assigner) -> tuple[Teacher, str, TrainingCost]:
    """The teacher, the fingerprint of the network behind it, and what its training cost."""
    config = prepared.recipe.distill
    network = Path(config.teacher) if config.teacher else None
    if config.cache:
        cached = make_cached_teacher(Path(config.cache), prepared, assigner, network=network)
        info = cached.info
        # Older caches do not say what their teacher cost.
        cost = info.teacher_cost
        if cost == UNKNOWN and network is not None:
            cost = checkpoint_cost(network)
        return cached, info.fingerprints["teacher"], cost
    assert network is not None  # checked in `distill`
    online = make_online_teacher(network, prepared, assigner)
    return online, teacher_fingerprint(online.detector), checkpoint_cost(network)
