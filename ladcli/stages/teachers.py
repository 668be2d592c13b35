"""Opening the teacher of a distillation, and telling whether it fits."""

from __future__ import annotations

from pathlib import Path

import torch

from ladcli.assign import Assigner
from ladcli.data.index import CocoIndex
from ladcli.data.views import ViewGrid, is_ranged
from ladcli.detector.checkpoint import load_checkpoint, teacher_fingerprint
from ladcli.detector.model import Detector
from ladcli.distill.cache_format import Fingerprints, require_match
from ladcli.distill.cache_reader import CachedTeacher, TeacherCache
from ladcli.distill.teacher import OnlineTeacher
from ladcli.engine.device import autocast
from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig
from ladcli.stages.assigner import assigner_fingerprint
from ladcli.stages.datasets import require_same_classes
from ladcli.stages.training import Prepared
from ladcli.structures.fingerprint import fingerprint_plain


def open_teacher_network(path: Path, index: CocoIndex) -> Detector:
    """The network of a checkpoint, checked against the classes of the data.

    Raises:
        UserError: an unsound checkpoint, or other classes.
    """
    detector = load_checkpoint(path).detector
    require_same_classes(index.classes, "the training set", detector.classes, path)
    return detector


def make_online_teacher(path: Path, prepared: Prepared, assigner: Assigner) -> OnlineTeacher:
    """A teacher network that runs on every batch of a student's run."""
    detector = open_teacher_network(path, prepared.index).to(prepared.device)
    if prepared.recipe.train.channels_last:
        detector = detector.to(memory_format=torch.channels_last)
    architecture = prepared.student.architecture
    return OnlineTeacher(
        detector,
        assigner,
        autocast=autocast(prepared.recipe.train.precision, prepared.device),
        batch_mean=architecture.pixel_mean,
        batch_std=architecture.pixel_std,
    )


def make_cached_teacher(
    path: Path, prepared: Prepared, assigner: Assigner, *, network: Path | None
) -> CachedTeacher:
    """A teacher that answers from a cache.

    Args:
        network: the checkpoint that the cache must have been made with, if it is known.

    Raises:
        UserError: the cache was made for something else (says for what).
    """
    cache = TeacherCache(path)
    data = prepared.recipe.data
    wanted = {
        "data": prepared.index.fingerprint(),
        "input": input_fingerprint(data),
        "assigner": assigner_fingerprint(assigner),
    }
    if network is not None:
        detector = open_teacher_network(network, prepared.index)
        wanted["teacher"] = teacher_fingerprint(detector)
    require_match(path, cache.info.fingerprints, wanted)
    return CachedTeacher(cache, assigner)


def cache_fingerprints(
    detector: Detector, index: CocoIndex, data: DataConfig, assigner: Assigner
) -> Fingerprints:
    """Everything that a cached assignment depends on."""
    return Fingerprints(
        teacher=teacher_fingerprint(detector),
        data=index.fingerprint(),
        input=input_fingerprint(data),
        assigner=assigner_fingerprint(assigner),
    )


def input_fingerprint(data: DataConfig) -> str:
    """Identifies the views: scales, flips and canvases.

    Normalisation is the network's own affair and part of the teacher's fingerprint, so that a
    student with other pixel statistics can use the cache.

    Raises:
        UserError: scales are drawn from a continuous range, which no cache can hold.
    """
    if is_ranged(data):
        raise UserError(
            "data.scales=range draws scales that no cache can hold; set data.scales=grid"
        )
    return fingerprint_plain(ViewGrid.from_config(data).to_plain())
