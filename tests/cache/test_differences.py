"""What a message says of a cache that does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ladcli.cache.differences import (
    options_difference,
    settings_of_views,
    views_difference,
    views_in_words,
)
from ladcli.cache.reader import read_cache_info
from ladcli.data.views import ViewGrid
from ladcli.recipe.schema import DataConfig
from tests.cache.caches import write_cache


def plain(**options: Any) -> dict[str, Any]:
    return ViewGrid.from_config(DataConfig(**options)).to_plain()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "short side 800, long side up to 1333, with and without flip"),
        (
            {"short": [640, 800], "flip": 0.0},
            "short side 640 to 800 in 6 steps, long side up to 1333, unflipped only",
        ),
        ({"flip": 1.0}, "short side 800, long side up to 1333, flipped only"),
    ],
)
def test_views_are_named(options: dict[str, Any], words: str) -> None:
    assert views_in_words(plain(**options)) == words


def test_both_sets_of_views_are_named() -> None:
    assert views_difference(plain(short=[480], long=640), plain(short=[96], long=128)) == (
        "short side 480, long side up to 640, with and without flip; here they are short side 96, "
        "long side up to 128, with and without flip"
    )
    message = views_difference({**plain(), "resize": "nearest"}, plain())
    assert message == "its resize are those of another version of the program"
    assert views_difference({}, plain()) is None


def test_options_that_differ_are_named_with_both_values() -> None:
    stored = {"topk": 9, "min_iou": 0.1, "selection": "mean"}
    assert options_difference("assign", stored, {"topk": 5, "min_iou": 0.1, "selection": "x"}) == (
        "--set assign.topk=9, here 5, --set assign.selection=mean, here x"
    )
    assert options_difference("assign", None, stored) is None


@pytest.mark.parametrize(
    ("made", "mine", "flip"),
    [
        ({"short": [96], "long": 128}, {}, 0.5),
        ({"short": [96], "flip": 0.3}, {"flip": 0.2}, 0.2),
        ({"short": [96], "flip": 0.0}, {}, 0.0),
        ({"short": [96], "flip": 1.0}, {}, 1.0),
        ({"short": [96]}, {"flip": 0.0}, 0.5),
        ({"short": [640, 800], "scale_steps": 3}, {}, 0.5),
        ({"short": [600, 602], "scale_steps": 6}, {}, 0.5),  # three that differ
    ],
)
def test_views_of_a_cache_are_found_again(
    tmp_path: Path, made: dict[str, Any], mine: dict[str, Any], flip: float
) -> None:
    info = replace(read_cache_info(write_cache(tmp_path / "c.h5")), views=plain(**made))
    values = settings_of_views(info, DataConfig(**mine))
    assert values is not None
    assert values["data.flip"] == flip
    options = {key.removeprefix("data."): value for key, value in values.items()}
    assert plain(**options) == plain(**made)


def test_views_that_no_options_give_are_left_alone(tmp_path: Path) -> None:
    info = read_cache_info(write_cache(tmp_path / "c.h5"))
    assert settings_of_views(replace(info, views={}), DataConfig()) is None
    strange = {**plain(), "shorts": [800, 810, 850]}
    assert settings_of_views(replace(info, views=strange), DataConfig()) is None
