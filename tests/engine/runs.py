"""Small runs of the training loop, without files that take long to read."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ladcli.assign import paa_assigner
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.engine.device import gradient_scaler
from ladcli.engine.loop import Training, train
from ladcli.engine.optimizer import base_lr, build_optimizer
from ladcli.engine.progress import progress
from ladcli.engine.state import Learner, Position, load_state, save_state
from ladcli.objective.objectives import MODEL, Objective
from ladcli.recipe import Recipe, update_recipe
from ladcli.runs.metrics_log import MetricsLog, read_metrics
from ladcli.structures import Batch, ObjectiveFunction
from tests.detector.tiny import tiny_batch, tiny_detector

CPU = torch.device("cpu")
BATCHES = 3  # per epoch
RECIPE = update_recipe(
    Recipe(),
    {
        "train.device": "cpu",
        "train.batch_size": 3,
        "train.log_every": 1,
        "train.save_every_minutes": 0.0,
        "schedule.epochs": 2,
        "schedule.decay_epochs": [1],
        "optim.lr": 0.05,
        "optim.warmup_steps": 2,
    },
)


def recipe(**changes: Any) -> Recipe:
    """`RECIPE` with options by their dotted keys, "__" for the dot."""
    return update_recipe(RECIPE, {key.replace("__", "."): v for key, v in changes.items()})


def learner_for(config: Recipe = RECIPE, seed: int = 0) -> Learner:
    model = tiny_detector(seed)
    lr = base_lr(config.optim, config.train.batch_size)
    optimizer = build_optimizer(model, config.optim, lr=lr)
    return Learner(model, optimizer, gradient_scaler(config.train.precision, CPU), lr)


def plan_batches(epoch: int, skip: int) -> Iterator[Batch]:
    """The batches of an epoch from number ``skip`` on, as a loader would give them."""
    for number in range(skip, BATCHES):
        yield tiny_batch(100 * epoch + number)


Source = Callable[[int, int], Iterator[Batch]]


def interrupted_before(epoch: int, number: int, source: Source = plan_batches) -> Source:
    """``source``, but the user presses Ctrl-C while batch ``number`` of ``epoch`` is read."""

    def batches(now: int, skip: int) -> Iterator[Batch]:
        for position, batch in enumerate(source(now, skip), start=skip):
            if (now, position) == (epoch, number):
                signal.raise_signal(signal.SIGINT)
            yield batch

    return batches


@dataclass
class Run:
    """A run in a folder; made again for the same folder it goes on where that one stopped."""

    folder: Path
    config: Recipe = RECIPE
    seed: int = 0
    batches: Source = plan_batches
    objective: ObjectiveFunction | None = None
    evaluate: Callable[[], None] = lambda: None
    saved: list[Position] = field(default_factory=list)
    evaluated: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.learner = learner_for(self.config, self.seed)
        position = Position()
        if self.state.exists():
            position = load_state(self.state, {MODEL: self.learner})
        log = MetricsLog(self.metrics, keep_steps=position.step, keep_epochs=position.epoch)
        self.training = Training(
            recipe=self.config,
            device=CPU,
            learners={MODEL: self.learner},
            objective=self.objective or Objective(paa_assigner(), self.config.loss, DEFAULT_LAYOUT),
            position=position,
            log=log,
            batches=self.batches,
            num_images=3 * BATCHES,
            save=self._save,
            finish_epoch=self._finish_epoch,
        )

    @property
    def state(self) -> Path:
        return self.folder / "state.pt"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    def train(self) -> Run:
        with progress("train", 1, quiet=True) as bar:
            train(self.training, bar)
        return self

    def lines(self) -> list[dict[str, Any]]:
        """The log without what differs from run to run by nature."""
        timing = ("images_per_second", "seconds_per_step", "seconds_trained")
        return [
            {k: v for k, v in line.items() if k not in timing}
            for line in read_metrics(self.metrics)
        ]

    def _save(self, position: Position) -> None:
        self.saved.append(deepcopy(position))
        save_state(self.state, {MODEL: self.learner}, position)

    def _finish_epoch(self, position: Position) -> None:
        self.learner.model.eval()  # as an evaluation leaves it
        self.evaluate()
        # Any function of the weights will do as their measure.
        average = self.learner.model.head.cls_out.weight.double().sum().item()
        self.evaluated.append(position.epoch)
        self.training.log.write("eval", position.step, epoch=position.epoch, AP=average)
        position.best[MODEL] = max(position.best.get(MODEL, average), average)


def tensors_of(learner: Learner) -> dict[str, torch.Tensor]:
    """Weights, statistics and momenta."""
    found = dict(learner.model.state_dict())
    for index, state in learner.optimizer.state_dict()["state"].items():
        found[f"momentum {index}"] = state["momentum_buffer"]
    return found


def require_equal(a: Learner, b: Learner) -> None:
    mine, theirs = tensors_of(a), tensors_of(b)
    assert set(mine) == set(theirs)
    different = [name for name in mine if not torch.equal(mine[name], theirs[name])]
    assert different == []
