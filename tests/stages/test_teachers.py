from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ladcli.cache.reader import read_cache_info
from ladcli.detector.checkpoint import load_checkpoint, teacher_fingerprint
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.errors import UserError
from ladcli.recipe import Recipe
from ladcli.stages.assigner import build_assigner
from ladcli.stages.datasets import open_training_set
from ladcli.stages.prepare import Prepared, TrainingMethod, prepare, single_network
from ladcli.stages.teachers import (
    cache_fingerprints,
    input_fingerprint,
    make_cached_teacher,
    make_online_teacher,
    open_teacher_network,
)
from tests.stages.tiny import draw, tiny_recipe


def student_run(recipe: Recipe) -> Prepared:
    """What a run of `lad distill` has before it opens its teacher."""
    method = TrainingMethod(
        "distill", single_network, lambda prepared: pytest.fail("nobody trains here")
    )
    return prepare(method, recipe)[0]


def test_online_teacher_takes_no_gradient_and_stays_in_evaluation_mode(
    data: Path, teacher: Path
) -> None:
    prepared = student_run(tiny_recipe(data))
    made = make_online_teacher(teacher, prepared, build_assigner(prepared.recipe.assign))
    student = prepared.networks["model"].detector.train()
    assert not made.detector.training
    assert not any(parameter.requires_grad for parameter in made.detector.parameters())
    assert any(parameter.requires_grad for parameter in student.parameters())
    assert teacher_fingerprint(made.detector) == teacher_fingerprint(
        load_checkpoint(teacher).detector
    )


def test_cache_fits_the_run_it_was_made_for(data: Path, teacher: Path, cache: Path) -> None:
    prepared = student_run(tiny_recipe(data))
    assigner = build_assigner(prepared.recipe.assign)
    for network in (None, teacher):
        made = make_cached_teacher(cache, prepared, assigner, network=network)
        assert made.info.num_images == 8


def test_cache_carries_the_four_fingerprints_of_its_making(
    data: Path, teacher: Path, cache: Path
) -> None:
    recipe = tiny_recipe(data)
    index = open_training_set(recipe.data)
    detector = open_teacher_network(teacher, index)
    found = cache_fingerprints(detector, index, recipe, build_assigner(recipe.assign))
    expected = found.of_level("assignments")
    assert read_cache_info(cache).fingerprints == expected
    assert list(expected) == ["teacher", "data", "input", "assigner"]
    assert len(set(expected.values())) == 4


def test_photometric_options_leave_the_views_alone() -> None:
    plain = input_fingerprint(tiny_recipe().data, DEFAULT_LAYOUT)
    jittered = tiny_recipe(data__brightness=0.3, data__workers=2).data
    assert input_fingerprint(jittered, DEFAULT_LAYOUT) == plain
    assert input_fingerprint(tiny_recipe(data__short=64).data, DEFAULT_LAYOUT) != plain
    assert input_fingerprint(tiny_recipe(data__flip=0.0).data, DEFAULT_LAYOUT) != plain


def test_continuous_scales_fit_no_cache() -> None:
    recipe = tiny_recipe(data__short=[64, 96], data__scales="range")
    with pytest.raises(UserError, match=r"set data\.scales=grid"):
        input_fingerprint(recipe.data, DEFAULT_LAYOUT)


def test_teacher_of_other_classes_is_refused(teacher: Path, tmp_path: Path) -> None:
    other = draw(tmp_path / "four", classes=4)
    index = open_training_set(tiny_recipe(other).data)
    with pytest.raises(UserError, match=r"last\.pt: knows other classes.*3 classes against 4"):
        open_teacher_network(teacher, index)


def test_teacher_from_a_file_of_something_else_is_refused(data: Path, tmp_path: Path) -> None:
    index = open_training_set(tiny_recipe(data).data)
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"other\.pt: is no checkpoint of this program"):
        open_teacher_network(tmp_path / "other.pt", index)
    (tmp_path / "garbage.pt").write_bytes(bytes(1000))
    with pytest.raises(UserError, match=r"garbage\.pt: cannot be read as a checkpoint"):
        open_teacher_network(tmp_path / "garbage.pt", index)
