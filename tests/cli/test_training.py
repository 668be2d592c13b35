from __future__ import annotations

import json
from pathlib import Path

import pytest

from ladcli.cli.training import resolve_recipe, show_result, with_hints
from ladcli.errors import UserError
from ladcli.recipe import Given, Recipe, load_recipe, save_recipe
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.run_directory import RunDirectory
from ladcli.stages.training import RunOptions, TrainingResult

CLASS = {"AP": 0.25, "AP50": 0.5, "AP75": 0.1, "APs": None, "APm": 0.3, "APl": 0.2, "AR100": 0.4}
METRICS = CocoMetrics(
    {**CLASS, "AR1": 0.1, "AR10": 0.3, "ARs": None, "ARm": 0.5, "ARl": 0.6}, {"cat": CLASS}
)


def test_new_run_starts_from_defaults_and_a_resumed_one_from_its_own(tmp_path: Path) -> None:
    flags = {"optim.lr": 0.5}
    new = resolve_recipe(None, flags, [], RunOptions(tmp_path)).recipe
    assert new == load_recipe(None, flags=flags)
    save_recipe(new, tmp_path / "recipe.yaml")
    assert resolve_recipe(None, {}, [], RunOptions(tmp_path)).recipe == Recipe()
    assert resolve_recipe(None, {}, [], RunOptions(tmp_path, resume=True)).recipe == new
    changed = resolve_recipe(None, {}, ["optim.lr=2"], RunOptions(tmp_path, resume=True))
    assert changed.recipe.optim.lr == 2  # the stage refuses it


def test_named_recipe_wins_over_that_of_the_run(tmp_path: Path) -> None:
    save_recipe(load_recipe(None, flags={"optim.lr": 0.5}), tmp_path / "recipe.yaml")
    (tmp_path / "mine.yaml").write_text("optim: {lr: 0.25}")
    options = RunOptions(tmp_path, resume=True)
    assert resolve_recipe(tmp_path / "mine.yaml", {}, [], options).recipe.optim.lr == 0.25


@pytest.mark.parametrize(
    ("epochs", "decays", "words"),
    [
        (12, [8, 11], "12 epochs, the learning rate falls after 8 and 11"),
        (6, [4, 5], "6 epochs, the learning rate falls after 4 and 5"),
        (4, [3], "4 epochs, the learning rate falls after 3"),
        (2, [1], "2 epochs, the learning rate falls after 1"),
        (1, [], "1 epoch, in which the learning rate does not fall"),
    ],
)
def test_decays_follow_a_number_of_epochs(
    tmp_path: Path, epochs: int, decays: list[int], words: str
) -> None:
    options, flags = RunOptions(tmp_path), {"schedule.epochs": epochs}
    recipe = resolve_recipe(None, flags, [], options).recipe
    assert (recipe.schedule.epochs, recipe.schedule.decay_epochs) == (epochs, decays)
    (hint,) = with_hints(options, flags, recipe).hints
    assert hint == f"{words}; --set schedule.decay_epochs=[...] chooses others"


def test_decays_that_were_given_are_used_as_they_are(tmp_path: Path) -> None:
    options, flags = RunOptions(tmp_path), {"schedule.epochs": 6}
    (tmp_path / "r.yaml").write_text("schedule: {decay_epochs: [2]}")
    found = resolve_recipe(tmp_path / "r.yaml", flags, [], options).recipe
    assert found.schedule.decay_epochs == [2]
    sets = ["schedule.decay_epochs=[1, 3]"]
    assert resolve_recipe(None, flags, sets, options).recipe.schedule.decay_epochs == [1, 3]
    # Neither a recipe file nor --set that name the epochs alone mean anything new.
    old = resolve_recipe(None, {}, ["schedule.epochs=6"], options).recipe
    assert old.schedule.decay_epochs == [8, 11]
    assert with_hints(options, {}, old).hints == ()
    flags = {"schedule.epochs": 24, "schedule.decay_epochs": [16, 22]}  # --schedule 2x
    recipe = resolve_recipe(None, flags, [], options).recipe
    assert with_hints(options, flags, recipe).hints == ()


def test_epochs_alone_leave_the_falls_of_a_run_where_they_are(tmp_path: Path) -> None:
    save_recipe(
        load_recipe(None, overrides=["schedule.decay_epochs=[2]"]), tmp_path / "recipe.yaml"
    )
    options, flags = RunOptions(tmp_path, resume=True), {"schedule.epochs": 24}
    asked = resolve_recipe(None, flags, [], options)
    assert (asked.recipe.schedule.epochs, asked.recipe.schedule.decay_epochs) == (24, [2])
    assert asked.given == {"schedule.epochs": Given(24, "--epochs")}


def test_damaged_recipe_of_a_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("optim: {lr: [}")
    with pytest.raises(UserError, match=r"recipe\.yaml: not valid YAML"):
        resolve_recipe(None, {}, [], RunOptions(tmp_path, resume=True))


def result(root: Path, metrics: CocoMetrics | None, *, skipped: int = 0) -> TrainingResult:
    measured = {} if metrics is None else {"model": metrics}
    return TrainingResult(RunDirectory(root), ("model",), measured, 7, skipped, ("odd boxes",))


def test_result_is_a_table_and_the_place_of_the_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_result(result(tmp_path / "a long name " / ("x" * 90), METRICS, skipped=2), as_json=False)
    captured = capsys.readouterr()
    assert "25.0" in captured.out
    last = captured.out.splitlines()[-1]  # on one line, however long it is
    assert (
        last == f"7 steps; network in {tmp_path}/a long name /{'x' * 90}/checkpoints/model/last.pt"
    )
    assert captured.err.splitlines()[0] == "note: odd boxes"
    assert "2 image(s) could not be read" in captured.err


def test_best_network_is_named_where_there_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = tmp_path / "checkpoints/model/best.pt"
    best.parent.mkdir(parents=True)
    best.touch()
    show_result(result(tmp_path, None), as_json=True)
    assert json.loads(capsys.readouterr().out)["checkpoint"] == str(best)


def test_json_is_one_object_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_result(result(tmp_path, METRICS, skipped=1), as_json=True)
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["steps"] == 7
    assert found["skipped_images"] == 1
    assert found["run"] == str(tmp_path)
    assert found["coco"]["stats"][0] == 0.25
    assert found["coco"]["per_class"]["cat"]["AP50"] == 0.5
