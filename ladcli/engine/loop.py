"""The training loop.

Read `train` from top to bottom: for every epoch, for every batch, a step; now and then a line in
the log; after every epoch a checkpoint and, where wanted, an evaluation.  A run trains one network,
or several that learn together: each has its own optimizer, and the objective sees all of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ladcli.engine.device import autocast, peak_memory_mib
from ladcli.engine.interrupt import StopWish, stop_on_signal
from ladcli.engine.meter import Meter
from ladcli.engine.optimizer import lr_factor, set_lr
from ladcli.engine.progress import Reporter
from ladcli.engine.state import Learner, Position
from ladcli.errors import BadImageError, Interrupted, RunError, TooManyBadImages
from ladcli.recipe.flags import option_name
from ladcli.recipe.schema import Recipe
from ladcli.runs.metrics_log import MetricsLog
from ladcli.structures import Batch, ObjectiveFunction, Predictions
from ladcli.structures.losses import normalize


@dataclass
class Training:
    """The parts that `train` puts to work, and what it leaves behind."""

    recipe: Recipe
    device: torch.device
    learners: Mapping[str, Learner]  # by network; batches suit the first one
    objective: ObjectiveFunction
    position: Position
    log: MetricsLog
    batches: Callable[[int, int], Iterable[Batch]]  # (epoch, batches to skip) -> the rest of it
    num_images: int  # of one epoch, for the progress display
    save: Callable[[Position], None]  # writes the state, so that the run can go on from it
    finish_epoch: Callable[[Position], None]  # checkpoint and evaluation
    skipped: set[str] = field(default_factory=set)  # images that could not be read
    saved_at: float | None = None  # monotonic time of the last save since `train` began

    @property
    def progress(self) -> float:
        """Share of the training that is done, 0 to 1."""
        config, epochs = self.recipe.train, self.recipe.schedule.epochs
        seen = max(0, self.position.batch - 1) * config.batch_size / max(1, self.num_images)
        return min(1.0, (self.position.epoch + min(1.0, seen)) / epochs)

    def save_now(self) -> None:
        self.save(self.position)
        self.saved_at = time.monotonic()


def train(run: Training, reporter: Reporter) -> None:
    """Train until the last epoch of the recipe.

    Raises:
        Interrupted: the user asked to stop; the state is saved.
        BadImageError: an image cannot be read; the state is saved.
        TooManyBadImages: likewise, for those that may be skipped.
        RunError: the loss is no longer finite.
    """
    resumed = run.position.step > 0
    with stop_on_signal(keeps=lambda: _kept(run, resumed)) as stop:
        while run.position.epoch < run.recipe.schedule.epochs:
            stop.after = "this step"
            _train_epoch(run, reporter, stop)
            stop.after = "the checkpoint of this epoch"
            # If the evaluation is stopped, it alone is done again.
            run.save_now()
            run.position.epoch += 1
            run.position.batch = 0
            run.finish_epoch(run.position)
            run.save_now()
            if stop and run.position.epoch < run.recipe.schedule.epochs:
                raise Interrupted


def _kept(run: Training, resumed: bool) -> str:
    """What remains of a run that ends without a save."""
    if run.saved_at is not None:
        minutes = int((time.monotonic() - run.saved_at) / 60)
        age = f"{minutes} min" if minutes else "less than a minute"
        return f"the state of the last save ({age} ago)"
    return "the state that it went on from" if resumed else "nothing, as no state is saved yet"


def _train_epoch(run: Training, reporter: Reporter, stop: StopWish) -> None:
    for learner in run.learners.values():
        learner.model.train()
    meter, began = Meter(), time.monotonic()
    config, position = run.recipe.train, run.position
    images = position.epoch * run.num_images + position.batch * config.batch_size
    reporter.update(images)
    try:
        for batch in run.batches(position.epoch, position.batch):
            run.skipped.update(batch.skipped)
            position.batch += 1
            images += len(batch) + len(batch.skipped)
            if len(batch):
                losses = _step(run, batch.to(run.device))
                meter.add(losses, images=len(batch))
                position.step += 1
                position.images += len(batch)
                due = position.step % config.log_every == 0
                # The one host read per interval.
                reporter.update(images, _log(run, meter) if due else "")
            if stop:
                _save(run, meter)
                raise Interrupted
            if 0 < config.save_every_minutes * 60 < time.monotonic() - (run.saved_at or began):
                _save(run, meter)
    except (BadImageError, TooManyBadImages):
        _save(run, meter)
        raise
    reporter.update(images, _log(run, meter))


def _save(run: Training, meter: Meter) -> None:
    """Save within an epoch, with the time that it took so far."""
    run.position.seconds += meter.lap()
    run.save_now()


def _step(run: Training, batch: Batch) -> dict[str, Tensor]:
    """Forward, losses, backward, step.  Returns named scalars that are still on the device."""
    recipe, position = run.recipe, run.position
    factor = lr_factor(recipe.optim, recipe.schedule, step=position.step, epoch=position.epoch)
    predictions = {name: _forward(run, learner, batch) for name, learner in run.learners.items()}
    outcome = run.objective(predictions, batch, run.progress)
    normalized = normalize(outcome.terms)
    scalars: dict[str, Tensor] = {}
    for name, learner in run.learners.items():
        losses = normalized[name]
        found = {"loss": torch.stack(list(losses.values())).sum(), **losses}
        set_lr(learner.optimizer, factor * learner.lr)
        norm = _descend(learner, found["loss"], clip_norm=recipe.optim.clip_norm)
        if norm is not None:
            found["gradient_norm"] = norm
        # With one network the names stand alone.
        prefix = f"{name}." if len(run.learners) > 1 else ""
        scalars |= {prefix + key: value.detach() for key, value in found.items()}
    if len(run.learners) > 1:
        scalars["loss"] = torch.stack([scalars[f"{name}.loss"] for name in run.learners]).sum()
    return scalars | outcome.log


def _forward(run: Training, learner: Learner, batch: Batch) -> Predictions:
    images = learner.inputs(batch)
    if run.recipe.train.channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    with autocast(run.recipe.train.precision, run.device):
        predictions: Predictions = learner.model(images)
    return predictions


def _descend(learner: Learner, loss: Tensor, *, clip_norm: float) -> Tensor | None:
    """One step downhill; the gradient's norm before clipping, where it is clipped."""
    norm = None
    learner.optimizer.zero_grad(set_to_none=True)
    learner.scaler.scale(loss).backward()
    if clip_norm:
        learner.scaler.unscale_(learner.optimizer)
        parameters = [p for group in learner.optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
    learner.scaler.step(learner.optimizer)
    learner.scaler.update()
    return norm


def _log(run: Training, meter: Meter) -> str:
    """Write the means since the last line to the log; a short note for the progress display."""
    means = meter.read()
    if not means:
        return ""
    run.position.seconds += meter.lap()
    step, epoch = run.position.step, run.position.epoch
    if not math.isfinite(means["loss"]):
        raise RunError(
            f"the loss is {means['loss']} at step {step}: training diverged; start anew "
            f"(--overwrite) with a lower {option_name('optim.lr')} or optim.clip_norm, or a longer "
            "optim.warmup_steps"
        )
    spent = {
        "images_seen": run.position.images,
        "seconds_trained": round(run.position.seconds, 3),
    }
    run.log.write("train", step, epoch=epoch, **_rates(run), **means, **spent)
    memory = peak_memory_mib(run.device) / 1024
    share = f"teacher {means['teacher_share']:.0%}  " if "teacher_share" in means else ""
    return (
        f"epoch {epoch + 1}/{run.recipe.schedule.epochs}  loss {means['loss']:.3f}  {share}"
        f"{means['images_per_second']:.1f} images/s  {memory:.1f} GB"
    )


def _rates(run: Training) -> dict[str, float]:
    """The learning rate of every network, by its name in the log."""
    rates = {
        name: float(learner.optimizer.param_groups[0]["lr"])
        for name, learner in run.learners.items()
    }
    if len(rates) == 1:
        return {"lr": next(iter(rates.values()))}
    return {f"{name}.lr": rate for name, rate in rates.items()}
