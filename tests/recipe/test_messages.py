"""Validation errors and unknown keys as sentences."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ladcli.recipe import Recipe
from ladcli.recipe.messages import complaint, key_of, nearest, shown, unknown_key


def complaint_about(**sections: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(sections)
    return complaint(caught.value.errors(include_url=False)[0])


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"soft": {"gamma": -1}}, "soft.gamma must be at least 0, got -1"),
        ({"optim": {"lr": 0}}, "optim.lr must be greater than 0, got 0"),
        ({"train": {"batch_size": 2.5}}, "train.batch_size must be a whole number, got 2.5"),
        ({"data": {"flip": "often"}}, "data.flip must be a number, got 'often'"),
        ({"data": {"short": [800, "x"]}}, "data.short[1] must be a whole number, got 'x'"),
        ({"data": {"skip_empty": 1}}, "data.skip_empty must be true or false, got 1"),
        (
            {"model": {"backbone": None}},
            "model.backbone must be text, got null; leave it out for the default",
        ),
    ],
)
def test_a_sentence_names_key_demand_and_value(sections: Any, sentence: str) -> None:
    assert complaint_about(**sections) == sentence


def test_checks_across_keys_speak_for_themselves() -> None:
    assert complaint_about(model={"cop_kernel": 4}).startswith("model.cop_kernel must be odd")


def test_keys_read_as_they_are_written() -> None:
    assert key_of(("data", "short", 1)) == "data.short[1]"
    assert shown(None) == "null"
    assert shown(True) == "true"
    assert len(shown("x" * 500)) < 100


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("optim.learning_rate", []),
        ("optim.momentun", ["optim.momentum"]),
        ("optimizer.lr", ["optim.lr"]),
        ("lr", ["optim.lr"]),
        ("net_c.init", ["net_a.init", "net_b.init"]),
        ("optimm", ["optim"]),
    ],
)
def test_the_nearest_names(key: str, meant: list[str]) -> None:
    assert sorted(nearest(key)) == meant


def test_an_unknown_key_comes_with_advice() -> None:
    assert (
        unknown_key("optim.momentun") == "unknown key optim.momentun; did you mean optim.momentum?"
    )
    assert unknown_key("optim.lr").endswith("write it nested, as optim: {lr: …}")
    assert "schedule has epochs, decay_epochs, decay_factor" in unknown_key("schedule.zzzz")
    assert "the sections are data, model" in unknown_key("zzzz.yyyy")
