"""`lad distill`: train a student that a teacher helps, by LAD, soft labels or both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ladcli.assign import Assigner
from ladcli.detector.checkpoint import teacher_fingerprint
from ladcli.distill.objectives import Objective
from ladcli.distill.teacher import Teacher
from ladcli.errors import UserError
from ladcli.recipe.schema import Recipe
from ladcli.stages.assigner import build_assigner
from ladcli.stages.teachers import (
    checkpoint_cost,
    chosen_switch,
    make_cached_teacher,
    make_online_teacher,
)
from ladcli.stages.training import (
    Method,
    Prepared,
    RunOptions,
    TrainingResult,
    run_training,
    single_network,
)
from ladcli.training_cost import UNKNOWN, TrainingCost


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
    return run_training(Method("distill", single_network, _objective), recipe, options)


def _objective(prepared: Prepared) -> tuple[Objective, dict[str, Any]]:
    recipe = prepared.recipe
    assigner = build_assigner(recipe.assign)
    teacher, fingerprint, cost = _open_teacher(prepared, assigner)
    config = recipe.distill
    objective = Objective(
        assigner,
        recipe.loss,
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
        info = cached.cache.info
        # Older caches do not say what their teacher cost.
        cost = info.teacher_cost
        if cost == UNKNOWN and network is not None:
            cost = checkpoint_cost(network)
        return cached, info.fingerprints["teacher"], cost
    assert network is not None  # checked in `distill`
    online = make_online_teacher(network, prepared, assigner)
    return online, teacher_fingerprint(online.detector), checkpoint_cost(network)
