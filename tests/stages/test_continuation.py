"""Runs that get more epochs, and those that may not."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ladcli.errors import Interrupted, UserError
from ladcli.recipe import Recipe, load_recipe
from ladcli.runs.metrics_log import read_metrics
from ladcli.stages.colad import colad
from ladcli.stages.distill import distill
from ladcli.stages.pretrain import pretrain
from ladcli.stages.training import RunOptions, TrainingResult
from tests.stages.tiny import (
    STEP,
    assert_same_weights,
    change_json,
    contents,
    copy_of,
    ctrl_c_at_call,
    duo_recipe,
    power_cut_at_call,
    tiny_recipe,
    weights,
)

#: Entries of the log that depend on the clock.
CLOCK = ("images_per_second", "seconds_per_step", "seconds_trained")

Stage = Callable[[Recipe, RunOptions], TrainingResult]


def schedule(data: Path, epochs: int, *decays: int, **changes: Any) -> Recipe:
    """Two steps an epoch; the learning rate is high enough for networks to differ."""
    return tiny_recipe(
        data, schedule__epochs=epochs, schedule__decay_epochs=list(decays), **changes
    )


def resume(recipe: Recipe, run: Path, stage: Stage = pretrain) -> TrainingResult:
    return stage(recipe, RunOptions(run, resume=True, quiet=True))


def notes(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "run.json").read_text())
    return content


def log(run: Path) -> list[dict[str, Any]]:
    """The lines of a log without what depends on the clock."""
    return [
        {k: v for k, v in line.items() if k not in CLOCK}
        for line in read_metrics(run / "metrics.jsonl")
    ]


def assert_same_run(one: Path, other: Path) -> None:
    """Bit for bit: networks, log, probes and evaluations."""
    checkpoints = sorted(p.relative_to(one) for p in one.glob("checkpoints/*/*.pt"))
    assert checkpoints == sorted(p.relative_to(other) for p in other.glob("checkpoints/*/*.pt"))
    for name in checkpoints:
        assert_same_weights(one / name, other / name)
    assert log(one) == log(other)
    assert contents(one / "eval") == contents(other / "eval")
    probes = sorted(p.name for p in one.glob("probes/*.npz"))
    assert probes == sorted(p.name for p in other.glob("probes/*.npz"))
    for name in probes:
        with np.load(one / "probes" / name) as a, np.load(other / "probes" / name) as b:
            assert set(a) == set(b)
            for key in a:
                np.testing.assert_array_equal(a[key], b[key], err_msg=f"{name}: {key}")
    assert load_recipe(one / "recipe.yaml") == load_recipe(other / "recipe.yaml")


@pytest.fixture(scope="module")
def short(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two epochs, whose rate falls after the first."""
    run = tmp_path_factory.mktemp("short") / "run"
    pretrain(schedule(data, 2, 1), RunOptions(run, quiet=True))
    return run


@pytest.fixture
def run(short: Path, tmp_path: Path) -> Path:
    """A copy of it to go on with."""
    return Path(shutil.copytree(short, tmp_path / "run"))


@pytest.fixture(scope="module")
def long(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that was started with four."""
    out = tmp_path_factory.mktemp("long") / "run"
    pretrain(schedule(data, 4, 1, 3), RunOptions(out, quiet=True))
    return out


class TestLengthened:
    def test_run_ends_as_one_that_was_started_with_the_longer_schedule(
        self, data: Path, run: Path, long: Path
    ) -> None:
        result = resume(schedule(data, 4, 1, 3), run)
        assert result.steps == 8
        assert_same_run(run, long)
        assert notes(run)["status"] == "finished"

    @pytest.mark.parametrize("call", [1, 3])
    def test_it_may_be_killed_on_the_way(
        self, data: Path, run: Path, long: Path, monkeypatch: pytest.MonkeyPatch, call: int
    ) -> None:
        with monkeypatch.context() as patch:
            power_cut_at_call(patch, STEP, call)
            with pytest.raises(KeyboardInterrupt):
                resume(schedule(data, 4, 1, 3), run)
        assert notes(run)["status"] == "running"
        assert load_recipe(run / "recipe.yaml").schedule.epochs == 4
        resume(load_recipe(run / "recipe.yaml"), run)
        assert_same_run(run, long)

    def test_killed_between_its_two_files_it_is_still_the_shorter_run(
        self, data: Path, run: Path, long: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            power_cut_at_call(patch, "ladcli.runs.run_directory.save_recipe", 1)
            with pytest.raises(KeyboardInterrupt):
                resume(schedule(data, 4, 1, 3), run)
        assert load_recipe(run / "recipe.yaml").schedule.epochs == 2
        assert resume(load_recipe(run / "recipe.yaml"), run).steps == 4
        assert notes(run)["status"] == "finished"
        resume(schedule(data, 4, 1, 3), run)
        assert_same_run(run, long)

    def test_run_that_is_not_finished_gets_more_epochs_too(
        self, data: Path, long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            ctrl_c_at_call(patch, STEP, 3)
            with pytest.raises(Interrupted):
                pretrain(schedule(data, 3, 1, 2), RunOptions(tmp_path / "run", quiet=True))
        resume(schedule(data, 4, 1, 3), tmp_path / "run")
        assert_same_run(tmp_path / "run", long)

    def test_warm_up_stays_what_it_was_resolved_to(self, data: Path, tmp_path: Path) -> None:
        recipe = schedule(data, 2, optim__warmup_steps=None, distill__mode="soft")
        pretrain(recipe, RunOptions(tmp_path / "run", quiet=True))
        stored = load_recipe(tmp_path / "run/recipe.yaml").optim.warmup_steps
        assert stored is not None
        longer = schedule(data, 40, optim__warmup_steps=None, distill__mode="soft")
        with pytest.MonkeyPatch.context() as patch:
            ctrl_c_at_call(patch, STEP, 1)
            with pytest.raises(Interrupted):
                resume(longer, tmp_path / "run")
        saved = load_recipe(tmp_path / "run/recipe.yaml")
        assert (saved.schedule.epochs, saved.optim.warmup_steps) == (40, stored)


@pytest.mark.parametrize("eval_every", [2, 5])
def test_evaluation_at_the_end_of_the_shorter_run_leaves_no_trace(
    data: Path, tmp_path: Path, eval_every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best network may be one that the longer run would never have measured."""
    straight, run = tmp_path / "straight", tmp_path / "run"
    recipe = {n: schedule(data, n, train__eval_every=eval_every) for n in (3, 5)}
    pretrain(recipe[5], RunOptions(straight, quiet=True))
    pretrain(recipe[3], RunOptions(run, quiet=True))
    best = run / "checkpoints/model/best.pt"
    assert {line["epoch"] for line in log(run) if line["kind"] == "eval"} == (
        {2, 3} if eval_every == 2 else {3}
    )
    # Make sure of the awkward case: the last network is the best.
    state_of_last = weights(run / "checkpoints/model/last.pt")
    if any((weights(best)[k] != state_of_last[k]).any() for k in state_of_last):
        pytest.skip("the tiny network was better before its end")
    resume(recipe[5], run)
    assert_same_run(run, straight)


def test_both_networks_of_colad_are_lengthened(data: Path, duo: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(duo, tmp_path / "run"))
    longer = duo_recipe(data, schedule__epochs=3)
    resume(longer, run, colad)
    colad(longer, RunOptions(tmp_path / "straight", quiet=True))
    assert_same_run(run, tmp_path / "straight")


def test_students_are_lengthened(data: Path, cache: Path, tmp_path: Path) -> None:
    recipe = {n: schedule(data, n, distill__cache=str(cache)) for n in (1, 2)}
    distill(recipe[1], RunOptions(tmp_path / "run", quiet=True))
    resume(recipe[2], tmp_path / "run", distill)
    distill(recipe[2], RunOptions(tmp_path / "straight", quiet=True))
    assert_same_run(tmp_path / "run", tmp_path / "straight")


class TestRefused:
    def refusal(self, recipe: Recipe, run: Path) -> str:
        before = contents(run)
        with pytest.raises(UserError) as caught:
            resume(recipe, run)
        assert contents(run) == before
        return str(caught.value).removeprefix(f"{run}: ")

    def test_other_rates_in_the_past_are_named(self, data: Path, short: Path) -> None:
        assert self.refusal(schedule(data, 4, 3), short) == (
            "epoch 2 was trained at a learning rate of 0.001, and would have 0.01 under the new "
            "schedule; only epochs to come may change: --set schedule.decay_epochs=[1,3] leaves "
            "those that are done as they were"
        )

    def test_a_fall_put_into_the_past_is_too(self, data: Path, tmp_path: Path) -> None:
        pretrain(schedule(data, 2), RunOptions(tmp_path / "run", quiet=True))
        message = self.refusal(schedule(data, 4, 1), tmp_path / "run")
        assert message.startswith("epoch 2 was trained at a learning rate of 0.01, and would")

    def test_both_rates_of_colad_are_named(self, data: Path, duo: Path) -> None:
        before = contents(duo)
        with pytest.raises(UserError, match=r"learning rate of 0\.01 and 0\.02, and would have"):
            resume(duo_recipe(data, schedule__decay_epochs=[1]), duo, colad)
        assert contents(duo) == before

    def test_fewer_epochs_than_are_done(self, data: Path, short: Path) -> None:
        message = self.refusal(schedule(data, 1), short)
        assert message.startswith("2 epochs of its 2 are trained already, and --epochs 1 (sch")

    def test_any_other_option(self, data: Path, short: Path) -> None:
        message = self.refusal(schedule(data, 4, 1, train__batch_size=2), short)
        assert message.startswith("was started with --batch-size 4 (train.batch_size), not 2;")


def test_run_may_be_cut_to_what_is_done(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        ctrl_c_at_call(patch, STEP, 3)  # in the second epoch
        with pytest.raises(Interrupted):
            pretrain(schedule(data, 4, train__eval_every=3), RunOptions(run, quiet=True))
    with pytest.raises(UserError, match=r"a part of epoch 2 of its 4 are trained already"):
        resume(schedule(data, 1, train__eval_every=3), run)
    result = resume(schedule(data, 2, train__eval_every=3), run)
    assert (result.steps, set(result.metrics)) == (4, {"model"})
    pretrain(schedule(data, 2, train__eval_every=3), RunOptions(tmp_path / "two", quiet=True))
    assert_same_run(run, tmp_path / "two")


def test_data_may_lie_elsewhere_by_the_time_of_the_continuation(data: Path, tmp_path: Path) -> None:
    straight = tmp_path / "straight"
    pretrain(schedule(data, 2), RunOptions(straight, quiet=True))
    moved = tmp_path / "moved"
    pretrain(schedule(data, 1), RunOptions(moved, quiet=True))
    elsewhere = Path(shutil.copytree(data, tmp_path / "scratch"))
    resume(schedule(elsewhere, 2), moved)
    assert_same_weights(*(run / "checkpoints/model/last.pt" for run in (straight, moved)))
    assert load_recipe(moved / "recipe.yaml").data.dir == str(elsewhere)
    # A place that is not named again is the one that was named last.
    resume(tiny_recipe(schedule__epochs=3, schedule__decay_epochs=[]), moved)
    assert load_recipe(moved / "recipe.yaml").data.dir == str(elsewhere)


def swap_names(content: dict[str, Any]) -> None:
    first, second = content["categories"][:2]
    first["name"], second["name"] = second["name"], first["name"]


def move_a_box(content: dict[str, Any]) -> None:
    content["annotations"][0]["bbox"][0] += 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (move_a_box, "train.json holds now; give it the data that it began with"),
        (swap_names, "(the same classes in another order); give it the data"),
    ],
)
def test_other_data_at_the_same_place_are_refused(
    data: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    own, run = copy_of(data, tmp_path / "data"), tmp_path / "run"
    recipe = schedule(own, 1, train__eval_every=0)
    pretrain(recipe, RunOptions(run, quiet=True))
    before = contents(run)
    change_json(own / "annotations/train.json", change)
    with pytest.raises(UserError, match=re.escape(words)):
        resume(schedule(own, 2, train__eval_every=0), run)
    assert contents(run) == before


def test_image_that_is_lost_on_the_way_may_be_skipped(data: Path, tmp_path: Path) -> None:
    own, run = copy_of(data, tmp_path / "data"), tmp_path / "run"
    pretrain(schedule(own, 1, train__eval_every=0), RunOptions(run, quiet=True))
    names = [image["file_name"] for image in read_images(own)]
    (own / "images" / names[3]).unlink()
    result = resume(schedule(own, 2, train__eval_every=0, data__skip_bad_images=True), run)
    assert result.steps == 4


def read_images(folder: Path) -> list[dict[str, Any]]:
    content = json.loads((folder / "annotations/train.json").read_text())
    images: list[dict[str, Any]] = content["images"]
    return images


def test_another_teacher_is_refused_and_a_moved_one_is_not(
    data: Path, teacher: Path, tmp_path: Path
) -> None:
    def recipe(path: Path, epochs: int) -> Recipe:
        return schedule(data, epochs, distill__teacher=str(path), train__eval_every=0)

    run = tmp_path / "run"
    distill(recipe(teacher, 1), RunOptions(run, quiet=True))
    moved = Path(shutil.copy(teacher, tmp_path / "moved.pt"))
    assert resume(recipe(moved, 2), run, distill).steps == 4
    other = tmp_path / "other"
    pretrain(schedule(data, 1, train__eval_every=0, train__seed=9), RunOptions(other, quiet=True))
    with pytest.raises(UserError, match="learned from another teacher than"):
        resume(recipe(other / "checkpoints/model/last.pt", 3), run, distill)
