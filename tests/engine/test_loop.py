"""The training loop: it learns, and it writes down what it did."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ladcli.errors import RunError
from ladcli.objective.objectives import MODEL
from ladcli.structures import Batch, Predictions, StepTerms
from ladcli.structures.losses import LossTerm, LossTerms, Normalizer
from tests.detector.tiny import tiny_batch
from tests.engine.runs import BATCHES, Run, learner_for, plan_batches, recipe


def test_losses_fall_on_one_repeated_batch(tmp_path: Path) -> None:
    def same(epoch: int, skip: int) -> Iterator[Batch]:
        return (tiny_batch(0, boxes_per_image=(2, 1)) for _ in range(25 - skip))

    config = recipe(schedule__epochs=1, optim__lr=0.05, optim__clip_norm=5.0)
    lines = Run(tmp_path, config, batches=same).train().lines()[:-1]
    first, last = lines[0], lines[-1]
    # The total hides that the IoU branch's target moves: look at what must fall.
    assert last["loss"] < 0.7 * first["loss"]
    assert last["cls"] < 0.7 * first["cls"]
    assert last["box"] < first["box"]


def test_every_step_is_logged_with_its_scalars(whole: Run) -> None:
    lines = whole.lines()
    kinds = [(line["kind"], line["step"], line["epoch"]) for line in lines]
    assert kinds == [
        *(("train", step, 0) for step in (1, 2, 3)),
        ("eval", 3, 1),
        *(("train", step, 1) for step in (4, 5, 6)),
        ("eval", 6, 2),
    ]
    for line in lines:
        if line["kind"] == "train":
            assert line["loss"] == pytest.approx(line["cls"] + line["box"] + line["iou"], rel=1e-5)
            assert line["num_positive"] > 0
            assert line["gradient_norm"] > 0


def test_the_learning_rate_follows_the_schedule(whole: Run) -> None:
    """Two steps of warm-up from a thousandth, a fall by 0.1 after the first epoch."""
    rates = [line["lr"] for line in whole.lines() if line["kind"] == "train"]
    assert rates == pytest.approx([0.00005, 0.025025, 0.05, 0.005, 0.005, 0.005])


def test_batches_and_epochs_are_counted(whole: Run) -> None:
    position = whole.training.position
    assert (position.epoch, position.batch, position.step) == (2, 0, 2 * BATCHES)
    assert whole.evaluated == [1, 2]
    # Before each evaluation, so that it alone is made again, and after it.
    places = [(p.epoch, p.batch, p.step) for p in whole.saved]
    assert places == [(0, 3, 3), (1, 0, 3), (1, 3, 6), (2, 0, 6)]


def terms_of(**losses: Tensor) -> dict[str, LossTerms]:
    """Losses that are divided by one."""
    found = {name: LossTerm(value, "one") for name, value in losses.items()}
    return {MODEL: LossTerms(found, {"one": Normalizer(torch.tensor(1.0))})}


def one_loss(value: Tensor) -> StepTerms:
    return StepTerms(terms_of(cls=value))


def test_training_mode_is_back_after_an_evaluation(tmp_path: Path) -> None:
    modes = []

    def objective(networks: Mapping[str, Predictions], batch: Batch, progress: float) -> StepTerms:
        modes.append(run.learner.model.training)
        return one_loss(networks[MODEL].cls.raw.square().mean())

    run = Run(tmp_path, objective=objective)
    run.learner.model.eval()
    run.train()
    assert modes == [True] * (2 * BATCHES)


def test_skipped_images_are_collected_and_empty_batches_are_no_steps(tmp_path: Path) -> None:
    def holes(epoch: int, skip: int) -> Iterator[Batch]:
        for number, batch in enumerate(plan_batches(epoch, skip), start=skip):
            if number == 1:
                nothing = tiny_batch(boxes_per_image=())
                yield replace(nothing, skipped=("a.jpg: torn", "b.jpg: torn"))
            else:
                yield replace(batch, skipped=(f"c{number}.jpg: torn",))

    run = Run(tmp_path, recipe(schedule__epochs=1), batches=holes).train()
    assert run.training.skipped == {"a.jpg: torn", "b.jpg: torn", "c0.jpg: torn", "c2.jpg: torn"}
    assert (run.saved[0].batch, run.saved[0].step) == (3, 2)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path, value: float) -> None:
    def diverging(networks: Mapping[str, Predictions], batch: Batch, progress: float) -> StepTerms:
        scale = value if run.training.position.step == 2 else 1.0
        return one_loss(networks[MODEL].cls.raw.square().mean() * scale)

    run = Run(tmp_path, objective=diverging)
    with pytest.raises(RunError) as caught:
        run.train()
    assert f"the loss is {value} at step 3: training diverged" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [line["step"] for line in run.lines()] == [1, 2]
    assert run.saved == []  # nothing that could not be used was written


def test_lines_are_means_over_their_interval(tmp_path: Path, whole: Run) -> None:
    """Every second step, and the rest at the end of an epoch."""
    run = Run(tmp_path, recipe(train__log_every=2)).train()
    lines = [line for line in run.lines() if line["kind"] == "train"]
    single = [line["loss"] for line in whole.lines() if line["kind"] == "train"]
    assert [line["step"] for line in lines] == [2, 3, 4, 6]
    expected = [sum(single[:2]) / 2, single[2], single[3], sum(single[4:]) / 2]
    assert [line["loss"] for line in lines] == pytest.approx(expected, rel=1e-6)


def test_gradients_are_clipped_where_asked(tmp_path: Path) -> None:
    once = {"schedule__epochs": 1, "optim__warmup_steps": 0, "optim__weight_decay": 0.0}

    def first_step(folder: Path, **changes: Any) -> tuple[Run, float]:
        start = learner_for().model.state_dict()
        run = Run(folder, recipe(**once, **changes), batches=lambda e, s: iter([tiny_batch()]))
        run.train()
        after = dict(run.learner.model.named_parameters())
        moved = [(after[k] - start[k]).flatten() for k in after]
        return run, torch.cat(moved).norm().item() / run.config.optim.lr

    free, length = first_step(tmp_path / "free", optim__clip_norm=0.0)
    assert "gradient_norm" not in free.lines()[0]
    clipped, short = first_step(tmp_path / "clipped", optim__clip_norm=0.5)
    assert clipped.lines()[0]["gradient_norm"] == pytest.approx(length, rel=1e-3)
    assert short == pytest.approx(0.5, rel=1e-3)
    assert length > 0.5


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_trains(tmp_path: Path, whole: Run, precision: str) -> None:
    run = Run(tmp_path, recipe(train__precision=precision, schedule__epochs=1)).train()
    lines = [line for line in run.lines() if line["kind"] == "train"]
    assert len(lines) == BATCHES
    assert all(math.isfinite(line["loss"]) for line in lines)
    # Gradients are clipped and logged without the scale that keeps them above underflow.
    norms = [line["gradient_norm"] for line in lines]
    assert norms[0] == pytest.approx(whole.lines()[0]["gradient_norm"], rel=0.2)
    assert run.learner.scaler.is_enabled() == (precision == "fp16")
    assert all(p.dtype is torch.float32 for p in run.learner.model.parameters())


def test_memory_layout_changes_speed_and_no_result(tmp_path: Path, whole: Run) -> None:
    run = Run(tmp_path, recipe(train__channels_last=False)).train()
    mine = [line["loss"] for line in run.lines() if line["kind"] == "train"]
    theirs = [line["loss"] for line in whole.lines() if line["kind"] == "train"]
    # Convolutions sum in another order.
    assert mine == pytest.approx(theirs, rel=1e-3)


def test_what_is_only_looked_at_is_not_minimized(tmp_path: Path) -> None:
    def objective(networks: Mapping[str, Predictions], batch: Batch, progress: float) -> StepTerms:
        connected = networks[MODEL].cls.raw.sum() * 0
        terms = terms_of(cls=connected + 1.0, box=connected + 0.5)
        return StepTerms(terms, {"num_positive": torch.tensor(70.0)})

    line = Run(tmp_path, recipe(schedule__epochs=1), objective=objective).train().lines()[0]
    assert (line["loss"], line["cls"], line["box"], line["num_positive"]) == (1.5, 1.0, 0.5, 70.0)
