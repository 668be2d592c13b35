"""Does a sparse cache teach what the teacher's outputs teach, and how small is it?

Trains a student by SoLAD from a teacher that runs online, and on every step also takes the
soft-label losses from a cache of level `soft`.  Prints by how much they differ, and the size of the
cache beside that of all outputs in half precision.

    python -m benchmarks.soft_cache --recipe RECIPE --data DIR --teacher CKPT
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchmarks.cache_agreement import batches_of
from ladcli.data.loader import ReadBeside
from ladcli.data.plan import plan_views
from ladcli.detector.anchors import predicted_boxes
from ladcli.engine.optimizer import build_optimizer, lr_factor, set_lr
from ladcli.objective.objectives import MODEL, Objective
from ladcli.objective.opinion import Opinion
from ladcli.objective.soft_loss import soft_label_loss
from ladcli.recipe import Recipe, load_recipe
from ladcli.stages.assigner import build_assigner
from ladcli.stages.cache_teacher import cache_teacher
from ladcli.stages.prepare import Prepared, TrainingMethod, prepare, single_network
from ladcli.stages.teachers import make_cached_teacher, make_online_teacher
from ladcli.structures import Batch, Predictions, Scene
from ladcli.structures.losses import normalize

#: Outputs of an anchor besides its classes: four deltas and an IoU.
OTHER_OUTPUTS = 5


@dataclass
class Differences:
    """Soft-label losses of every step, from the teacher and from the cache."""

    online: list[float] = field(default_factory=list)
    cached: list[float] = field(default_factory=list)

    @property
    def largest(self) -> float:
        return max(abs(c / o - 1) for o, c in zip(self.online, self.cached, strict=True))

    @property
    def overall(self) -> float:
        return abs(sum(self.cached) / sum(self.online) - 1)


def endless(prepared: Prepared, beside: ReadBeside) -> Iterator[tuple[int, Batch]]:
    """Batches of one epoch after the other, with the epoch and what a cache holds of them."""
    epoch = 0
    while True:
        for batch in batches_of(prepared, epoch, beside):
            yield epoch, batch.to(prepared.device)
        epoch += 1


def soft_losses(
    student: Predictions, opinion: Opinion, batch: Batch, scene: Scene, recipe: Recipe
) -> dict[str, float]:
    """The three soft-label losses, without a gradient."""
    options, student = recipe.soft, student.detach()
    weights = options.weights(alone=False)
    targets = opinion.soft_targets(select=recipe.soft.select, min_iou=recipe.soft.min_iou)
    terms = soft_label_loss(
        student,
        predicted_boxes(student, scene, clip_hw=batch.content_hw),
        targets,
        loss=options.loss,
        gamma=options.gamma,
        cls_weight=weights.cls,
        box_weight=weights.box,
        iou_weight=weights.iou,
    )
    return {name: float(value) for name, value in normalize({MODEL: terms})[MODEL].items()}


def compare(prepared: Prepared, teacher: Path, cache: Path, steps: int) -> dict[str, Differences]:
    """Train for some steps; losses of each, by name and in total."""
    recipe = prepared.recipe
    assigner = build_assigner(recipe.assign)
    online = make_online_teacher(teacher, prepared, assigner)
    cached = make_cached_teacher(cache, prepared, assigner, network=teacher)
    objective = Objective(assigner, recipe.loss, prepared.anchors, online, soft=recipe.soft)
    network = prepared.networks[MODEL]
    student = network.detector.train()
    optimizer = build_optimizer(student, recipe.optim, lr=network.lr)
    found: dict[str, Differences] = {}
    batches = endless(prepared, cached.beside)
    for step in range(steps):
        epoch, batch = next(batches)
        factor = lr_factor(recipe.optim, recipe.schedule, step=step, epoch=epoch)
        set_lr(optimizer, factor * network.lr)
        predictions = student(batch.images)
        with torch.no_grad():
            scene = prepared.anchors.scene(batch)
            a, b = (
                soft_losses(predictions, who.look_at(batch, scene), batch, scene, recipe)
                for who in (online, cached)
            )
        for name in (*a, "total"):
            pair = found.setdefault(name, Differences())
            pair.online.append(a.get(name, sum(a.values())))
            pair.cached.append(b.get(name, sum(b.values())))
        losses = normalize(objective({MODEL: predictions}, batch).terms)[MODEL]
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), recipe.optim.clip_norm)
        optimizer.step()
    return found


def dense_bytes(prepared: Prepared) -> float:
    """Bytes of all outputs in half precision, mean over image views."""
    plan = plan_views(prepared.index, prepared.recipe.data, batch_size=1)
    outputs = len(prepared.index.classes) + OTHER_OUTPUTS
    sizes = [prepared.anchors.grid(batch[0].canvas_hw).num_anchors * outputs * 2 for batch in plan]
    return sum(sizes) / len(sizes)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", type=Path, help="recipe of the student")
    parser.add_argument("--data", help="data folder, where the recipe names none")
    parser.add_argument("--teacher", type=Path, required=True, help="teacher checkpoint")
    parser.add_argument("--cache", type=Path, help="use this cache instead of building one")
    parser.add_argument("--set", action="append", default=[], help="option of the recipe")
    parser.add_argument("--steps", type=int, default=60, help="training steps to compare")
    options = parser.parse_args()
    flags = {
        "data.dir": options.data,
        "train.eval_every": 0,
        "distill.mode": "solad",
        "cache.level": "soft",
    }
    recipe = load_recipe(options.recipe, flags=flags, overrides=options.set)
    with tempfile.TemporaryDirectory() as folder:
        path = options.cache or Path(folder) / "teacher.h5"
        if options.cache is None:
            cache_teacher(recipe, options.teacher, path)
        prepared, _ = prepare(TrainingMethod("distill", single_network, _no_objective), recipe)
        stored = path.stat().st_size / len(plan_views(prepared.index, recipe.data, batch_size=1))
        dense = dense_bytes(prepared)
        print(f"{stored:.0f} bytes per image view, dense {dense:.0f}: 1/{dense / stored:.0f}")
        for name, pair in compare(prepared, options.teacher, path, options.steps).items():
            print(
                f"{name:<9} online {pair.online[0]:.4f} … {pair.online[-1]:.4f}   difference: "
                f"overall {100 * pair.overall:.3f} %, largest of a step {100 * pair.largest:.3f} %"
            )


def _no_objective(prepared: Prepared) -> None:
    raise AssertionError("the benchmark makes its own objective")


if __name__ == "__main__":
    main()
