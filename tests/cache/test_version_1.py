"""Caches of the first version of the format, as the program before wrote them, serve as today's.

They are the tiny recipe's, of the checkpoint beside the tests of checkpoints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ladcli.assign import Switch
from ladcli.cache.batch_rows import BatchRows
from ladcli.cache.cached_teacher import CachedTeacher
from ladcli.cache.format import CHEAPEST, CLASSES, LEVELS, TABLES_OF, Level
from ladcli.cache.reader import TeacherCache, read_cache_info
from ladcli.data.loader import load_batches
from ladcli.data.plan import plan_views
from ladcli.detector.checkpoint import load_checkpoint, teacher_fingerprint
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.runs.metrics_log import read_metrics
from ladcli.stages.assigner import build_assigner
from ladcli.stages.cache_teacher import cache_teacher
from ladcli.stages.datasets import open_training_set
from ladcli.stages.distill import distill
from ladcli.stages.training import RunOptions
from tests.stages.tiny import tiny_recipe

CHECKPOINT = Path(__file__).parents[1] / "detector/files/before-anchor-options.pt"
each_level = pytest.mark.parametrize("level", LEVELS)


def older(level: Level) -> Path:
    return Path(__file__).parent / f"files/version1-{level}.h5"


@pytest.fixture(scope="module")
def today(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Level, Path]:
    """The same teacher on the same data, cached by this program."""
    folder = tmp_path_factory.mktemp("today")
    for level in LEVELS:
        recipe = tiny_recipe(data, cache__level=level)
        cache_teacher(recipe, CHECKPOINT, folder / f"{level}.h5", quiet=True)
    return {level: folder / f"{level}.h5" for level in LEVELS}


@each_level
def test_they_say_what_todays_say(today: dict[Level, Path], level: Level) -> None:
    mine, theirs = read_cache_info(today[level]), read_cache_info(older(level))
    assert (mine.version, theirs.version) == (2, 1)
    for name in (
        "level", "fingerprints", "precision", "num_classes", "class_output", "iou_branch",
        "num_images", "num_views", "num_positives", "classes", "views", "quality",
    ):  # fmt: skip
        assert getattr(mine, name) == getattr(theirs, name), name
    for name in ("data", "assigner", "soft"):
        assert set(mine.origin[name]) == set(theirs.origin[name])


def test_the_teacher_is_known_by_its_fingerprint() -> None:
    network = load_checkpoint(CHECKPOINT).detector
    found = {read_cache_info(older(level)).fingerprints["teacher"] for level in LEVELS}
    assert found == {teacher_fingerprint(network)}


@each_level
def test_their_tables_hold_what_todays_hold(
    data: Path, today: dict[Level, Path], level: Level
) -> None:
    recipe = tiny_recipe(data)
    plan = plan_views(open_training_set(recipe.data), recipe.data, batch_size=1)
    mine, theirs = TeacherCache(today[level]), TeacherCache(older(level))
    for (sample,) in plan:
        place = (sample.row, sample.view_id, sample.canvas_hw)
        for table in TABLES_OF[level]:
            new, old = mine.rows(table, *place), theirs.rows(table, *place)
            assert set(new) - set(old) == ({"gt"} if table == CHEAPEST else set())
            for name, values in old.items():
                assert new[name].dtype == values.dtype
                exact = values.dtype.kind == "u" and (table, name) != (CLASSES, "prob")
                # Another machine rounds another way.
                options = {"rtol": 0, "atol": 0} if exact else {"rtol": 5e-3, "atol": 2e-3}
                np.testing.assert_allclose(
                    new[name].astype(np.float64), values.astype(np.float64), **options
                )


@each_level
def test_their_opinions_are_todays(data: Path, today: dict[Level, Path], level: Level) -> None:
    recipe = tiny_recipe(data)
    index, assigner = open_training_set(recipe.data), build_assigner(recipe.assign)
    plan = plan_views(index, recipe.data, batch_size=4)
    opinions = []
    for path in (today[level], older(level)):
        rows = BatchRows(TeacherCache(path), index, DEFAULT_LAYOUT, TABLES_OF[level])
        teacher = CachedTeacher(rows, assigner)
        batches = load_batches(
            index, plan, mean=(0.5,) * 3, std=(0.25,) * 3, workers=0, skip_bad_images=False,
            pin_memory=False, beside=rows,
        )  # fmt: skip
        opinions.append([(b, teacher.look_at(b, DEFAULT_LAYOUT.scene(b))) for b in batches])
    positives = 0
    for (batch, new), (_, old) in zip(*opinions, strict=True):
        assert torch.equal(new.assignment().gt_index, old.assignment().gt_index)
        positives += int(new.assignment().num_positive)
        if level in ("costs", "soft", "dense"):
            candidates = assigner.candidates(DEFAULT_LAYOUT.scene(batch))
            for switch in (Switch("std-mean", "level"), Switch("fisher", "object")):
                (mine, judged), (theirs, expected) = (
                    opinion.prices(candidates, switch) for opinion in (new, old)
                )
                torch.testing.assert_close(mine.values, theirs.values, rtol=1e-4, atol=1e-5)
                torch.testing.assert_close(judged.mean, expected.mean, rtol=1e-4, atol=1e-5)
        if level in ("soft", "dense"):
            soft, expected_soft = (
                opinion.soft_targets(select="pred", min_iou=0.5) for opinion in (new, old)
            )
            for name in ("prob", "boxes", "iou", "weight"):
                torch.testing.assert_close(
                    getattr(soft, name), getattr(expected_soft, name), rtol=1e-2, atol=0.2
                )
    assert positives > len(plan)


#: The most that each level is enough for.
METHODS: dict[Level, dict[str, str]] = {
    "assignments": {"distill__mode": "lad"},
    "costs": {"distill__switch": "fisher", "distill__switch_scope": "object"},
    "soft": {"distill__mode": "solad", "distill__switch": "std-mean"},
    "dense": {
        "distill__mode": "solad", "distill__switch": "fisher", "distill__switch_scope": "batch",
    },
}  # fmt: skip


@each_level
def test_a_student_learns_from_them(
    data: Path, today: dict[Level, Path], tmp_path: Path, level: Level
) -> None:
    losses = []
    for name, path in (("old", older(level)), ("new", today[level])):
        options: dict[str, Any] = {**METHODS[level], "distill__cache": str(path)}
        # The teacher is named too, so that its fingerprint is compared.
        options |= {"distill__teacher": str(CHECKPOINT), "train__eval_every": 0}
        result = distill(tiny_recipe(data, **options), RunOptions(tmp_path / name, quiet=True))
        assert result.steps == 2
        lines = read_metrics(tmp_path / name / "metrics.jsonl")
        losses.append([line["loss"] for line in lines if line["kind"] == "train"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
