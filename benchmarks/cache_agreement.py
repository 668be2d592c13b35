"""Does training from the cache equal training with the teacher?

Runs a teacher online and from a cache over the same shuffled batches and prints which share of the
positives is the same; then trains one student both ways from one seed and prints by how much the
losses differ.

    python -m benchmarks.cache_agreement --recipe RECIPE --data DIR --teacher CKPT
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch

from ladcli.cache.cached_teacher import CachedTeacher
from ladcli.data.loader import ReadBeside, load_batches
from ladcli.data.plan import plan_epoch
from ladcli.engine.device import gradient_scaler
from ladcli.engine.optimizer import build_optimizer, lr_factor, set_lr
from ladcli.objective.objectives import MODEL, Objective
from ladcli.objective.teacher import OnlineTeacher, Teacher
from ladcli.recipe import Recipe, load_recipe
from ladcli.stages.assigner import build_assigner
from ladcli.stages.cache_teacher import cache_teacher
from ladcli.stages.prepare import Prepared, TrainingMethod, prepare, single_network
from ladcli.stages.teachers import make_cached_teacher, make_online_teacher
from ladcli.structures import Batch
from ladcli.structures.losses import normalize


@dataclass
class Agreement:
    """Counts of positives over some batches."""

    same: int = 0  # anchors that both give to the same ground truth
    either: int = 0  # anchors that at least one of them gives to some ground truth
    canvases: set[tuple[int, int]] | None = None

    @property
    def share(self) -> float:
        return self.same / max(1, self.either)


def prepare_student(recipe: Recipe) -> Prepared:
    """Data and a new student, as `lad distill` makes them."""

    def no_objective(prepared: Prepared) -> NoReturn:
        raise AssertionError("the steps are made here")

    prepared, _ = prepare(TrainingMethod("distill", single_network, no_objective), recipe)
    return prepared


def batches_of(prepared: Prepared, epoch: int, beside: ReadBeside | None = None) -> Iterable[Batch]:
    """A loader over one epoch, as training would see it, with what a teacher reads beside it."""
    recipe = prepared.recipe
    plan = plan_epoch(
        prepared.index,
        recipe.data,
        batch_size=recipe.train.batch_size,
        seed=recipe.train.seed,
        epoch=epoch,
    )
    mean, std = prepared.batch_statistics
    return load_batches(
        prepared.index,
        plan,
        mean=mean,
        std=std,
        workers=recipe.data.workers,
        skip_bad_images=False,
        pin_memory=False,
        beside=beside,
    )


def compare_positives(
    prepared: Prepared, online: OnlineTeacher, cached: CachedTeacher, epochs: int
) -> Agreement:
    """Ask both teachers about every batch of some epochs."""
    found = Agreement(canvases=set())
    for epoch in range(epochs):
        for batch in batches_of(prepared, epoch, cached.beside):
            batch = batch.to(prepared.device)
            scene = prepared.anchors.scene(batch)
            a, b = (who.look_at(batch, scene).assignment().gt_index for who in (online, cached))
            found.same += int(((a == b) & (a >= 0)).sum())
            found.either += int(((a >= 0) | (b >= 0)).sum())
            found.canvases.add(batch.canvas_hw)
    return found


def first_losses(recipe: Recipe, teacher: Teacher, steps: int) -> list[dict[str, float]]:
    """Losses of a student's first steps under a teacher, from the recipe's seed."""
    prepared = prepare_student(recipe)
    recipe, network = prepared.recipe, prepared.networks[MODEL]
    student = network.detector.train()
    optimizer = build_optimizer(student, recipe.optim, lr=network.lr)
    scaler = gradient_scaler("fp32", prepared.device)
    objective = Objective(build_assigner(recipe.assign), recipe.loss, prepared.anchors, teacher)
    losses: list[dict[str, float]] = []
    epoch = 0
    while len(losses) < steps:
        for batch in batches_of(prepared, epoch, teacher.beside):
            factor = lr_factor(recipe.optim, recipe.schedule, step=len(losses), epoch=epoch)
            set_lr(optimizer, factor * network.lr)
            batch = batch.to(prepared.device)
            outcome = objective({MODEL: student(batch.images)}, batch)
            scalars = normalize(outcome.terms)[MODEL]
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(torch.stack(list(scalars.values())).sum()).backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), recipe.optim.clip_norm)
            scaler.step(optimizer)
            losses.append({name: float(value.detach()) for name, value in scalars.items()})
            if len(losses) == steps:
                break
        epoch += 1
    return losses


def largest_difference(a: list[dict[str, float]], b: list[dict[str, float]]) -> float:
    """Largest relative difference of any loss at any step."""
    return max(
        abs(x[name] - y[name]) / max(abs(x[name]), 1e-12)
        for x, y in zip(a, b, strict=True)
        for name in ("cls", "box", "iou")
    )


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", type=Path, help="recipe of the student")
    parser.add_argument("--data", required=True, help="data folder")
    parser.add_argument("--teacher", type=Path, required=True, help="teacher checkpoint")
    parser.add_argument("--cache", type=Path, help="use this cache instead of building one")
    parser.add_argument("--set", action="append", default=[], help="option of the recipe")
    parser.add_argument("--epochs", type=int, default=1, help="epochs whose positives to compare")
    parser.add_argument("--steps", type=int, default=50, help="training steps to compare; 0: none")
    options = parser.parse_args()
    flags = {"data.dir": options.data, "train.eval_every": 0}
    recipe = load_recipe(options.recipe, flags=flags, overrides=options.set)
    with tempfile.TemporaryDirectory() as folder:
        path = options.cache or Path(folder) / "teacher.h5"
        if options.cache is None:
            cache_teacher(recipe, options.teacher, path)
        prepared = prepare_student(recipe)
        assigner = build_assigner(recipe.assign)
        online = make_online_teacher(options.teacher, prepared, assigner)
        cached = make_cached_teacher(path, prepared, assigner, network=options.teacher)
        found = compare_positives(prepared, online, cached, options.epochs)
        print(f"{cached.info.bytes_per_image_view:.0f} bytes per image view")
        print(f"canvases (height, width): {sorted(found.canvases or ())}")
        print(f"positives: {found.either}, the same in both: {100 * found.share:.4f} %")
        if options.steps:
            a = first_losses(recipe, online, options.steps)
            b = first_losses(recipe, cached, options.steps)
            print(
                f"losses of {options.steps} steps: largest relative difference "
                f"{largest_difference(a, b):.2e}; last {a[-1]} online, {b[-1]} cached"
            )


if __name__ == "__main__":
    main()
