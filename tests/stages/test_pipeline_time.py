"""How long a pipeline still takes, roughly."""

from __future__ import annotations

import pytest

from ladcli.recipe.pipeline import Stage
from ladcli.stages import pipeline_time as module
from ladcli.stages.pipeline_time import PipelineTime, Work
from tests.stages.tiny import tiny_recipe


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def works(*pieces: tuple[str, float]) -> list[Work]:
    return [Work(f"stage {n}", kind, amount) for n, (kind, amount) in enumerate(pieces, start=1)]


def test_nothing_is_known_at_first(clock: list[float]) -> None:
    times = PipelineTime(works(("data", 0), ("train", 3), ("train", 3)))
    assert times.left() is None
    times.begin()
    clock[0] += 9
    times.begin()  # making data says nothing of training
    assert times.left() is None
    assert times.to_go() == ""
    assert times.line(None) == "stage 2  0:00:09 so far"


def test_the_piece_under_way_tells_of_those_like_it(clock: list[float]) -> None:
    times = PipelineTime(works(("train", 3), ("train", 6)))
    times.begin()
    clock[0] += 40
    assert times.left(of_this=20) == pytest.approx(20 + 120)
    assert times.line(20) == "stage 1  0:00:40 so far  about 2 min left"


def test_other_kinds_are_guessed_until_they_are_known(clock: list[float]) -> None:
    times = PipelineTime(works(("train", 3), ("cache", 1), ("cache", 2)))
    times.begin()
    clock[0] += 60
    times.begin()
    assert times.left() == pytest.approx(60)
    clock[0] += 5
    times.begin()
    assert times.left() == pytest.approx(10)
    assert times.to_go() == "; about 10 s to go"


def test_what_was_done_before_says_nothing(clock: list[float]) -> None:
    times = PipelineTime(works(("train", 3), ("train", 3)))
    times.begin()
    times.found_done()
    clock[0] += 0.01
    times.begin()
    assert times.left() is None


def test_work_grows_with_epochs_pixels_and_networks() -> None:
    recipe = tiny_recipe(schedule__epochs=6)
    one = Work.of_stage(Stage(name="x", run="pretrain"), recipe, "stage 1")
    assert one.amount == 6 * 96 * 128
    assert Work.of_stage(Stage(name="x", run="colad"), recipe, "").amount == 2 * one.amount
    taught = Work.of_stage(Stage(name="x", run="distill", cache="c"), recipe, "")
    assert taught.kind == one.kind
    assert Work.of_stage(Stage(name="x", run="synth"), recipe, "").amount == 0
    cached = Work.of_stage(Stage(name="x", run="cache-teacher", teacher="t"), recipe, "")
    assert 0 < cached.amount < one.amount
