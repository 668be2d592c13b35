from __future__ import annotations

import json

import pytest

from ladcli.data.views import MAX_SHORT, InferenceViews, ViewGrid, resized_hw
from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig


@pytest.mark.parametrize(
    ("hw", "short", "long", "expected"),
    [
        ((480, 640), 240, 320, (240, 320)),
        ((480, 640), 800, 1333, (800, 1067)),
        ((640, 480), 800, 1333, (1067, 800)),
        ((400, 1000), 800, 1333, (533, 1333)),  # the long side decides
        ((1, 400), 240, 320, (1, 320)),  # no side vanishes
        ((1, 1), 240, 320, (240, 240)),
        ((3, 4), 2, 9, (2, 3)),  # 2.67 rounds up
    ],
)
def test_resizing_keeps_the_ratio(
    hw: tuple[int, int], short: int, long: int, expected: tuple[int, int]
) -> None:
    assert resized_hw(hw, short, long) == expected


@pytest.mark.parametrize(
    ("hw", "expected"),
    [
        ((480, 640), (800, 1088)),
        ((640, 480), (1088, 800)),
        ((500, 500), (800, 800)),
        ((480, 720), (800, 1216)),
        ((720, 1280), (800, 1344)),  # 16:9 exceeds the long limit
        ((200, 1000), (800, 1344)),
        ((1000, 200), (1344, 800)),
    ],
)
def test_canvas_is_the_smallest_that_fits(hw: tuple[int, int], expected: tuple[int, int]) -> None:
    grid = ViewGrid.from_config(DataConfig())
    assert grid.canvas_hw(grid.resized_hw(hw, 800), 800) == expected


def test_small_recipe_has_one_canvas() -> None:
    grid = ViewGrid.from_config(DataConfig(short=[240], long=320))
    assert grid.canvas_hw((240, 320), 240) == (256, 320)


def test_every_size_has_a_canvas_of_the_grid() -> None:
    data = DataConfig(short=[100, 333], long=500, scale_steps=4)
    grid = ViewGrid.from_config(data)
    for short in grid.shorts:
        canvases = set(grid.canvases(short))
        for h in (1, 7, 99, 100, 101, 480, 3000):
            for w in (1, 8, 100, 133, 640, 2999):
                resized = grid.resized_hw((h, w), short)
                canvas = grid.canvas_hw(resized, short)
                assert canvas[0] >= resized[0]
                assert canvas[1] >= resized[1]
                assert canvas in canvases or canvas[::-1] in canvases
                assert canvas[0] % 32 == canvas[1] % 32 == 0


@pytest.mark.parametrize(
    ("flip", "expected"), [(0.0, (0, 2, 4)), (0.5, (0, 1, 2, 3, 4, 5)), (1.0, (1, 3, 5))]
)
def test_view_ids_count_only_flips_that_occur(flip: float, expected: tuple[int, ...]) -> None:
    grid = ViewGrid.from_config(DataConfig(short=[640, 800], scale_steps=3, flip=flip))
    assert grid.shorts == (640, 720, 800)
    assert grid.view_ids() == expected
    assert grid.num_views == len(expected)
    assert all(grid.describe(v) == (grid.shorts[v // 2], v % 2 == 1) for v in expected)


def test_evaluation_has_one_view() -> None:
    grid = ViewGrid.for_evaluation(DataConfig(short=[640, 800], scales="range"))
    assert grid.shorts == (800,)
    assert grid.view_ids() == (0,)


def test_range_has_no_grid() -> None:
    with pytest.raises(UserError, match=r"data\.scales=grid"):
        ViewGrid.from_config(DataConfig(short=[640, 800], scales="range"))
    assert ViewGrid.from_config(DataConfig(scales="range")).shorts == (800,)


def test_plain_description_tells_grids_apart() -> None:
    plain = [
        json.dumps(ViewGrid.from_config(DataConfig(short=[240], long=long, flip=flip)).to_plain())
        for long, flip in ((320, 0.5), (320, 0.0), (330, 0.5))
    ]
    assert len(set(plain)) == 3


def test_without_scales_inference_has_the_networks_own_view() -> None:
    assert InferenceViews().grids(320, 500) == (ViewGrid((320,), 500),)
    assert InferenceViews(flip=True).grids(320, 500) == (ViewGrid((320,), 500, (0, 1)),)


def test_the_limit_of_the_long_side_follows_the_scale() -> None:
    grids = InferenceViews((160, 640)).grids(320, 501)
    assert grids == (ViewGrid((160,), 251), ViewGrid((640,), 1002))
    # An elongated image grows from scale to scale.
    sizes = [grid.resized_hw((100, 1000), grid.shorts[0]) for grid in grids]
    assert sizes == [(25, 251), (100, 1002)]


@pytest.mark.parametrize("side", [0, -320, MAX_SHORT + 1])
def test_scales_out_of_range_are_refused(side: int) -> None:
    with pytest.raises(UserError, match=rf"^scale {side} is out of range; .*1 to {MAX_SHORT}"):
        InferenceViews((320, side))
