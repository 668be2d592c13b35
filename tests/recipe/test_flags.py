from __future__ import annotations

import pytest

from ladcli.recipe import describe_options
from ladcli.recipe.flags import FLAGS, option_name, option_value


def test_every_flag_stands_for_an_option_that_there_is() -> None:
    assert set(FLAGS) <= {option.key for option in describe_options()}


def test_options_are_named_as_they_are_typed() -> None:
    assert option_name("model.backbone") == "--backbone (model.backbone)"
    assert option_name("assign.topk") == "--set assign.topk"


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("optim.lr", 0.02, "--lr 0.02 (optim.lr)"),
        ("net_b.backbone", "resnet18", "--backbone-b resnet18 (net_b.backbone)"),
        ("assign.topk", 5, "--set assign.topk=5"),
        ("schedule.epochs", 24, "--epochs 24 (schedule.epochs)"),
        ("data.short", [480], "--set data.short=[480]"),
        ("optim.warmup_steps", None, "--set optim.warmup_steps=null"),
        ("model.weights", None, "--set model.weights=null"),
        ("data.skip_empty", True, "--set data.skip_empty=true"),
        ("colad.soft", True, "--soft (colad.soft)"),
        ("colad.soft", False, "no --soft (colad.soft)"),
    ],
)
def test_values_too(key: str, value: object, text: str) -> None:
    assert option_value(key, value) == text
