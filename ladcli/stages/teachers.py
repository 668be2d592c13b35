"""Opening the teacher of a distillation, and telling whether it fits."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ladcli.assign import Assigner, Switch
from ladcli.cache.batch_rows import BatchRows, needed_tables
from ladcli.cache.cached_teacher import CachedTeacher
from ladcli.cache.differences import CacheUse, anchors_of, difference
from ladcli.cache.format import Fingerprints, needed_level, require_level, require_match
from ladcli.cache.reader import TeacherCache
from ladcli.data.index import CocoIndex
from ladcli.data.views import ViewGrid, is_ranged
from ladcli.detector.checkpoint import load_checkpoint, load_training, teacher_fingerprint
from ladcli.detector.levels import AnchorLayout
from ladcli.detector.model import Detector
from ladcli.errors import UserError
from ladcli.fingerprint import fingerprint_plain
from ladcli.objective.teacher import OnlineTeacher
from ladcli.recipe.schema import DataConfig, DistillConfig, Recipe, SoftConfig
from ladcli.stages.assigner import assigner_fingerprint
from ladcli.stages.datasets import require_same_classes
from ladcli.stages.prepare import Prepared
from ladcli.stages.run_costs import cost_of_checkpoint
from ladcli.stages.same_anchors import require_same_anchors
from ladcli.training_cost import UNKNOWN, TrainingCost


def open_teacher_network(path: Path, index: CocoIndex) -> Detector:
    """The network of a checkpoint, checked against the classes of the data.

    Raises:
        UserError: an unsound checkpoint, or other classes.
    """
    detector = load_checkpoint(path).detector
    require_same_classes(index.classes, "the training set", detector.classes, path)
    return detector


def checkpoint_cost(path: Path) -> TrainingCost:
    """What it took to train the network of a checkpoint, as far as that is known.

    A checkpoint of a program that did not write it down is looked up in the run that it lies in.
    """
    training = load_training(path)
    if "cost" in training:
        return TrainingCost.from_plain(training["cost"])
    found = cost_of_checkpoint(path)
    return found if found.epochs == training.get("epoch") else UNKNOWN


def make_online_teacher(path: Path, prepared: Prepared, assigner: Assigner) -> OnlineTeacher:
    """A teacher network that runs on every batch of a student's run."""
    detector = open_teacher_network(path, prepared.index).to(prepared.device)
    require_same_anchors(path, detector.architecture.anchors, prepared.anchors, whose="the student")
    if prepared.recipe.train.channels_last:
        detector.use_channels_last()
    mean, std = prepared.batch_statistics
    return OnlineTeacher(
        detector,
        assigner,
        autocast=prepared.runner.autocast(),
        batch_mean=mean,
        batch_std=std,
    )


def make_cached_teacher(
    path: Path, prepared: Prepared, assigner: Assigner, *, network: Path | None
) -> CachedTeacher:
    """A teacher that answers from a cache.

    Args:
        network: the checkpoint that the cache must have been made with, if it is known.

    Raises:
        UserError: the cache was made for something else (says for what), or holds too little for
            the method.
    """
    cache = TeacherCache(path)
    recipe = prepared.recipe
    config = recipe.distill
    assigns, soft = config.mode != "soft", config.mode != "lad"
    switch = chosen_switch(config)
    needed = needed_level(
        teacher_assigns=assigns, switch=switch, soft=soft, positives_move=assigner.needs_progress
    )
    require_level(path, cache.info.level, needed)
    anchors = prepared.anchors
    require_same_anchors(path, anchors_of(cache.info), anchors, whose="the student")
    wanted = {
        "data": prepared.index.fingerprint(),
        "input": input_fingerprint(recipe.data, anchors),
    }
    # Dense outputs are judged anew; all else depends on the options it was made with.
    if assigns and cache.info.level != "dense":
        wanted["assigner"] = assigner_fingerprint(assigner, anchors)
    if soft and cache.info.level == "soft":
        wanted["soft"] = soft_fingerprint(recipe.soft)
    teacher = None
    if network is not None:
        teacher = network, open_teacher_network(network, prepared.index)
        wanted["teacher"] = teacher_fingerprint(teacher[1])
    use = CacheUse(prepared.index, recipe.data, assigner, recipe.soft, anchors, teacher)
    require_match(path, cache.info.fingerprints, wanted, partial(difference, cache, use))
    tables = needed_tables(cache.info.level, teacher_assigns=assigns, switch=switch, soft=soft)
    return CachedTeacher(BatchRows(cache, prepared.index, anchors, tables), assigner)


def chosen_switch(config: DistillConfig) -> Switch | None:
    """The switch that a recipe asks for."""
    return None if config.switch == "off" else Switch(config.switch, config.switch_scope)


def cache_fingerprints(
    detector: Detector, index: CocoIndex, recipe: Recipe, assigner: Assigner
) -> Fingerprints:
    """Everything that a cached opinion depends on."""
    anchors = detector.architecture.anchors
    return Fingerprints(
        teacher=teacher_fingerprint(detector),
        data=index.fingerprint(),
        input=input_fingerprint(recipe.data, anchors),
        assigner=assigner_fingerprint(assigner, anchors),
        soft=soft_fingerprint(recipe.soft),
    )


def soft_fingerprint(soft: SoftConfig) -> str:
    """Identifies which anchors' boxes are soft targets."""
    return fingerprint_plain({"select": soft.select, "min_iou": soft.min_iou})


def require_grid_of_scales(data: DataConfig) -> None:
    """Refuse scales from a continuous range.

    Raises:
        UserError: no cache can hold them.
    """
    if is_ranged(data):
        raise UserError(
            "data.scales=range draws scales that no cache can hold; set data.scales=grid"
        )


def input_fingerprint(data: DataConfig, anchors: AnchorLayout) -> str:
    """Identifies the views (scales, flips and canvases), and the anchors that lie on them.

    Normalisation is the network's own affair and part of the teacher's fingerprint, so that a
    student with other pixel statistics can use the cache.

    Raises:
        UserError: scales are drawn from a continuous range.
    """
    require_grid_of_scales(data)
    plain = ViewGrid.from_config(data).to_plain()
    if not anchors.is_default:
        plain["anchors"] = anchors.to_plain()
    return fingerprint_plain(plain)
