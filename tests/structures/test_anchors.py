"""The anchor grid's bookkeeping, on a grid small enough to write down."""

from __future__ import annotations

import pytest
import torch

from ladcli.structures import AnchorGrid


@pytest.fixture
def grid() -> AnchorGrid:
    """Strides 8 and 16 on a canvas of 16 x 24: 2 x 3 cells and 1 x 2 cells."""
    return AnchorGrid(
        anchors=torch.arange(32.0).view(8, 4),
        row=torch.tensor([0, 0, 0, 1, 1, 1, 0, 0]),
        col=torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]),
        stride=torch.tensor([8] * 6 + [16] * 2),
        level_sizes=((2, 3), (1, 2)),
        canvas_hw=(16, 24),
    )


def test_lengths_add_up_to_the_anchors(grid: AnchorGrid) -> None:
    assert grid.level_lengths == (6, 2)
    assert sum(grid.level_lengths) == grid.num_anchors == 8


def test_levels_are_numbered_from_the_finest(grid: AnchorGrid) -> None:
    assert grid.level.tolist() == [0, 0, 0, 0, 0, 0, 1, 1]
    assert grid.level.dtype == torch.int64


# height, width, valid anchors
SIZES = [
    (16, 24, [0, 1, 2, 3, 4, 5, 6, 7]),  # the whole canvas
    (8, 24, [0, 1, 2, 6, 7]),  # one row of the finest level
    (9, 24, [0, 1, 2, 3, 4, 5, 6, 7]),  # one pixel more begins another row
    (16, 16, [0, 1, 3, 4, 6]),
    (16, 17, [0, 1, 2, 3, 4, 5, 6, 7]),
    (1, 1, [0, 6]),
    (0, 24, []),
    (999, 999, [0, 1, 2, 3, 4, 5, 6, 7]),  # never beyond the canvas
]


@pytest.mark.parametrize(("height", "width", "expected"), SIZES)
def test_a_cell_is_valid_when_it_begins_inside(
    grid: AnchorGrid, height: int, width: int, expected: list[int]
) -> None:
    valid = grid.valid(torch.tensor([[height, width]]))
    assert valid.shape == (1, 8)
    assert valid[0].nonzero().flatten().tolist() == expected


def test_images_of_a_batch_are_judged_one_by_one(grid: AnchorGrid) -> None:
    sizes = torch.tensor([[16, 24], [8, 24], [16, 16]])
    singles = torch.cat([grid.valid(size.unsqueeze(0)) for size in sizes])
    assert torch.equal(grid.valid(sizes), singles)


def test_the_same_anchors_as_priors(grid: AnchorGrid) -> None:
    priors = grid.priors
    assert priors.boxes is grid.anchors
    assert priors.stride is grid.stride
    assert priors.level_lengths == (6, 2)
    assert priors.grid_sizes == ((2, 3), (1, 2))


def test_moving_keeps_everything(grid: AnchorGrid) -> None:
    moved = grid.to("meta")
    tensors = (moved.anchors, moved.row, moved.col, moved.stride, moved.level, moved.priors.boxes)
    assert all(t.device.type == "meta" for t in tensors)
    assert moved.level_sizes == grid.level_sizes
    assert moved.canvas_hw == grid.canvas_hw
    assert moved.priors.grid_sizes == grid.level_sizes
