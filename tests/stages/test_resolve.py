"""From a recipe that leaves things open to one that leaves nothing, and back to a stored one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ladcli.errors import UserError
from ladcli.recipe import Recipe, load_recipe, save_recipe
from ladcli.recipe.presets import TrainingFacts
from ladcli.stages.cache_teacher import cache_teacher
from ladcli.stages.datasets import open_training_set
from ladcli.stages.distill import distill
from ladcli.stages.pretrain import pretrain
from ladcli.stages.resolve import keep_resolved, resolve, training_facts
from ladcli.stages.training import RunOptions
from tests.stages.tiny import (
    RECIPE,
    STEP,
    assert_same_weights,
    change_json,
    power_cut_at_call,
    tiny_recipe,
)

#: The tiny recipe with its learning rate and warm-up left open.
OPEN: dict[str, Any] = {name: body for name, body in RECIPE.items() if name != "optim"}


def open_recipe(data: Path, *leave_out: str, **given: Any) -> Recipe:
    """The tiny recipe without what a preset sets, where ``leave_out`` names sections."""
    layers = [("tests", {k: v for k, v in OPEN.items() if k not in leave_out})]
    flags = {key.replace("__", "."): value for key, value in given.items()}
    return load_recipe(None, layers=layers, flags={"data.dir": str(data), **flags})


def resolved(recipe: Recipe, *, stage: str = "pretrain", steps: int = 2) -> tuple[Recipe, Any, Any]:
    found = resolve(
        recipe,
        open_training_set(recipe.data),
        stage=stage,
        count_steps=lambda _: steps,
    )
    return found.recipe, found.values, found.hints


def test_everything_left_open_is_filled_in_and_told(data: Path) -> None:
    recipe, values, hints = resolved(open_recipe(data), steps=200)
    assert (recipe.optim.lr, recipe.optim.lr_batch, recipe.optim.warmup_steps) == (0.0025, None, 20)
    assert values == {"optim.lr": 0.0025, "optim.warmup_steps": 20}
    assert hints == (
        "learning rate 0.0025, which is 0.01 x 4/16 for the batch of 4; --lr X chooses another",
        "warm-up cut to 20 steps, a tenth of this run, where long runs take 500; "
        "--set optim.warmup_steps=N chooses another",
    )


def test_what_is_given_is_neither_changed_nor_told(data: Path) -> None:
    recipe = tiny_recipe(data)
    assert resolved(recipe, steps=3) == (recipe, {}, ())
    longer = tiny_recipe(data, optim__warmup_steps=7)
    same, _, hints = resolved(longer, steps=7)
    assert same.optim.warmup_steps == 7
    assert hints[0].startswith("warm-up takes 7 steps, but the run has only 7")


def test_a_rate_that_no_network_uses_is_not_told(data: Path) -> None:
    both = {"net_a__lr": 0.1, "net_b__lr": 0.2, "optim__warmup_steps": 0}
    _, _, hints = resolved(open_recipe(data, **both), stage="colad")
    assert hints == ()
    del both["net_b__lr"]
    _, _, hints = resolved(open_recipe(data, **both), stage="colad")
    assert len(hints) == 1


def test_presets_see_the_training_set(data: Path) -> None:
    facts = training_facts(open_training_set(tiny_recipe(data).data))
    assert facts == TrainingFacts(num_images=8, median_hw=(96, 128))


class TestRunThatGoesOn:
    """It keeps what it resolved, whatever the program has learned since."""

    def stopped(self, recipe: Recipe, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            power_cut_at_call(patch, STEP, 2)
            with pytest.raises(KeyboardInterrupt):
                pretrain(recipe, RunOptions(out, quiet=True))

    def test_what_was_resolved_is_noted_and_kept(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recipe, run = open_recipe(data, schedule__epochs=20, train__eval_every=0), tmp_path / "run"
        self.stopped(recipe, run, monkeypatch)
        noted = json.loads((run / "run.json").read_text())["resolved"]
        assert noted == {"optim.lr": 0.0025, "optim.warmup_steps": 4}
        with monkeypatch.context() as patch:  # a later version with other rules
            patch.setattr("ladcli.recipe.warmup.SHARE", 0.5)
            patch.setattr("ladcli.recipe.learning_rate.DEFAULT_BATCH", 64)
            pretrain(recipe, RunOptions(run, resume=True, quiet=True))
        optim = load_recipe(run / "recipe.yaml").optim
        assert (optim.lr, optim.warmup_steps) == (0.0025, 4)
        assert json.loads((run / "run.json").read_text())["resolved"] == noted

    def test_a_run_of_an_older_version_keeps_its_rate_and_warmup(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It took 0.01 for every batch and 500 steps, and did not say what was left open."""
        old = open_recipe(data, train__batch_size=8, optim__lr=0.01, optim__warmup_steps=500)
        self.stopped_at_once(old, tmp_path / "old", monkeypatch)
        asked = open_recipe(data, train__batch_size=8)  # as `lad run` asks for it
        pretrain(asked, RunOptions(tmp_path / "old", resume=True, quiet=True))
        optim = load_recipe(tmp_path / "old/recipe.yaml").optim
        assert (optim.lr, optim.lr_batch, optim.warmup_steps) == (0.01, None, 500)
        pretrain(old, RunOptions(tmp_path / "whole", quiet=True))
        last = "checkpoints/model/last.pt"
        assert_same_weights(tmp_path / "old" / last, tmp_path / "whole" / last)

    def stopped_at_once(self, recipe: Recipe, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            power_cut_at_call(patch, STEP, 1)
            with pytest.raises(KeyboardInterrupt):
                pretrain(recipe, RunOptions(out, quiet=True))
        change_json(out / "run.json", lambda content: content.pop("resolved"))

    def test_what_was_given_at_the_start_does_not_count_as_resolved(self, data: Path) -> None:
        saved = open_recipe(data, optim__lr=0.3, optim__warmup_steps=500)
        assert keep_resolved(open_recipe(data), saved, {"resolved": {}}) == open_recipe(data)
        older = keep_resolved(open_recipe(data), saved, {})
        assert older.optim.lr == 0.01  # and the difference is refused
        assert older.optim.warmup_steps == 500


class TestPreset:
    @pytest.fixture(autouse=True)
    def _tiny_values(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The preset itself is too slow for a test."""

        def small(facts: TrainingFacts) -> dict[str, Any]:
            return {
                "data.short": [64],
                "data.long": 8 * facts.num_images + 32,
                "train.batch_size": 2,
                "optim.lr": 0.004,
                "schedule.epochs": 6,
            }

        monkeypatch.setattr("ladcli.recipe.presets.PRESETS", {"small": small})

    def recipe(self, data: Path, **given: Any) -> Recipe:
        usual = {"train__preset": "small", "schedule__epochs": 1, "train__eval_every": 0}
        here = {"data__workers": 0, "train__device": "cpu"}
        return open_recipe(data, "data", "train", "schedule", **{**usual, **here, **given})

    def test_teacher_cache_and_student_agree(
        self, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        recipe = self.recipe(data)
        run = tmp_path / "teacher"
        pretrain(recipe, RunOptions(run))
        shown = capsys.readouterr().err
        assert (
            "note: preset small: data.short=64, data.long=96, train.batch_size=2, optim.lr=0.004, "
            "schedule.decay_epochs=[]" in shown
        )
        stored = load_recipe(run / "recipe.yaml")
        assert (stored.data.short, stored.data.long, stored.train.batch_size) == ([64], 96, 2)
        cache = tmp_path / "t.h5"
        cache_teacher(recipe, run / "checkpoints/model/last.pt", cache)
        assert "note: preset small: data.short=64, data.long=96\n" in capsys.readouterr().err
        student = self.recipe(data, distill__cache=str(cache))
        assert distill(student, RunOptions(tmp_path / "student", quiet=True)).steps == 4

    def test_its_values_are_kept_when_a_run_goes_on(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recipe = self.recipe(data, optim__warmup_steps=0)
        with monkeypatch.context() as patch:
            power_cut_at_call(patch, STEP, 2)
            with pytest.raises(KeyboardInterrupt):
                pretrain(recipe, RunOptions(tmp_path / "run", quiet=True))
        monkeypatch.setattr(
            "ladcli.recipe.presets.PRESETS", {"small": lambda _: {"train.batch_size": 4}}
        )
        assert pretrain(recipe, RunOptions(tmp_path / "run", resume=True, quiet=True)).steps == 4
        without = self.recipe(data, optim__warmup_steps=0, train__preset=None)
        message = r"was started with --preset small \(train\.preset\), not null;"
        with pytest.raises(UserError, match=message):
            pretrain(without, RunOptions(tmp_path / "run", resume=True, quiet=True))

    def test_a_stored_recipe_gives_everything(self, data: Path, tmp_path: Path) -> None:
        stored = tmp_path / "recipe.yaml"
        save_recipe(self.recipe(data, optim__warmup_steps=0), stored)
        recipe = load_recipe(stored)
        same, values, hints = resolved(recipe)
        assert (same, values) == (recipe, {})
        assert hints == ("preset small: sets nothing, all that it would set is given",)
