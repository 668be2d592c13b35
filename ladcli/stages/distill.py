"""`lad distill`: train a student whose labels a teacher assigns."""

from __future__ import annotations

from pathlib import Path

from ladcli.detector.checkpoint import teacher_fingerprint
from ladcli.distill.teacher import Teacher
from ladcli.errors import UserError
from ladcli.recipe.schema import Recipe
from ladcli.stages.assigner import build_assigner
from ladcli.stages.teachers import make_cached_teacher, make_online_teacher
from ladcli.stages.training import Prepared, RunOptions, TrainingResult, run_training


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
    return run_training("distill", recipe, options, _open_teacher)


def _open_teacher(prepared: Prepared) -> tuple[Teacher, dict[str, str]]:
    config = prepared.recipe.distill
    assigner = build_assigner(prepared.recipe.assign)
    network = Path(config.teacher) if config.teacher else None
    if config.cache:
        cached = make_cached_teacher(Path(config.cache), prepared, assigner, network=network)
        return cached, {"teacher": cached.cache.info.fingerprints["teacher"]}
    assert network is not None  # checked in `distill`
    online = make_online_teacher(network, prepared, assigner)
    return online, {"teacher": teacher_fingerprint(online.detector)}
