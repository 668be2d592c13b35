"""The options of a recipe as a flat list: their names, types in words, and values."""

from __future__ import annotations

from typing import Any

import pytest

from ladcli.recipe import Recipe
from ladcli.recipe.options import (
    FREE_KEYS,
    PLACE_KEYS,
    RUN_KEYS,
    describe_options,
    flat,
    option_keys,
    read_files,
    sections,
    takes_text,
    type_in_words,
    without,
)
from ladcli.recipe.schema import MAX_INT, DataConfig, OptimConfig


def test_sections_stand_in_the_order_of_the_schema() -> None:
    names = list(sections())
    assert names[:3] == ["data", "model", "assign"]
    assert names == list(Recipe().model_dump())
    assert sections()["data"] is DataConfig
    assert sections()["optim"] is OptimConfig


def test_names_are_dotted_and_stand_in_the_order_of_the_schema() -> None:
    keys = option_keys()
    assert keys[0] == "data.dir"
    assert len(set(keys)) == len(keys)
    assert [key for key in keys if key.startswith("schedule.")] == [
        "schedule.epochs",
        "schedule.decay_epochs",
        "schedule.decay_factor",
    ]


def test_a_recipe_flat_has_every_option_once() -> None:
    recipe = Recipe.model_validate({"optim": {"lr": 0.5}, "data": {"short": [640, 800]}})
    values = flat(recipe)
    assert tuple(values) == option_keys()
    assert values["optim.lr"] == 0.5
    assert values["data.short"] == [640, 800]
    changed = {key for key, value in flat(Recipe()).items() if value != values[key]}
    assert changed == {"optim.lr", "data.short"}


def test_options_that_say_so_affect_no_result() -> None:
    assert set(FREE_KEYS) == {
        "data.workers", "data.skip_bad_images", "data.max_bad_share", "train.device",
        "train.log_every", "train.probe_images", "train.tensorboard", "train.save_every_minutes",
    }  # fmt: skip


def test_places_and_the_work_of_runs_are_files() -> None:
    files = set(read_files(Recipe()))
    assert set(RUN_KEYS) == {"distill.teacher", "distill.cache", "net_a.init", "net_b.init"}
    assert set(PLACE_KEYS) == files - {
        "model.weights", "net_a.weights", "net_b.weights", "net_a.init", "net_b.init"
    }  # fmt: skip
    assert set(RUN_KEYS) < files


def test_a_recipe_without_some_options_has_no_empty_sections() -> None:
    content = {"data": {"workers": 0}, "train": {"device": "cpu", "seed": 1}}
    assert without(content, FREE_KEYS) == {"train": {"seed": 1}}
    assert content["data"] == {"workers": 0}


def test_every_option_is_described() -> None:
    options = describe_options()
    assert [option.key for option in options] == list(flat(Recipe()))
    assert {option.key: option.default for option in options} == flat(Recipe())
    for option in options:
        assert option.description, option.key
        assert option.type_text, option.key


def test_a_description_holds_all_that_a_reader_asks() -> None:
    option = next(option for option in describe_options() if option.key == "data.flip")
    assert option.type_text == "number ≥ 0, ≤ 1"
    assert option.default == Recipe().data.flip
    assert option.description == DataConfig.model_fields["flip"].description


def test_the_list_of_options_is_its_readers_own() -> None:
    describe_options().clear()
    assert len(describe_options()) == len(option_keys())


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("optim.lr", "number > 0"),
        ("data.flip", "number ≥ 0, ≤ 1"),
        ("model.prior", "number > 0, < 1"),
        ("train.seed", "integer ≥ 0"),
        ("optim.lr_batch", "integer ≥ 1 or null"),
        ("optim.warmup_steps", "integer ≥ 0 or null"),
        ("model.head", "one of paa, iop, cop"),
        ("net_a.head", "one of paa, iop, cop or null"),
        ("soft.gamma", "number ≥ 0"),
        ("data.dir", "text or null"),
        ("train.device", "text"),
        ("data.skip_empty", "true or false"),
        ("train.precision", "one of fp32, bf16, fp16"),
        ("data.short", "list of 1 to 2 × integer ≥ 1"),
        ("schedule.decay_epochs", "list of integer ≥ 1"),
        ("model.pixel_std", "list of 3 × number > 0 or null"),
    ],
)
def test_types_in_words(key: str, words: str) -> None:
    assert {option.key: option.type_text for option in describe_options()}[key] == words


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 8}, "integer ≥ 1, ≤ 8"),
        ({"type": "integer", "minimum": 0, "maximum": MAX_INT}, "integer ≥ 0"),
        ({"type": "number", "exclusiveMinimum": 0.5, "exclusiveMaximum": 2}, "number > 0.5, < 2"),
        ({"type": "number"}, "number"),
        ({"const": "paa", "type": "string"}, "only paa"),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 3}, "list of 0 to 3 × text"),
        (
            {"anyOf": [{"type": "boolean"}, {"type": "integer"}, {"type": "null"}]},
            "true or false or integer or null",
        ),
    ],
)
def test_a_schema_by_hand_in_words(schema: dict[str, Any], words: str) -> None:
    assert type_in_words(schema) == words


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("data.dir", True),  # or null
        ("train.device", True),
        ("model.head", True),  # a word of a list
        ("net_a.head", True),
        ("optim.lr", False),
        ("data.short", False),
        ("optim.lr_batch", False),
        ("data.skip_empty", False),
    ],
)
def test_options_that_hold_text(key: str, text: bool) -> None:
    assert takes_text(key) is text
