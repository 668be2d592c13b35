from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command

from ladcli.cli import app
from ladcli.cli.options import (
    Precision,
    Schedule,
    image_size,
    inference_views,
    recipe_flags,
)
from ladcli.data.views import InferenceViews
from ladcli.errors import UserError
from ladcli.recipe import SCHEDULES, load_recipe
from ladcli.recipe.flags import FLAGS
from ladcli.recipe.schema import TrainConfig


def test_options_that_were_not_given_say_nothing() -> None:
    assert set(recipe_flags().values()) == {None}
    assert load_recipe(None, flags=recipe_flags()) == load_recipe(None)


def test_every_option_reaches_the_recipe() -> None:
    recipe = load_recipe(
        None,
        flags=recipe_flags(
            data=Path("my data"),
            train_json=Path("t.json"),
            val_json=Path("v.json"),
            images=Path("i"),
            skip_bad_images=True,
            workers=0,
            backbone="resnet18",
            weights="w.pth",
            schedule=Schedule.x2,
            batch_size=3,
            lr=0.5,
            precision=Precision.bf16,
            seed=0,
            device="cpu",
        ),
    )
    assert recipe.data.dir == "my data"
    assert (recipe.data.train_json, recipe.data.val_json) == ("t.json", "v.json")
    assert (recipe.data.images, recipe.data.skip_bad_images) == ("i", True)
    assert recipe.data.workers == 0
    assert (recipe.model.backbone, recipe.model.weights) == ("resnet18", "w.pth")
    assert (recipe.schedule.epochs, recipe.schedule.decay_epochs) == (24, [16, 22])
    assert (recipe.train.batch_size, recipe.optim.lr) == (3, 0.5)
    assert (recipe.train.precision, recipe.train.seed, recipe.train.device) == ("bf16", 0, "cpu")


def test_zero_is_a_value_not_an_absence() -> None:
    flags = recipe_flags(seed=0, workers=0)
    assert flags["train.seed"] == 0
    assert flags["data.workers"] == 0


@pytest.mark.parametrize("schedule", list(Schedule))
def test_schedules_are_those_of_the_recipe(schedule: Schedule) -> None:
    epochs, decays = SCHEDULES[schedule.value]
    flags = recipe_flags(schedule=schedule)
    assert flags["schedule.epochs"] == epochs
    assert flags["schedule.decay_epochs"] == list(decays)


def test_precisions_are_those_of_the_recipe() -> None:
    for precision in Precision:
        assert TrainConfig(precision=precision.value).precision == precision.value
    assert {s.value for s in Schedule} == set(SCHEDULES)


@pytest.mark.parametrize(
    ("scales", "shorts"),
    [(None, ()), ("480", (480,)), ("480, 640", (480, 640)), ("640,480,640", (640, 480))],
)
def test_scales_are_a_list_without_repeats(scales: str | None, shorts: tuple[int, ...]) -> None:
    assert inference_views(flip=False, scales=scales) == InferenceViews(shorts)
    assert inference_views(flip=True, scales=scales) == InferenceViews(shorts, flip=True)


@pytest.mark.parametrize("scales", ["", "480;640", "480,", "0.5,1", "480 640"])
def test_scales_that_are_no_list_of_whole_numbers_are_refused(scales: str) -> None:
    with pytest.raises(UserError, match=f"^--scales {scales}: write short sides in pixels"):
        inference_views(flip=False, scales=scales)


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("800", ([800], 1333)), ("480", ([480], 800)), ("240x320", ([240], 320)),
        ("320X320", ([320], 320)), (" 480×640 ", ([480], 640)),
    ],
)  # fmt: skip
def test_sizes_are_a_short_side_and_the_limit_of_the_long(
    text: str, sides: tuple[list[int], int]
) -> None:
    assert image_size(text) == sides
    recipe = load_recipe(None, flags=recipe_flags(size=text))
    assert (recipe.data.short, recipe.data.long) == sides


@pytest.mark.parametrize(
    "text", ["", "big", "0", "480x", "x640", "-480", "480,640", "4.5", "1x2x3"]
)
def test_sizes_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=f"^--size {text}: write the short side in pixels"):
        image_size(text)


def test_a_long_side_that_is_shorter_is_refused() -> None:
    with pytest.raises(UserError, match="640x480: the short side comes first; write 480x640"):
        image_size("640x480")


def test_epochs_and_schedule_exclude_each_other() -> None:
    assert recipe_flags(epochs=5)["schedule.epochs"] == 5
    with pytest.raises(UserError, match="--schedule and --epochs both say how long"):
        recipe_flags(epochs=5, schedule=Schedule.x1)


def test_messages_name_the_flags_that_commands_have() -> None:
    declared: dict[str, set[str]] = {}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        declared[name] = {flag for parameter in command.params for flag in parameter.opts}
    shared = {FLAGS.get(key) for key in recipe_flags()}
    assert None not in shared
    assert shared <= declared["pretrain"]
    for key, flag in FLAGS.items():
        section = key.split(".")[0]
        command = {"distill": "distill", "cache": "cache-teacher"}.get(section, "pretrain")
        if section in ("colad", "net_a", "net_b"):
            command = "colad"
        assert flag in declared[command], key
