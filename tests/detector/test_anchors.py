"""Which anchors a canvas has, and in which order."""

from __future__ import annotations

import pytest
import torch

from ladcli.detector.anchors import anchor_grid
from ladcli.detector.levels import DEFAULT_LAYOUT, AnchorLayout

CANVAS = (64, 96)
SIZES = ((8, 12), (4, 6), (2, 3), (1, 2), (1, 1))


def test_level_sizes_by_hand() -> None:
    assert DEFAULT_LAYOUT.level_sizes(CANVAS) == SIZES
    assert DEFAULT_LAYOUT.level_sizes((33, 129)) == ((5, 17), (3, 9), (2, 5), (1, 3), (1, 2))


@pytest.mark.parametrize(
    ("index", "center", "side"),
    [
        (0, (0, 0), 64),
        (1, (8, 0), 64),
        (12, (0, 8), 64),
        (95, (88, 56), 64),
        (96 + 2 * 6 + 3, (48, 32), 128),
        (96 + 24 + 5, (64, 32), 256),
        (96 + 24 + 6 + 1, (64, 0), 512),
        (96 + 24 + 6 + 2, (0, 0), 1024),
    ],
)
def test_anchors_by_hand(index: int, center: tuple[int, int], side: int) -> None:
    x, y = center
    half = side / 2
    anchors = anchor_grid(CANVAS).anchors
    assert anchors.dtype is torch.float32
    assert anchors[index].tolist() == [x - half, y - half, x + half, y + half]


def test_cells_go_level_by_level_and_row_by_row() -> None:
    grid = anchor_grid(CANVAS)
    assert grid.num_anchors == 96 + 24 + 6 + 2 + 1
    assert grid.level_sizes == SIZES
    assert grid.canvas_hw == CANVAS
    start = 0
    for stride, (rows, cols) in zip((8, 16, 32, 64, 128), SIZES, strict=True):
        level = slice(start, start + rows * cols)
        assert grid.stride[level].tolist() == [stride] * (rows * cols)
        assert grid.row[level].tolist() == [r for r in range(rows) for _ in range(cols)]
        assert grid.col[level].tolist() == list(range(cols)) * rows
        start += rows * cols


def test_a_grid_is_made_once_per_canvas() -> None:
    assert anchor_grid(CANVAS) is anchor_grid((64, 96))
    assert anchor_grid(CANVAS).canvas_hw != anchor_grid((96, 64)).canvas_hw


@pytest.mark.parametrize(
    ("layout", "index", "center", "side"),
    [
        (AnchorLayout(4.0), 13, (8, 8), 32),
        (AnchorLayout(8.0, 2), 0, (0, 0), 32),
        (AnchorLayout(8.0, 2), 24 + 2, (8, 4), 32),
        (AnchorLayout(2.5, 2), 16 * 24 + 1, (8, 0), 20),
        (AnchorLayout(2.5, 2), 16 * 24 + 129 - 1, (0, 0), 320),
    ],
)
def test_anchors_of_other_layouts(
    layout: AnchorLayout, index: int, center: tuple[int, int], side: int
) -> None:
    x, y = center
    half = side / 2
    grid = layout.grid(CANVAS)
    assert grid.anchors[index].tolist() == [x - half, y - half, x + half, y + half]
    assert grid.num_anchors == (129 if layout.first_level == 3 else 16 * 24 + 129)


def test_a_layout_is_the_options_that_make_it() -> None:
    assert DEFAULT_LAYOUT.is_default
    assert DEFAULT_LAYOUT.to_plain() == {"anchor_scale": 8.0, "first_level": 3}
    other = AnchorLayout(4.0, 2)
    assert not other.is_default
    assert AnchorLayout.from_plain(other.to_plain()) == other
    assert AnchorLayout.from_plain({}) == DEFAULT_LAYOUT
    assert other.strides == (4, 8, 16, 32, 64, 128)
