"""What a training has before its first step: data, networks, and a recipe that is complete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from ladcli.classes import ClassTable
from ladcli.data.index import CocoIndex
from ladcli.data.plan import Plan, plan_epoch
from ladcli.detector.checkpoint import InputRule
from ladcli.detector.levels import AnchorLayout
from ladcli.detector.model import Detector, build_detector
from ladcli.engine.device import choose_device
from ladcli.engine.optimizer import base_lr
from ladcli.engine.runner import Runner
from ladcli.engine.tensorboard import require_tensorboard
from ladcli.objective.objectives import MODEL, CoObjective, Objective
from ladcli.recipe.schema import Recipe
from ladcli.stages.datasets import (
    EvaluationSet,
    open_evaluation_set,
    open_training_set,
    require_same_classes,
    with_shared_files_note,
)
from ladcli.stages.resolve import resolve
from ladcli.stages.same_anchors import shared_anchors


@dataclass(frozen=True)
class NewNetwork:
    """A network about to be trained."""

    detector: Detector
    lr: float  # after warm-up

    @property
    def num_parameters(self) -> int:
        """All of them: what inference has to carry."""
        return sum(parameter.numel() for parameter in self.detector.parameters())

    @property
    def num_trained(self) -> int:
        """Those that are not frozen."""
        parameters = self.detector.parameters()
        return sum(p.numel() for p in parameters if p.requires_grad)


@dataclass(frozen=True)
class Prepared:
    """Everything a run needs, checked before the first step."""

    recipe: Recipe
    device: torch.device
    index: CocoIndex
    validation: EvaluationSet | None
    networks: dict[str, NewNetwork]  # in order; batches are normalized for the first
    steps_per_epoch: int  # optimizer steps of the first epoch; with several scales others differ
    resolved: dict[str, Any]  # what the recipe left open, by dotted key
    saved_notes: dict[str, Any] = field(default_factory=dict)  # `run.json` of a resumed run

    @property
    def anchors(self) -> AnchorLayout:
        """The anchors of every network of the run."""
        return shared_anchors(
            {name: new.detector.architecture.anchors for name, new in self.networks.items()}
        )

    @property
    def runner(self) -> Runner:
        """On what the networks are run."""
        return Runner.of(self.recipe, device=self.device)

    def plan(self, epoch: int) -> Plan:
        """The batches of an epoch."""
        return _plan(self.recipe, self.index, epoch=epoch)

    @property
    def batch_statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Pixel mean and deviation that batches are normalized with."""
        first = next(iter(self.networks.values())).detector.architecture
        return first.pixel_mean, first.pixel_std


@dataclass(frozen=True)
class TrainingMethod:
    """What tells one kind of training from another."""

    stage: str  # the command
    networks: Callable[[Recipe, ClassTable], dict[str, NewNetwork]]
    #: Called once the data are known to be sound.  The second value goes into `run.json`, but for
    #: "earlier": the costs of the trainings that this one builds on.
    objective: Callable[[Prepared], tuple[Objective | CoObjective, dict[str, Any]]]
    names: tuple[str, ...] = (MODEL,)  # of the networks


def prepare(
    method: TrainingMethod, recipe: Recipe, *, saved_notes: dict[str, Any] | None = None
) -> tuple[Prepared, list[str]]:
    """Open the data and build the networks; nothing is written.

    Returns:
        What the run needs, with a recipe that leaves nothing open; and hints for the user.

    Raises:
        UserError: a device, file, backbone or weights that cannot be used.
    """
    device = choose_device(recipe.train.device)
    if recipe.train.tensorboard:
        require_tensorboard()
    known = saved_notes or {}
    index = open_training_set(
        recipe.data,
        left_out=known.get("left_out_images"),
        classes=ClassTable.from_plain(known["classes"]) if "classes" in known else None,
    )
    validation = _open_validation(recipe, index)
    resolved = resolve(
        recipe,
        index,
        stage=method.stage,
        count_steps=lambda recipe: len(_plan(recipe, index, epoch=0)),
    )
    recipe = resolved.recipe
    torch.manual_seed(recipe.train.seed)
    networks = method.networks(recipe, index.classes)
    for network in networks.values():
        network.detector.to(device)
        if recipe.train.channels_last:
            network.detector.use_channels_last()
    prepared = Prepared(
        recipe,
        device,
        index,
        validation,
        networks,
        resolved.steps_per_epoch,
        resolved.values,
        saved_notes or {},
    )
    return prepared, list(resolved.hints)


def _open_validation(recipe: Recipe, index: CocoIndex) -> EvaluationSet | None:
    """The set to measure networks on, where there is one and it is asked for."""
    if not recipe.train.eval_every:
        return None
    validation = open_evaluation_set(recipe.data, "val", required=False)
    if validation is None:
        return None
    validation = validation.suited_to(index.classes)
    truth = validation.truth
    require_same_classes(index.classes, "the training set", truth.classes, truth.path)
    return with_shared_files_note(index, validation)


def single_network(recipe: Recipe, classes: ClassTable) -> dict[str, NewNetwork]:
    """The one network of `lad pretrain` and `lad distill`."""
    lr = base_lr(recipe.optim, recipe.train.batch_size)
    return {MODEL: NewNetwork(build_detector(recipe.model, classes), lr)}


def input_rule(recipe: Recipe) -> InputRule:
    """How images are resized at inference."""
    return InputRule(recipe.data.short[-1], recipe.data.long)


def _plan(recipe: Recipe, index: CocoIndex, *, epoch: int) -> Plan:
    train_config = recipe.train
    return plan_epoch(
        index,
        recipe.data,
        batch_size=train_config.batch_size,
        seed=train_config.seed,
        epoch=epoch,
    )
