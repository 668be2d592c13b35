"""The training loop: it learns, it stops and goes on without a trace, and it never waits."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from ladcli.assign import Switch, grouped_mixture, mixture, paa_assigner
from ladcli.assign.moments import Scope
from ladcli.assign.switch import Criterion
from ladcli.detector.anchors import anchor_grid
from ladcli.detector.model import Detector
from ladcli.distill.cache_reader import TeacherCache
from ladcli.distill.cached_teacher import CachedTeacher
from ladcli.distill.objectives import MODEL, CoObjective, Objective
from ladcli.distill.teacher import OnlineTeacher, Teacher
from ladcli.engine import loop
from ladcli.engine.device import autocast
from ladcli.engine.loop import train
from ladcli.engine.progress import progress
from ladcli.engine.state import Learner, Position
from ladcli.errors import BadImageError, Interrupted, RunError
from ladcli.recipe import Recipe
from ladcli.structures import Batch, Predictions, StepLosses
from tests.detector.tiny import tiny_batch, tiny_detector
from tests.distill.caches import WIDE, view_batch, write_cache
from tests.engine.runs import (
    BATCHES,
    Run,
    interrupted_before,
    learner_for,
    plan_batches,
    recipe,
    require_equal,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nobody disturbed."""
    return Run(tmp_path_factory.mktemp("whole")).train()


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


def one_loss(value: Tensor) -> StepLosses:
    return StepLosses({MODEL: {"cls": value}})


def test_training_mode_is_back_after_an_evaluation(tmp_path: Path) -> None:
    modes = []

    def objective(networks: Mapping[str, Predictions], batch: Batch) -> StepLosses:
        modes.append(run.learner.model.training)
        return one_loss(networks[MODEL].cls.raw.square().mean())

    run = Run(tmp_path, objective=objective)
    run.learner.model.eval()
    run.train()
    assert modes == [True] * (2 * BATCHES)


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("number", range(BATCHES))
def test_an_interrupted_run_goes_on_without_a_trace(
    tmp_path: Path, whole: Run, epoch: int, number: int
) -> None:
    """Weights, momenta and log, bit for bit."""
    stopped = Run(tmp_path, batches=interrupted_before(epoch, number))
    with pytest.raises(Interrupted):
        stopped.train()
    # The step whose batch was on its way is still made.
    position = stopped.saved[-1]
    assert (position.epoch, position.batch) == (epoch, number + 1)
    assert position.step == epoch * BATCHES + number + 1
    resumed = Run(tmp_path, seed=9).train()
    require_equal(resumed.learner, whole.learner)
    assert resumed.lines() == whole.lines()
    assert resumed.training.position == whole.training.position


def test_a_run_may_be_interrupted_again_and_again(tmp_path: Path, whole: Run) -> None:
    for epoch, number in ((0, 0), (0, 2), (1, 1)):
        with pytest.raises(Interrupted):
            Run(
                tmp_path, seed=9 if number else 0, batches=interrupted_before(epoch, number)
            ).train()
    resumed = Run(tmp_path, seed=9).train()
    require_equal(resumed.learner, whole.learner)
    assert resumed.lines() == whole.lines()


def test_a_stop_during_the_evaluation_costs_no_training(tmp_path: Path, whole: Run) -> None:
    def interrupted() -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        Run(tmp_path, evaluate=interrupted).train()
    asked = []

    def batches(epoch: int, skip: int) -> Iterator[Batch]:
        asked.append((epoch, skip))
        return plan_batches(epoch, skip)

    resumed = Run(tmp_path, seed=9, batches=batches).train()
    assert asked == [(0, BATCHES), (1, 0)]
    assert resumed.evaluated == [1, 2]
    require_equal(resumed.learner, whole.learner)
    assert resumed.lines() == whole.lines()


def test_a_wish_during_the_evaluation_is_granted_after_it(tmp_path: Path) -> None:
    run = Run(tmp_path, evaluate=lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted):
        run.train()
    assert run.evaluated == [1]
    assert (run.saved[-1].epoch, run.saved[-1].batch) == (1, 0)


def test_a_wish_at_the_very_end_stops_nothing(tmp_path: Path) -> None:
    def late() -> None:
        if run.training.position.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    run = Run(tmp_path, evaluate=late)
    run.train()
    assert run.evaluated == [1, 2]


class Killed(BaseException):
    """Nothing that the loop could catch."""


def test_a_kill_after_the_log_was_written_leaves_no_line_twice(tmp_path: Path, whole: Run) -> None:
    """The states before and after an evaluation have the same step."""
    run = Run(tmp_path)
    save = run.training.save

    def killed_at_the_second_save(position: Any) -> None:
        if len(run.saved) == 1:
            raise Killed
        save(position)

    run.training.save = killed_at_the_second_save
    with pytest.raises(Killed):
        run.train()
    assert [line["kind"] for line in run.lines()] == ["train"] * 3 + ["eval"]
    resumed = Run(tmp_path, seed=9).train()
    require_equal(resumed.learner, whole.learner)
    assert resumed.lines() == whole.lines()


def test_a_kill_in_mid_epoch_costs_what_was_not_saved(
    tmp_path: Path, whole: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state every two minutes, a step every minute: saved after steps 2 and 5."""
    clock = [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])

    def killed_in_the_second_epoch(epoch: int, skip: int) -> Iterator[Batch]:
        for number, batch in enumerate(plan_batches(epoch, skip), start=skip):
            if (epoch, number) == (1, 2):
                raise Killed
            clock[0] += 61
            yield batch

    config = recipe(train__save_every_minutes=2.0)
    run = Run(tmp_path, config, batches=killed_in_the_second_epoch)
    with pytest.raises(Killed):
        run.train()
    assert [(p.epoch, p.batch, p.step) for p in run.saved] == [
        (0, 2, 2),
        (0, 3, 3),
        (1, 0, 3),
        (1, 2, 5),
    ]
    resumed = Run(tmp_path, config, seed=9).train()
    require_equal(resumed.learner, whole.learner)
    assert resumed.lines() == whole.lines()


@pytest.mark.parametrize("minutes", [0.0, 1e9])
def test_states_inside_an_epoch_are_saved_when_due_only(tmp_path: Path, minutes: float) -> None:
    run = Run(tmp_path, recipe(train__save_every_minutes=minutes, schedule__epochs=1)).train()
    assert [(p.epoch, p.batch) for p in run.saved] == [(0, BATCHES), (1, 0)]


def test_an_image_that_cannot_be_read_stops_with_the_state_saved(
    tmp_path: Path, whole: Run
) -> None:
    def torn(epoch: int, skip: int) -> Iterator[Batch]:
        for number, batch in enumerate(plan_batches(epoch, skip), start=skip):
            if (epoch, number) == (1, 1):
                raise BadImageError("torn.jpg", "the file ends in mid-picture")
            yield batch

    run = Run(tmp_path, batches=torn)
    with pytest.raises(BadImageError, match=r"torn\.jpg"):
        run.train()
    assert (run.saved[-1].epoch, run.saved[-1].batch, run.saved[-1].step) == (1, 1, 4)
    resumed = Run(tmp_path, seed=9).train()  # the file was mended
    require_equal(resumed.learner, whole.learner)
    assert resumed.lines() == whole.lines()


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
    def diverging(networks: Mapping[str, Predictions], batch: Batch) -> StepLosses:
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
    def objective(networks: Mapping[str, Predictions], batch: Batch) -> StepLosses:
        connected = networks[MODEL].cls.raw.sum() * 0
        losses = {MODEL: {"cls": connected + 1.0, "box": connected + 0.5}}
        return StepLosses(losses, {"num_positive": torch.tensor(70.0)})

    line = Run(tmp_path, recipe(schedule__epochs=1), objective=objective).train().lines()[0]
    assert (line["loss"], line["cls"], line["box"], line["num_positive"]) == (1.5, 1.0, 0.5, 70.0)


# The whole training step on a device that is not the CPU: nothing in it may make the host wait.


@pytest.fixture
def clean_grids() -> Iterator[None]:
    """Grids are remembered per device, and those of a pretended device must not outlive it."""
    anchor_grid.cache_clear()
    yield
    anchor_grid.cache_clear()


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a device without values or autocast cannot do, and need not."""
    # Off the CPU the mixtures make a fixed number of equal steps; a few show them all.
    monkeypatch.setattr(mixture, "MAX_STEPS", 5)
    monkeypatch.setattr(loop, "autocast", lambda *_: nullcontext())
    # The one host read per interval is the log's.
    monkeypatch.setattr(loop, "_log", lambda *_: "")


def crowded_batch() -> Batch:
    """Images of unequal size, one of them empty, with a crowd region."""
    batch = tiny_batch(content_hw=(40, 90))
    crowd = torch.tensor([[[10.0, 10.0, 60.0, 40.0]]]).repeat(3, 1, 1)
    return replace(batch, targets=replace(batch.targets, crowd=crowd))


def training_of(
    config: Recipe,
    learner: Learner,
    device: torch.device,
    teacher: Teacher | None,
    batch: Batch,
) -> loop.Training:
    """A run of one epoch over a batch that comes twice."""
    return loop.Training(
        recipe=config,
        device=device,
        learners={MODEL: learner},
        objective=Objective(paa_assigner(ignore_crowd=True), config.loss, teacher),
        position=Position(),
        log=None,  # type: ignore[arg-type]
        batches=lambda *_: [batch, batch],
        num_images=1,
        save=lambda _: None,
        finish_epoch=lambda _: None,
    )


def run_epoch(training: loop.Training) -> None:
    with progress("train", 1, quiet=True) as bar:
        train(training, bar)
    assert training.position.step == 2


def online(network: Detector, precision: AbstractContextManager[None]) -> OnlineTeacher:
    """A teacher with pixel statistics that are not the student's."""
    return OnlineTeacher(
        network,
        paa_assigner(ignore_crowd=True),
        autocast=precision,
        batch_mean=(0.1, 0.2, 0.3),
        batch_std=(0.5, 0.6, 0.7),
    )


@pytest.mark.usefixtures("pretended", "clean_grids")
@pytest.mark.parametrize(
    ("kind", "channels_last"), [("paa", True), ("online", True), ("cached", False)]
)
def test_a_training_step_never_waits(
    hostsync: ModuleType, tmp_path: Path, kind: str, channels_last: bool
) -> None:
    config = recipe(train__channels_last=channels_last, schedule__epochs=1)
    batch = view_batch([(0, 0), (1, 0)], WIDE) if kind == "cached" else crowded_batch()
    learner, network = learner_for(config), tiny_detector(5)
    cache = TeacherCache(write_cache(tmp_path / "cache.h5"))
    with hostsync.fake_accelerator() as device:
        learner.model.to(device)
        teacher: Teacher | None = None
        if kind == "online":
            teacher = online(network.to(device), nullcontext())
        elif kind == "cached":
            teacher = CachedTeacher(cache, paa_assigner(ignore_crowd=True))
        anchor_grid(batch.canvas_hw, device)  # made once per canvas, at its first batch
        training = training_of(config, learner, device, teacher, batch)
        with hostsync.count_host_syncs() as syncs:
            run_epoch(training)
        assert not syncs, syncs.report()
        assert all(p.grad.device.type == device.type for p in learner.model.parameters())


SWITCHES = [
    Switch(criterion, scope) for criterion in get_args(Criterion) for scope in get_args(Scope)
]


@pytest.mark.usefixtures("pretended", "clean_grids")
@pytest.mark.parametrize("method", ["solad", "colad"])
@pytest.mark.parametrize("switch", SWITCHES, ids=lambda s: f"{s.criterion}-{s.scope}")
def test_no_method_waits(
    hostsync: ModuleType, monkeypatch: pytest.MonkeyPatch, method: str, switch: Switch
) -> None:
    """A switch of any kind, with soft labels: by a teacher, and between two networks."""
    monkeypatch.setattr(grouped_mixture, "MAX_STEPS", 3)
    config, batch, assigner = recipe(schedule__epochs=1), crowded_batch(), paa_assigner()
    learners = {MODEL: learner_for(config)}
    network = tiny_detector(5)
    if method == "colad":
        learners = {"a": learner_for(config), "b": learner_for(config, 1)}
    with hostsync.fake_accelerator() as device:
        for learner in learners.values():
            learner.model.to(device)
        objective: Objective | CoObjective
        if method == "colad":
            objective = CoObjective(assigner, config.loss, switch, "a", config.soft)
        else:
            teacher = online(network.to(device), nullcontext())
            objective = Objective(assigner, config.loss, teacher, switch=switch, soft=config.soft)
        anchor_grid(batch.canvas_hw, device)
        training = replace(
            training_of(config, learner_for(config), device, None, batch),
            learners=learners,
            objective=objective,
        )
        with hostsync.count_host_syncs() as syncs:
            run_epoch(training)
        assert not syncs, syncs.report()


@pytest.mark.usefixtures("pretended", "clean_grids")
def test_a_step_that_waits_would_be_seen(hostsync: ModuleType) -> None:
    """The test above can fail: a host read in the objective, or a teacher left on the CPU."""
    config = recipe(schedule__epochs=1)
    learner, network, batch = learner_for(), tiny_detector(5), crowded_batch()
    with hostsync.fake_accelerator() as device:
        learner.model.to(device)
        training = training_of(config, learner, device, None, batch)
        objective = training.objective

        def reading(networks: Mapping[str, Predictions], batch: Batch) -> StepLosses:
            found = objective(networks, batch)
            found.losses[MODEL]["cls"].item()
            return found

        training.objective = reading
        with pytest.raises(hostsync.HOST_READ_ERRORS):
            run_epoch(training)
        left_behind = online(network, nullcontext())
        with pytest.raises(RuntimeError):
            run_epoch(training_of(config, learner, device, left_behind, batch))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["paa", "online", "cached"])
def test_a_training_step_never_waits_for_a_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, precision: str
) -> None:
    device = torch.device("cuda")
    config = recipe(train__precision=precision, schedule__epochs=1)
    learner = learner_for(config)
    learner.model.to(device, memory_format=torch.channels_last)
    batch = view_batch([(0, 0), (1, 0)], WIDE) if kind == "cached" else crowded_batch()
    teacher: Teacher | None = None
    if kind == "online":
        teacher = online(tiny_detector(5).to(device), autocast(precision, device))
    elif kind == "cached":
        cache = TeacherCache(write_cache(tmp_path / "cache.h5"))
        teacher = CachedTeacher(cache, paa_assigner(ignore_crowd=True))
    batch = batch.pin_memory()
    monkeypatch.setattr(loop, "_log", lambda *_: "")
    # At first kernels are chosen, and the grid of the canvas is made.
    run_epoch(training_of(config, learner, device, teacher, batch))
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        run_epoch(training_of(config, learner, device, teacher, batch))
    finally:
        torch.cuda.set_sync_debug_mode(before)
    assert all(torch.isfinite(p).all() for p in learner.model.parameters())
