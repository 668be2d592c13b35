from __future__ import annotations

import pytest
import typer
from typer.main import get_command

from ladcli.cli import app
from ladcli.cli.options import RecipeOptions, image_size, inference_views, recipe_options
from ladcli.data.views import InferenceViews
from ladcli.errors import UserError
from ladcli.flag_table import SCHEDULES, TABLE
from ladcli.recipe import load_recipe


def typed(*arguments: str, command: str = "pretrain") -> RecipeOptions:
    """What ``command`` would get of these arguments."""
    found = []

    @recipe_options(command)
    def look(recipe: RecipeOptions) -> None:
        found.append(recipe)

    program = typer.Typer(add_completion=False)
    program.command()(look)
    program(list(arguments), standalone_mode=False)
    return found[0]


def test_options_that_were_not_given_say_nothing() -> None:
    nothing = typed()
    assert set(nothing.flags.values()) == {None}
    assert (nothing.file, nothing.sets) == (None, [])
    assert load_recipe(None, flags=nothing.flags) == load_recipe(None)


def test_every_option_reaches_the_recipe() -> None:
    asked = typed(
        *("--data", "my data", "--train-json", "t.json", "--val-json", "v.json", "--images", "i"),
        *("--skip-bad-images", "--workers", "0", "--backbone", "resnet18", "--weights", "./w.pth"),
        *("--schedule", "2x", "--batch-size", "3", "--lr", "0.5", "--precision", "bf16"),
        *("--seed", "0", "--device", "cpu", "--recipe", "r.yaml"),
        *("--set", "optim.lr=1", "--set", "assign.topk=3"),
    )
    recipe = load_recipe(None, flags=asked.flags)
    assert recipe.data.dir == "my data"
    assert (recipe.data.train_json, recipe.data.val_json) == ("t.json", "v.json")
    assert (recipe.data.images, recipe.data.skip_bad_images) == ("i", True)
    assert recipe.data.workers == 0
    assert (recipe.model.backbone, recipe.model.weights) == ("resnet18", "./w.pth")
    assert (recipe.schedule.epochs, recipe.schedule.decay_epochs) == (24, [16, 22])
    assert (recipe.train.batch_size, recipe.optim.lr) == (3, 0.5)
    assert (recipe.train.precision, recipe.train.seed, recipe.train.device) == ("bf16", 0, "cpu")
    assert str(asked.file) == "r.yaml"
    assert asked.sets == ["optim.lr=1", "assign.topk=3"]


def test_zero_is_a_value_not_an_absence() -> None:
    flags = typed("--seed", "0", "--workers", "0").flags
    assert flags["train.seed"] == 0
    assert flags["data.workers"] == 0


def test_a_command_gets_the_rows_that_name_it_and_no_others() -> None:
    teacher = typed("--level", "soft", "--size", "480", command="cache-teacher").flags
    given = {key: value for key, value in teacher.items() if value is not None}
    assert given == {"data.short": [480], "data.long": 800, "cache.level": "soft"}
    assert set(typed(command="predict").flags) == {
        "data.workers",
        "train.precision",
        "train.device",
    }
    both = typed("--switch", "fisher", "--lr-b", "0.5", "--soft", command="colad").flags
    assert (both["colad.switch"], both["net_b.lr"], both["colad.soft"]) == ("fisher", 0.5, True)
    assert "distill.switch" not in both


def test_the_last_of_a_section_is_the_last_of_the_schema() -> None:
    """A message about a section names it: here the switch, and not the teacher."""
    flags = typed(
        "--mode", "soft", "--teacher", "t.pt", "--switch", "fisher", command="distill"
    ).flags
    assert [key for key, value in flags.items() if value is not None][-1] == "distill.switch"
    with pytest.raises(UserError, match=r"^--switch: distill\.switch chooses who assigns"):
        load_recipe(None, flags=flags)


@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_schedules_are_epochs_and_falls(schedule: str) -> None:
    epochs, decays = SCHEDULES[schedule]
    flags = typed("--schedule", schedule).flags
    assert flags["schedule.epochs"] == epochs
    assert flags["schedule.decay_epochs"] == list(decays)


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
    recipe = load_recipe(None, flags=typed("--size", text).flags)
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
    assert typed("--epochs", "5").flags["schedule.epochs"] == 5
    asked = typed("--epochs", "5", "--schedule", "1x")  # refused once somebody asks what they say
    with pytest.raises(UserError, match="--schedule and --epochs both say how long"):
        assert asked.flags


def test_commands_have_the_flags_that_the_table_gives_them() -> None:
    declared = {
        name: [flag for parameter in command.params for flag in parameter.opts]
        for name, command in get_command(app).commands.items()  # type: ignore[attr-defined]
    }
    for flag in TABLE:
        for command in flag.commands:
            assert declared[command].count(flag.name) == 1, (command, flag.name)
