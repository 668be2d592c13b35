"""The training loop.

Read `train` from top to bottom: for every epoch, for every batch, a step; now and then a line in
the log; after every epoch a checkpoint and, where wanted, an evaluation.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ladcli.engine.device import autocast, peak_memory_mib
from ladcli.engine.interrupt import StopWish, stop_on_signal
from ladcli.engine.meter import Meter
from ladcli.engine.metrics_log import MetricsLog
from ladcli.engine.optimizer import base_lr, lr_factor, set_lr
from ladcli.engine.progress import Reporter
from ladcli.engine.state import Learner, Position
from ladcli.errors import BadImageError, Interrupted, RunError
from ladcli.recipe.schema import Recipe
from ladcli.structures import Batch, Predictions

ObjectiveFunction = Callable[[Predictions, Batch], dict[str, Tensor]]


@dataclass
class Training:
    """The parts that `train` puts to work, and what it leaves behind."""

    recipe: Recipe
    device: torch.device
    learner: Learner
    objective: ObjectiveFunction
    position: Position
    log: MetricsLog
    batches: Callable[[int, int], Iterable[Batch]]  # (epoch, batches to skip) -> the rest of it
    num_images: int  # of one epoch, for the progress display
    save: Callable[[Position], None]  # writes the state, so that the run can go on from it
    finish_epoch: Callable[[Position], None]  # checkpoint and evaluation
    skipped: set[str] = field(default_factory=set)  # images that could not be read


def train(run: Training, reporter: Reporter) -> None:
    """Train until the last epoch of the recipe.

    Raises:
        Interrupted: the user asked to stop; the state is saved.
        BadImageError: an image cannot be read; the state is saved.
        RunError: the loss is no longer finite.
    """
    with stop_on_signal() as stop:
        while run.position.epoch < run.recipe.schedule.epochs:
            _train_epoch(run, reporter, stop)
            # If the evaluation is stopped, it alone is done again.
            run.save(run.position)
            run.position.epoch += 1
            run.position.batch = 0
            run.finish_epoch(run.position)
            run.save(run.position)
            if stop and run.position.epoch < run.recipe.schedule.epochs:
                raise Interrupted


def _train_epoch(run: Training, reporter: Reporter, stop: StopWish) -> None:
    run.learner.model.train()
    meter, saved_at = Meter(), time.monotonic()
    config, position = run.recipe.train, run.position
    images = position.epoch * run.num_images + position.batch * config.batch_size
    try:
        for batch in run.batches(position.epoch, position.batch):
            run.skipped.update(batch.skipped)
            position.batch += 1
            images += len(batch) + len(batch.skipped)
            if len(batch):
                losses = _step(run, batch.to(run.device))
                meter.add(losses, images=len(batch))
                position.step += 1
                if position.step % config.log_every == 0:
                    reporter.update(images, _log(run, meter))  # the one host read per interval
            if stop:
                run.save(position)
                raise Interrupted
            if 0 < config.save_every_minutes * 60 < time.monotonic() - saved_at:
                run.save(position)
                saved_at = time.monotonic()
    except BadImageError:
        run.save(position)
        raise
    reporter.update(images, _log(run, meter))


def _step(run: Training, batch: Batch) -> dict[str, Tensor]:
    """Forward, loss, backward, step.  Returns named scalars that are still on the device."""
    recipe, learner, position = run.recipe, run.learner, run.position
    factor = lr_factor(recipe.optim, recipe.schedule, step=position.step, epoch=position.epoch)
    set_lr(learner.optimizer, factor * base_lr(recipe.optim, recipe.train.batch_size))
    images = batch.images
    if recipe.train.channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    with autocast(recipe.train.precision, run.device):
        predictions = learner.model(images)
    scalars = run.objective(predictions, batch)
    total = sum_losses(scalars)
    learner.optimizer.zero_grad(set_to_none=True)
    learner.scaler.scale(total).backward()
    if recipe.optim.clip_norm:
        learner.scaler.unscale_(learner.optimizer)
        parameters = [p for group in learner.optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.optim.clip_norm)
        scalars["gradient_norm"] = norm
    learner.scaler.step(learner.optimizer)
    learner.scaler.update()
    return {"loss": total, **scalars}


def sum_losses(scalars: dict[str, Tensor]) -> Tensor:
    """The sum of what is minimised: every scalar with a gradient; the rest is for the log."""
    return torch.stack([v for v in scalars.values() if v.requires_grad]).sum()


def _log(run: Training, meter: Meter) -> str:
    """Write the means since the last line to the log; a short note for the progress display."""
    means = meter.read()
    if not means:
        return ""
    step, epoch = run.position.step, run.position.epoch
    if not math.isfinite(means["loss"]):
        raise RunError(
            f"the loss is {means['loss']} at step {step}: training diverged; start anew "
            "(--overwrite) with a lower optim.lr or optim.clip_norm, or a longer optim.warmup_steps"
        )
    lr = run.learner.optimizer.param_groups[0]["lr"]
    run.log.write("train", step, epoch=epoch, lr=lr, **means)
    memory = peak_memory_mib(run.device) / 1024
    return (
        f"epoch {epoch + 1}/{run.recipe.schedule.epochs} loss {means['loss']:.3f} "
        f"{means['images_per_second']:.1f} img/s {memory:.1f} GB"
    )
