"""The schema: defaults of the paper, strict types, and options that must fit each other."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from ladcli.recipe import SCHEDULES, Recipe, flat


def test_defaults_are_the_papers_settings() -> None:
    values = flat(Recipe())
    paper = {
        "data.short": [800],
        "data.long": 1333,
        "assign.min_iou": 0.1,
        "assign.topk": 9,
        "loss.alpha": 0.25,
        "loss.gamma": 2.0,
        "loss.box_weight": 1.3,
        "loss.iou_weight": 0.5,
        "optim.lr": 0.01,
        "optim.weight_decay": 0.0001,
        "schedule.epochs": 12,
        "schedule.decay_epochs": [8, 11],
        "train.batch_size": 16,
        "inference.score_threshold": 0.05,
        "inference.nms_iou": 0.6,
    }
    assert {key: values[key] for key in paper} == paper


def test_the_default_schedule_is_1x() -> None:
    schedule = Recipe().schedule
    assert SCHEDULES["1x"] == (schedule.epochs, tuple(schedule.decay_epochs))


def test_recipes_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Recipe().train.seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        ("data", {"short": [800, 640]}, "data.short must be [low, high], got [800, 640]"),
        ("data", {"long": 700}, "data.long (700) must not be below data.short (800)"),
        ("data", {"short": [640, 800], "scale_steps": 1}, "data.scale_steps must be at least 2"),
        ("model", {"channels": 100}, "model.channels (100) must be a multiple"),
        ("model", {"cop_kernel": 4}, "model.cop_kernel must be odd and at least 3, got 4"),
        ("model", {"cop_kernel": 1}, "a kernel of 1 is --head iop (model.head)"),
        ("distill", {"mode": "soft", "switch": "fisher"}, "use --mode solad (distill.mode)"),
        ("schedule", {"decay_epochs": [11, 8]}, "must rise without repeats, got [11, 8]"),
        ("schedule", {"decay_epochs": [8, 8]}, "must rise without repeats, got [8, 8]"),
    ],
)
def test_options_must_fit_each_other(section: str, values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate({section: values})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.seed", True),
        ("train.seed", "12"),
        ("train.seed", 12.0),
        ("train.seed", 2**31),
        ("data.short", [True]),
        ("optim.lr", True),
        ("optim.lr", float("nan")),
        ("optim.clip_norm", float("inf")),
        ("model.pixel_mean", [0.1, float("nan"), 0.1]),
        ("model.pixel_std", [0.1, 0.0, 0.1]),
        ("model.freeze_stride", False),
        ("data.skip_empty", 1),
        ("data.skip_empty", "yes"),
        ("data.dir", 2024),
    ],
)
def test_types_are_strict(key: str, value: Any) -> None:
    section, name = key.split(".")
    with pytest.raises(ValidationError):
        Recipe.model_validate({section: {name: value}})


def test_one_number_stands_for_a_list_of_one() -> None:
    recipe = Recipe.model_validate({"data": {"short": 640}, "schedule": {"decay_epochs": 5}})
    assert recipe.data.short == [640]
    assert recipe.schedule.decay_epochs == [5]


def test_none_is_null_only_where_null_is_the_default() -> None:
    recipe = Recipe.model_validate(
        {"model": {"weights": "none", "backbone": "none"}, "optim": {"lr_batch": "None"}}
    )
    assert recipe.model.weights is None
    assert recipe.optim.lr_batch is None
    assert recipe.model.backbone == "none"


def test_recipes_need_no_torch() -> None:
    """The command line reads recipes before it pays for torch."""
    code = "import sys, ladcli.recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_scope_without_a_switch_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"--switch \(distill\.switch\) is off; choose"):
        Recipe.model_validate({"distill": {"switch_scope": "image"}})
