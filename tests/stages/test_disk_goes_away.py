"""A run whose images vanish stops, and ends like one that lost none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.errors import UserError
from ladcli.stages.cache_teacher import cache_teacher
from ladcli.stages.pretrain import pretrain
from ladcli.stages.training import RunOptions
from tests.stages.tiny import (
    STEP,
    assert_same_weights,
    at_call,
    change_json,
    copy_of,
    tiny_recipe,
)

LAST = "checkpoints/model/last.pt"


@pytest.mark.parametrize("whole_folder", [True, False])
def test_run_stops_and_goes_on_exactly(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole_folder: bool
) -> None:
    mine = copy_of(data, tmp_path / "data")
    recipe = tiny_recipe(mine, schedule__epochs=3, data__skip_bad_images=True)
    pretrain(recipe, RunOptions(tmp_path / "whole", quiet=True))
    images, away = mine / "images", tmp_path / "away"

    def vanish() -> None:
        images.rename(away)
        if not whole_folder:
            images.mkdir()

    at_call(monkeypatch, STEP, 3, vanish)
    with pytest.raises(UserError, match="the state is saved: go on with --resume") as caught:
        pretrain(recipe, RunOptions(tmp_path / "run", quiet=True))
    said = "the image folder went away" if whole_folder else "4 of 8 image files cannot be used"
    assert said in str(caught.value)
    if not whole_folder:
        images.rmdir()
    away.rename(images)
    result = pretrain(recipe, RunOptions(tmp_path / "run", resume=True, quiet=True))
    assert (result.steps, result.skipped) == (6, 0)
    assert_same_weights(tmp_path / "run" / LAST, tmp_path / "whole" / LAST)


def test_cache_is_not_built_without_them(
    data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = copy_of(data, tmp_path / "data")
    recipe = tiny_recipe(mine, data__skip_bad_images=True)
    at_call(
        monkeypatch,
        "ladcli.stages.cache_teacher.encode_opinion",
        1,
        lambda: (mine / "images").rename(tmp_path / "away"),
    )
    with pytest.raises(UserError, match=r"image folder went away.*give the same command again"):
        cache_teacher(recipe, teacher, tmp_path / "t.h5", quiet=True)
    (tmp_path / "away").rename(mine / "images")
    cache_teacher(recipe, teacher, tmp_path / "t.h5", quiet=True)
    cache_teacher(recipe, teacher, tmp_path / "whole.h5", quiet=True)
    assert (tmp_path / "t.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_same_data_may_lie_elsewhere_and_changed_data_are_refused(
    data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    pretrain(tiny_recipe(data), RunOptions(run, quiet=True))
    elsewhere = copy_of(data, tmp_path / "elsewhere")
    longer = tiny_recipe(elsewhere, schedule__epochs=2)
    assert pretrain(longer, RunOptions(run, resume=True, quiet=True)).steps == 4
    change_json(elsewhere / "annotations/train.json", lambda c: c["annotations"].pop())
    longest = tiny_recipe(elsewhere, schedule__epochs=3)
    with pytest.raises(UserError, match="was trained on other images, boxes or classes"):
        pretrain(longest, RunOptions(run, resume=True, quiet=True))


def test_two_sets_in_one_folder_are_noted(data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(data, data__val_json=str(data / "annotations/train.json"))
    result = pretrain(recipe, RunOptions(tmp_path / "run", quiet=True))
    (note,) = [note for note in result.notes if "--val-images" in note]
    assert "8 of 8 images are files of the training set too" in note
