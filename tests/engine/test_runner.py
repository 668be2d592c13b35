"""On what networks are run."""

from __future__ import annotations

import pytest
import torch

from ladcli.engine.runner import Runner
from ladcli.errors import UserError
from ladcli.recipe.schema import Recipe


def test_a_recipe_says_all_of_it() -> None:
    recipe = Recipe.model_validate(
        {
            "data": {"workers": 3, "skip_bad_images": True, "max_bad_share": 0.25},
            "train": {"precision": "bf16", "device": "cpu"},
        }
    )
    cpu = torch.device("cpu")
    assert Runner.of(recipe) == Runner(cpu, "bf16", 3, True, 0.25)
    assert Runner.of(recipe, quiet=True).quiet


def test_a_device_that_was_chosen_before_is_not_chosen_again() -> None:
    recipe = Recipe.model_validate({"train": {"device": "nonsense"}})
    with pytest.raises(UserError, match="'nonsense' is unknown"):
        Runner.of(recipe)
    assert Runner.of(recipe, device=torch.device("cpu")).device.type == "cpu"


def test_networks_compute_in_its_precision() -> None:
    a = torch.ones(2, 2)
    with Runner(torch.device("cpu"), "bf16").autocast():
        assert (a @ a).dtype is torch.bfloat16
    with Runner(torch.device("cpu")).autocast():
        assert (a @ a).dtype is torch.float32
