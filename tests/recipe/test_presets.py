"""What presets set, and what they leave to those who know better."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from ladcli.flag_table import TABLE
from ladcli.recipe import Recipe, TrainConfig, flat, load_recipe
from ladcli.recipe.presets import PRESETS, TrainingFacts, apply_preset, decays, small_epochs

FACTS = TrainingFacts(num_images=200, median_hw=(480, 640))


PRESET_FLAG = next(flag for flag in TABLE if flag.name == "--preset")


def preset(**given: Any) -> dict[str, Any]:
    """All options of a recipe with the preset `small` and what was given."""
    flags = {key.replace("__", "."): value for key, value in given.items()}
    recipe, values = apply_preset(
        load_recipe(None, flags={"train.preset": "small", **flags}), FACTS
    )
    resolved = flat(recipe)
    assert all(resolved[key] == value for key, value in values.items())
    return resolved


def test_it_sets_what_is_left_open() -> None:
    found = preset()
    wanted = {"schedule.decay_epochs": decays(found["schedule.epochs"]), **PRESETS["small"](FACTS)}
    assert {key: found[key] for key in wanted} == wanted
    rest = {k: v for k, v in found.items() if k not in wanted and k != "train.preset"}
    default = flat(Recipe())
    assert rest == {key: default[key] for key in rest}


def test_without_a_preset_nothing_changes() -> None:
    recipe = load_recipe(None, flags={"train.batch_size": 8})
    assert apply_preset(recipe, FACTS) == (recipe, {})


@pytest.mark.parametrize(
    ("key", "value"),
    [("train.batch_size", 2), ("optim.lr", 0.01), ("schedule.epochs", 12), ("data.short", [800])],
)
def test_what_is_given_stays_also_at_its_default(key: str, value: Any) -> None:
    assert preset(**{key: value})[key] == value


def test_sizes_are_taken_together() -> None:
    assert preset(data__short=[640])["data.long"] == 1333
    assert preset(data__long=1000)["data.short"] == [800]


def test_the_rate_follows_the_batch_that_was_given() -> None:
    usual = PRESETS["small"](FACTS)
    half = preset(train__batch_size=usual["train.batch_size"] // 2)
    assert half["optim.lr"] == pytest.approx(usual["optim.lr"] / 2)
    scaled = preset(optim__lr_batch=16)
    assert (scaled["optim.lr"], scaled["optim.lr_batch"]) == (0.01, 16)


def test_the_falls_follow_the_epochs_that_were_given() -> None:
    assert preset(schedule__epochs=12)["schedule.decay_epochs"] == [8, 11]
    assert preset(schedule__epochs=12, schedule__decay_epochs=[5])["schedule.decay_epochs"] == [5]


@pytest.mark.parametrize(
    ("epochs", "falls"),
    [(1, []), (2, [1]), (3, [2]), (4, [3]), (12, [8, 11]), (24, [16, 22]), (36, [24, 33])],
)
def test_falls_of_any_length(epochs: int, falls: list[int]) -> None:
    assert decays(epochs) == falls


@pytest.mark.parametrize(
    ("num_images", "epochs"),
    [(1, 96), (50, 96), (96, 60), (114, 48), (199, 36), (200, 24), (205, 24), (2000, 24)],
)
def test_few_images_are_seen_more_often(num_images: int, epochs: int) -> None:
    assert small_epochs(num_images) == epochs


def test_names_are_the_same_everywhere() -> None:
    (literal, _) = get_args(TrainConfig.model_fields["preset"].annotation)
    assert list(PRESETS) == list(get_args(literal)) == list(PRESET_FLAG.value)


def test_help_says_what_it_sets() -> None:
    values = PRESETS["small"](FACTS)
    for words in (
        f"short side {values['data.short'][-1]}, ",
        f"long side up to {values['data.long']}, ",
        f"{values['model.backbone']} with {values['model.channels']} channels, ",
        f"batch {values['train.batch_size']}, ",
        f"lr {values['optim.lr']:g}, ",
        f"{values['schedule.epochs']} epochs (of fewer than 200 images up to 96), ",
    ):
        assert words in PRESET_FLAG.help
