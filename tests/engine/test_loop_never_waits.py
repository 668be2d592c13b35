"""A training step where the device is not the CPU: nothing in it may make the host wait."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Literal, get_args

import pytest
import torch

from ladcli.assign import Switch, paa_assigner
from ladcli.assign.moments import Scope
from ladcli.assign.switch import Criterion
from ladcli.cache.batch_rows import needed_tables
from ladcli.cache.cached_teacher import CachedTeacher
from ladcli.cache.format import LEVELS, Level, needed_level
from ladcli.cache.reader import TeacherCache
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.detector.model import Detector
from ladcli.engine import loop
from ladcli.engine.device import autocast
from ladcli.engine.loop import train
from ladcli.engine.progress import progress
from ladcli.engine.state import Learner, Position
from ladcli.objective.objectives import MODEL, CoObjective, Objective
from ladcli.objective.teacher import OnlineTeacher, Teacher
from ladcli.recipe import Recipe
from ladcli.structures import Batch, Predictions, StepTerms
from tests.cache.caches import WIDE, teacher_of, view_batch, with_rows, write_cache
from tests.detector.tiny import tiny_batch, tiny_detector
from tests.engine.runs import learner_for, recipe
from tests.objective.opinions import random_batch, random_opinion, write_opinion


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a device without values or autocast cannot do, and need not."""
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
        objective=Objective(paa_assigner(ignore_crowd=True), config.loss, DEFAULT_LAYOUT, teacher),
        position=Position(),
        log=None,  # type: ignore[arg-type]
        batches=lambda *_: [batch, batch],
        num_images=1,
        save=lambda _: None,
        finish_epoch=lambda _: None,
    )


def cached_positives(folder: Path) -> CachedTeacher:
    """A teacher of whom only positives are stored."""
    cache = TeacherCache(write_cache(folder / "cache.h5"))
    return teacher_of(cache, paa_assigner(ignore_crowd=True))


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


@pytest.mark.usefixtures("pretended", "few_steps")
@pytest.mark.parametrize(
    ("kind", "channels_last"), [("paa", True), ("online", True), ("cached", False)]
)
def test_a_training_step_never_waits(
    hostsync: ModuleType, tmp_path: Path, kind: str, channels_last: bool
) -> None:
    config = recipe(train__channels_last=channels_last, schedule__epochs=1)
    batch = view_batch([(0, 0), (1, 0)], WIDE) if kind == "cached" else crowded_batch()
    learner, network = learner_for(config), tiny_detector(5)
    cached = cached_positives(tmp_path)
    if kind == "cached":
        batch = with_rows(cached, batch)
    with hostsync.fake_accelerator() as device:
        learner.model.to(device)
        teacher: Teacher | None = None
        if kind == "online":
            teacher = online(network.to(device), nullcontext())
        elif kind == "cached":
            teacher = cached
        DEFAULT_LAYOUT.grid(batch.canvas_hw, device)  # made once per canvas, at its first batch
        training = training_of(config, learner, device, teacher, batch)
        with hostsync.count_host_syncs() as syncs:
            run_epoch(training)
        assert not syncs, syncs.report()
        assert all(p.grad.device.type == device.type for p in learner.model.parameters())


#: As `distill.mode`.
Mode = Literal["lad", "soft", "solad"]

SWITCHES = [
    Switch(criterion, scope) for criterion in get_args(Criterion) for scope in get_args(Scope)
]


@pytest.mark.usefixtures("pretended", "few_steps")
@pytest.mark.parametrize("method", ["solad", "colad"])
@pytest.mark.parametrize("switch", SWITCHES, ids=lambda s: f"{s.criterion}-{s.scope}")
def test_no_method_waits(hostsync: ModuleType, method: str, switch: Switch) -> None:
    """A switch of any kind, with soft labels: by a teacher, and between two networks."""
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
            objective = CoObjective(assigner, config.loss, DEFAULT_LAYOUT, switch, "a", config.soft)
        else:
            teacher = online(network.to(device), nullcontext())
            objective = Objective(
                assigner, config.loss, DEFAULT_LAYOUT, teacher, switch=switch, soft=config.soft
            )
        DEFAULT_LAYOUT.grid(batch.canvas_hw, device)
        training = replace(
            training_of(config, learner_for(config), device, None, batch),
            learners=learners,
            objective=objective,
        )
        with hostsync.count_host_syncs() as syncs:
            run_epoch(training)
        assert not syncs, syncs.report()


def cached_methods() -> list[tuple[Level, Mode, Switch | None]]:
    """Level, mode and switch of runs that learn from a cache: none, and the most that a level has.

    Each level serves the switches of the one before; which tables a switch reads is tested beside
    the cache.
    """
    most = {"costs": Switch("fisher", "object"), "dense": Switch("fisher", "batch")}
    most["soft"] = most["costs"]
    found: list[tuple[Level, Mode, Switch | None]] = []
    for level, mode in itertools.product(LEVELS, get_args(Mode)):
        for switch in dict.fromkeys([None, None if mode == "soft" else most.get(level)]):
            needed = needed_level(teacher_assigns=mode != "soft", switch=switch, soft=mode != "lad")
            if LEVELS.index(needed) <= LEVELS.index(level):
                found.append((level, mode, switch))
    return found


def named(value: object) -> str:
    return f"{value.criterion}-{value.scope}" if isinstance(value, Switch) else str(value)


@pytest.mark.usefixtures("pretended", "few_steps")
@pytest.mark.parametrize(("level", "mode", "switch"), cached_methods(), ids=named)
def test_nobody_waits_for_what_is_cached(
    hostsync: ModuleType, tmp_path: Path, level: Level, mode: Mode, switch: Switch | None
) -> None:
    """Rows cross to the device with the batch and are laid out there."""
    config, learner = recipe(schedule__epochs=1), learner_for()
    opinion = random_opinion(1, random_batch(0))
    teacher = teacher_of(
        write_opinion(tmp_path / "cache.h5", opinion, level),
        opinion.assigner,
        needed_tables(level, teacher_assigns=mode != "soft", switch=switch, soft=mode != "lad"),
    )
    batch = with_rows(teacher, opinion.batch)
    with hostsync.fake_accelerator() as device:
        learner.model.to(device)
        DEFAULT_LAYOUT.grid(batch.canvas_hw, device)
        objective = Objective(
            opinion.assigner,
            config.loss,
            DEFAULT_LAYOUT,
            teacher,
            teacher_assigns=mode != "soft",
            switch=switch,
            soft=None if mode == "lad" else config.soft,
        )
        training = replace(training_of(config, learner, device, None, batch), objective=objective)
        with hostsync.count_host_syncs() as syncs:
            run_epoch(training)
        assert not syncs, syncs.report()
        assert all(p.grad.device.type == device.type for p in learner.model.parameters())


@pytest.mark.usefixtures("pretended", "few_steps")
def test_a_step_that_waits_would_be_seen(hostsync: ModuleType) -> None:
    """The test above can fail: a host read in the objective, or a teacher left on the CPU."""
    config = recipe(schedule__epochs=1)
    learner, network, batch = learner_for(), tiny_detector(5), crowded_batch()
    with hostsync.fake_accelerator() as device:
        learner.model.to(device)
        training = training_of(config, learner, device, None, batch)
        objective = training.objective

        def reading(
            networks: Mapping[str, Predictions], batch: Batch, progress: float
        ) -> StepTerms:
            found = objective(networks, batch, progress)
            found.terms[MODEL].losses["cls"].total.item()
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
        teacher = cached_positives(tmp_path)
        batch = with_rows(teacher, batch)
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
