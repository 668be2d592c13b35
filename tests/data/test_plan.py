from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ladcli.data.index import CocoIndex, load_index
from ladcli.data.plan import Plan, plan_epoch, plan_eval, plan_inference, plan_views
from ladcli.data.views import NO_VIEW, InferenceViews
from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig
from tests.data.corpus import write_json

SIZES = [(480, 640), (640, 480), (500, 500), (200, 1000), (427, 640)]


@pytest.fixture
def index(tmp_path: Path) -> CocoIndex:
    """103 images without files, of five sizes."""
    images: list[dict[str, Any]] = []
    for k in range(103):
        h, w = SIZES[k % len(SIZES)]
        images.append({"id": 3 * k + 1, "file_name": f"{k}.jpg", "width": w, "height": h})
    content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "a"}]}
    return load_index(write_json(tmp_path, content), tmp_path)


GRID = DataConfig(short=[240, 320], long=500, scale_steps=3, contrast=0.2)
RANGE = DataConfig(short=[240, 320], long=500, scales="range")


def rows(plan: Plan) -> list[int]:
    return [sample.row for batch in plan for sample in batch]


@pytest.mark.parametrize("data", [GRID, RANGE])
def test_epoch_holds_every_image_once(index: CocoIndex, data: DataConfig) -> None:
    plan = plan_epoch(index, data, batch_size=4, seed=1, epoch=0)
    assert sorted(rows(plan)) == list(range(103))
    for batch in plan:
        assert 1 <= len(batch) <= 4
        canvas = batch[0].canvas_hw
        assert all(sample.canvas_hw == canvas for sample in batch)
        assert all(s.resized_hw[0] <= canvas[0] and s.resized_hw[1] <= canvas[1] for s in batch)
    sizes = [len(batch) for batch in plan]
    partial = next((i for i, size in enumerate(sizes) if size < 4), len(sizes))
    assert all(size == 4 for size in sizes[:partial])


@pytest.mark.parametrize("data", [GRID, RANGE])
def test_plan_is_a_function_of_seed_and_epoch(index: CocoIndex, data: DataConfig) -> None:
    def plan(seed: int, epoch: int) -> Plan:
        return plan_epoch(index, data, batch_size=4, seed=seed, epoch=epoch)

    assert plan(1, 0) == plan(1, 0)
    assert rows(plan(1, 0)) != rows(plan(1, 1))
    assert rows(plan(1, 0)) != rows(plan(2, 0))


def test_an_images_view_does_not_depend_on_the_others(index: CocoIndex) -> None:
    part = index.subset(np.arange(0, 103, 2))
    whole = plan_epoch(index, GRID, batch_size=4, seed=0, epoch=3)
    half = plan_epoch(part, GRID, batch_size=8, seed=0, epoch=3)
    views = {s.row: (s.view_id, s.contrast) for batch in whole for s in batch}
    for batch in half:
        for sample in batch:
            assert (sample.view_id, sample.contrast) == views[2 * sample.row]


def test_one_canvas_makes_full_batches(shared: Path) -> None:
    folder = shared / "data/bccd"
    index = load_index(folder / "annotations/train.json", folder / "images")
    data = DataConfig(short=[240], long=320)
    plan = plan_epoch(index, data, batch_size=8, seed=0, epoch=0)
    assert [len(batch) for batch in plan] == [8] * 25 + [5]
    assert {sample.canvas_hw for batch in plan for sample in batch} == {(256, 320)}
    flips = [sample.flip for batch in plan for sample in batch]
    # Half of 205, within four standard deviations.
    assert abs(sum(flips) - 102.5) < 29
    assert all(s.view_id == int(s.flip) for batch in plan for s in batch)


def test_grid_draws_all_views_about_equally(index: CocoIndex) -> None:
    views: Counter[int] = Counter()
    for epoch in range(20):
        plan = plan_epoch(index, GRID, batch_size=4, seed=0, epoch=epoch)
        views.update(sample.view_id for batch in plan for sample in batch)
    assert sorted(views) == [0, 1, 2, 3, 4, 5]
    # 2060 draws: 343 per view, standard deviation 17.
    assert all(abs(count - 343) < 85 for count in views.values())


def test_photometric_draws_stay_in_their_range(index: CocoIndex) -> None:
    plan = plan_epoch(index, GRID, batch_size=4, seed=0, epoch=0)
    factors = [sample.contrast for batch in plan for sample in batch]
    assert 0.8 <= min(factors) < 0.85
    assert 1.15 < max(factors) <= 1.2
    assert {(s.brightness, s.saturation) for batch in plan for s in batch} == {(1.0, 1.0)}


@pytest.mark.parametrize(("flip", "expected"), [(0.0, {False}), (1.0, {True})])
def test_flip_can_be_certain(index: CocoIndex, flip: float, expected: set[bool]) -> None:
    data = DataConfig(short=[240], long=320, flip=flip)
    plan = plan_epoch(index, data, batch_size=4, seed=0, epoch=0)
    assert {sample.flip for batch in plan for sample in batch} == expected


def test_range_batches_share_an_orientation(index: CocoIndex) -> None:
    plan = plan_epoch(index, RANGE, batch_size=4, seed=0, epoch=0)
    shorts = set()
    for batch in plan:
        landscape = {sample.resized_hw[1] >= sample.resized_hw[0] for sample in batch}
        assert len(landscape) == 1
        assert all(sample.view_id == NO_VIEW for sample in batch)
        h = max(sample.resized_hw[0] for sample in batch)
        w = max(sample.resized_hw[1] for sample in batch)
        assert batch[0].canvas_hw == (-(-h // 32) * 32, -(-w // 32) * 32)
        shorts |= {min(sample.resized_hw) for sample in batch if max(sample.resized_hw) < 500}
    assert len(shorts) > 30
    assert min(shorts) >= 240
    assert max(shorts) <= 320


@pytest.mark.parametrize("data", [GRID, RANGE])
def test_evaluation_is_unflipped_at_the_last_scale(index: CocoIndex, data: DataConfig) -> None:
    plan = plan_eval(index, data, batch_size=8)
    assert sorted(rows(plan)) == list(range(103))
    for batch in plan:
        assert len({sample.canvas_hw for sample in batch}) == 1
        assert [sample.row for sample in batch] == sorted(sample.row for sample in batch)
        for sample in batch:
            assert not sample.flip
            assert sample.view_id == 0
            assert min(sample.resized_hw) == 320 or max(sample.resized_hw) == 500


def test_views_hold_what_training_can_draw(index: CocoIndex) -> None:
    plan = plan_views(index, GRID, batch_size=16)
    stored = {(s.row, s.view_id): (s.resized_hw, s.canvas_hw, s.flip) for b in plan for s in b}
    assert len(stored) == sum(len(batch) for batch in plan) == 103 * 6
    assert all(len({sample.canvas_hw for sample in batch}) == 1 for batch in plan)
    for epoch in range(3):
        for batch in plan_epoch(index, GRID, batch_size=4, seed=epoch, epoch=epoch):
            for s in batch:
                assert stored[s.row, s.view_id] == (s.resized_hw, s.canvas_hw, s.flip)


def test_range_cannot_be_cached(index: CocoIndex) -> None:
    with pytest.raises(UserError, match=r"data\.scales=grid"):
        plan_views(index, RANGE, batch_size=4)


def test_no_images_make_an_empty_plan(index: CocoIndex) -> None:
    nothing = index.subset([])
    assert plan_epoch(nothing, GRID, batch_size=4, seed=0, epoch=0) == []
    assert plan_eval(nothing, GRID, batch_size=4) == []


def test_inference_in_one_view_is_evaluation(index: CocoIndex) -> None:
    grids = InferenceViews().grids(320, 500)
    plan = plan_inference(index, grids, batch_size=8)
    assert plan == plan_eval(index, DataConfig(short=[320], long=500), batch_size=8)


def test_inference_sees_every_image_in_every_view(index: CocoIndex) -> None:
    grids = InferenceViews((160, 320), flip=True).grids(320, 500)
    plan = plan_inference(index, grids, batch_size=8)
    seen = Counter((sample.row, sample.view_id) for batch in plan for sample in batch)
    assert seen == Counter((row, view) for row in range(103) for view in range(4))
    for batch in plan:
        assert 1 <= len(batch) <= 8
        assert len({(s.canvas_hw, s.view_id, s.flip) for s in batch}) == 1
        assert batch[0].flip == batch[0].view_id % 2
    first = {s.view_id: s for batch in plan for s in batch if s.row == 0}  # 480 x 640 pixels
    assert [first[view].resized_hw for view in range(4)] == [(160, 213)] * 2 + [(320, 427)] * 2


def test_views_of_an_image_lie_close_together(index: CocoIndex) -> None:
    """So that few images wait for their last view."""
    grids = InferenceViews((160, 320), flip=True).grids(320, 500)
    waiting: dict[int, int] = {}
    most = 0
    for batch in plan_inference(index, grids, batch_size=8):
        for sample in batch:
            waiting[sample.row] = waiting.get(sample.row, 0) + 1
        most = max(most, len(waiting))
        waiting = {row: views for row, views in waiting.items() if views < 4}
    assert not waiting
    assert most <= 8
