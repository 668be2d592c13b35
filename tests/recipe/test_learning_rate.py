"""Which learning rate a recipe gets that names none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.engine.optimizer import base_lr
from ladcli.recipe import Recipe, is_given, load_recipe, save_recipe
from ladcli.recipe.learning_rate import follow_batch
from ladcli.recipe.pipeline import find_pipeline, load_pipeline


def rate(recipe: Recipe) -> float:
    """The rate that a network without one of its own learns at."""
    found = follow_batch(recipe)
    return base_lr(found.optim, found.train.batch_size)


@pytest.mark.parametrize(("batch", "lr"), [(16, 0.01), (8, 0.005), (32, 0.02), (3, 0.001875)])
def test_the_default_follows_the_batch(batch: int, lr: float) -> None:
    recipe = load_recipe(None, flags={"train.batch_size": batch})
    assert rate(recipe) == pytest.approx(lr, rel=1e-12)
    assert follow_batch(recipe).optim.lr_batch is None  # so that other rates stay as they are


def test_a_rate_that_is_given_stays_by_whatever_way_it_came(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("optim:\n  lr: 0.01\n")
    eight = {"train.batch_size": 8}
    assert rate(load_recipe(file, flags=eight)) == 0.01
    assert rate(load_recipe(None, flags={**eight, "optim.lr": 0.01})) == 0.01
    assert rate(load_recipe(None, flags=eight, overrides=["optim.lr=0.01"])) == 0.01
    assert rate(load_recipe(None, layers=[("p", {"optim": {"lr": 0.01}})], flags=eight)) == 0.01
    assert rate(load_recipe(None, flags=eight, overrides=["optim.lr_batch=null"])) == 0.01
    assert rate(load_recipe(None, flags=eight, overrides=["optim.lr_batch=32"])) == 0.0025


def test_a_stored_recipe_is_never_resolved_anew(tmp_path: Path) -> None:
    stored = tmp_path / "recipe.yaml"
    save_recipe(load_recipe(None, flags={"train.batch_size": 8}), stored)  # as before this rule
    assert rate(load_recipe(stored)) == 0.01
    assert rate(load_recipe(stored, flags={"train.batch_size": 4})) == 0.01
    save_recipe(follow_batch(load_recipe(None, flags={"train.batch_size": 8})), stored)
    assert rate(load_recipe(stored)) == 0.005


@pytest.mark.parametrize("name", ["bccd", "bccd-small"])
def test_the_pipelines_on_blood_cells_keep_their_rate(name: str) -> None:
    pipeline = load_pipeline(find_pipeline(name))
    for stage in pipeline.stages:
        layers = [("pipeline", pipeline.recipe), ("stage", stage.recipe)]
        recipe = load_recipe(None, layers=layers, flags={"data.dir": None, "train.seed": 1})
        assert recipe.train.batch_size == 8
        assert follow_batch(recipe) is recipe
        assert rate(recipe) == 0.005


def test_rates_of_single_networks_are_used_as_they_are() -> None:
    recipe = load_recipe(None, flags={"train.batch_size": 8, "net_a.lr": 0.02})
    found = follow_batch(recipe)
    assert base_lr(found.optim, 8, own=found.net_a.lr) == 0.02
    assert base_lr(found.optim, 8, own=found.net_b.lr) == 0.005


def test_what_is_open_stays_open_through_other_changes() -> None:
    from ladcli.recipe import update_recipe

    recipe = update_recipe(load_recipe(None), {"train.batch_size": 8})
    assert is_given(recipe, "train.batch_size")
    assert not is_given(recipe, "optim.lr")
