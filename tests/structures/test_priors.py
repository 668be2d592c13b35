"""Priors of any layout: several per cell, points without a size, any number of levels."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ladcli.structures import Priors
from ladcli.structures.priors import POINT_SCALE


def boxes(number: int, start: float = 0.0) -> torch.Tensor:
    return start + torch.arange(4.0 * number).view(number, 4)


def test_levels_lie_one_after_the_other() -> None:
    priors = Priors.from_boxes([boxes(3), boxes(1, 100), boxes(2, 200)], [8, 16, 32])
    assert torch.equal(priors.boxes, torch.cat([boxes(3), boxes(1, 100), boxes(2, 200)]))
    assert priors.level_lengths == (3, 1, 2)
    assert priors.level.tolist() == [0, 0, 0, 1, 2, 2]
    assert priors.level.dtype is torch.int64
    assert priors.stride.tolist() == [8, 8, 8, 16, 32, 32]
    assert (priors.num_priors, priors.num_levels) == (6, 3)
    assert priors.level_slices() == [slice(0, 3), slice(3, 4), slice(4, 6)]
    assert priors.grid_sizes is None


def test_one_level_and_levels_without_priors() -> None:
    assert Priors.from_boxes([boxes(2)], [4]).level.tolist() == [0, 0]
    priors = Priors.from_boxes([boxes(0), boxes(2), boxes(0)], [4, 8, 16])
    assert priors.level_lengths == (0, 2, 0)
    assert priors.level.tolist() == [1, 1]
    assert priors.level_slices() == [slice(0, 0), slice(0, 2), slice(2, 2)]


def test_strides_need_not_be_whole_numbers() -> None:
    priors = Priors.from_boxes([boxes(1), boxes(1)], [7.5, 13.25])
    assert priors.stride.tolist() == [7.5, 13.25]


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.float16])
def test_boxes_of_any_type_become_single_precision(dtype: torch.dtype) -> None:
    priors = Priors.from_boxes([boxes(2).to(dtype)], [8])
    assert priors.boxes.dtype is priors.stride.dtype is torch.float32
    assert torch.equal(priors.boxes, boxes(2))


def test_boxes_of_whole_numbers_do_not_round_their_strides() -> None:
    assert Priors.from_boxes([boxes(1).long()], [7.5]).stride.tolist() == [7.5]


def test_a_point_is_a_square_of_eight_strides() -> None:
    points = [torch.tensor([[0.0, 0.0], [16.0, 4.0]]), torch.tensor([[10.0, 20.0]])]
    priors = Priors.from_points(points, [4, 16])
    assert POINT_SCALE == 8
    assert priors.boxes.tolist() == [
        [-16, -16, 16, 16],
        [0, -12, 32, 20],
        [-54, -44, 74, 84],
    ]
    assert priors.level_lengths == (2, 1)
    assert priors.stride.tolist() == [4, 4, 16]
    assert torch.equal(priors.centers, torch.cat(points))


def test_the_size_of_a_point_is_an_option() -> None:
    priors = Priors.from_points([torch.tensor([[10.0, 20.0]])], [4], scale=1.5)
    assert priors.boxes.tolist() == [[7, 17, 13, 23]]


def test_centers_of_boxes() -> None:
    priors = Priors.from_boxes([torch.tensor([[0.0, 2, 10, 8], [-4, -4, 2, 2]])], [8])
    assert priors.centers.tolist() == [[5, 5], [-1, -1]]


def test_levels_and_strides_must_go_together() -> None:
    points = torch.zeros(1, 2)
    for make in (
        lambda: Priors.from_boxes([boxes(1), boxes(1)], [8]),
        lambda: Priors.from_points([points, points], [8]),
        lambda: Priors.from_points([points], [8, 16]),
    ):
        with pytest.raises(ValueError, match=r"levels and \d strides do not go together"):
            make()


@pytest.mark.parametrize("make", [Priors.from_boxes, Priors.from_points])
def test_no_level_at_all_is_refused(make: type) -> None:
    with pytest.raises(ValueError, match="0 levels and 0 strides do not go together"):
        make([], [])


def test_shapes_must_agree_with_the_levels() -> None:
    with pytest.raises(ValueError, match=r"5 priors in 2 levels need boxes \[5, 4\]"):
        Priors(torch.zeros(4, 4), torch.zeros(5), (3, 2))
    with pytest.raises(ValueError, match=r"strides \[5\], got \[5, 4\] and \[4\]"):
        Priors(torch.zeros(5, 4), torch.zeros(4), (3, 2))


@pytest.mark.parametrize("sizes", [((3, 1), (1, 1)), ((1, 3),), ((1, 3), (2, 1), (0, 0))])
def test_grids_must_hold_the_levels(sizes: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match=r"cells cannot hold levels of \[3, 2\] priors"):
        Priors(torch.zeros(5, 4), torch.zeros(5), (3, 2), sizes)


def test_levels_are_numbered_where_the_boxes_are() -> None:
    priors = Priors.from_boxes([boxes(2), boxes(1)], [8, 16])
    moved = replace(priors, boxes=priors.boxes.to("meta"), stride=priors.stride.to("meta"))
    assert moved.level.device.type == "meta"
