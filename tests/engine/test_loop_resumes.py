"""A training loop that is stopped or killed goes on without a trace."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ladcli.engine import loop
from ladcli.errors import BadImageError, Interrupted
from ladcli.runs.metrics_log import read_metrics
from ladcli.structures import Batch
from tests.engine.runs import BATCHES, Run, interrupted_before, plan_batches, recipe, require_equal


def require_no_trace(resumed: Run, whole: Run) -> None:
    """Weights, momenta, log and position, bit for bit."""
    require_equal(resumed.learner, whole.learner)
    assert resumed.lines() == whole.lines()
    assert resumed.training.position == whole.training.position


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("number", range(BATCHES))
def test_an_interrupted_run_goes_on_without_a_trace(
    tmp_path: Path, whole: Run, epoch: int, number: int
) -> None:
    stopped = Run(tmp_path, batches=interrupted_before(epoch, number))
    with pytest.raises(Interrupted):
        stopped.train()
    # The step whose batch was on its way is still made.
    position = stopped.saved[-1]
    assert (position.epoch, position.batch) == (epoch, number + 1)
    assert position.step == epoch * BATCHES + number + 1
    resumed = Run(tmp_path, seed=9).train()
    require_no_trace(resumed, whole)


def test_a_run_may_be_interrupted_again_and_again(tmp_path: Path, whole: Run) -> None:
    for epoch, number in ((0, 0), (0, 2), (1, 1)):
        with pytest.raises(Interrupted):
            Run(
                tmp_path, seed=9 if number else 0, batches=interrupted_before(epoch, number)
            ).train()
    resumed = Run(tmp_path, seed=9).train()
    require_no_trace(resumed, whole)


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
    require_no_trace(resumed, whole)


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
    require_no_trace(resumed, whole)


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
    require_no_trace(resumed, whole)


def test_time_is_that_of_all_sessions_and_of_training_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch takes a minute, an evaluation an hour, and a night lies between two sessions."""
    clock = [0.0]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: clock[0])

    def slow(epoch: int, skip: int) -> Iterator[Batch]:
        for batch in plan_batches(epoch, skip):
            clock[0] += 60
            yield batch

    def evaluated() -> None:
        clock[0] += 3600

    config = recipe(train__log_every=2)
    with pytest.raises(Interrupted):
        Run(tmp_path, config, batches=interrupted_before(1, 0, slow), evaluate=evaluated).train()
    clock[0] += 36_000
    run = Run(tmp_path, config, batches=slow, evaluate=evaluated).train()
    position = run.training.position
    assert (position.images, position.seconds) == (3 * 2 * BATCHES, 60 * 2 * BATCHES)
    logged = [line for line in read_metrics(run.metrics) if line["kind"] == "train"]
    totals = [(n["step"], n["images_seen"], n["seconds_trained"]) for n in logged]
    assert totals == [(2, 6, 120.0), (3, 9, 180.0), (4, 12, 240.0), (6, 18, 360.0)]


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
    require_no_trace(resumed, whole)
