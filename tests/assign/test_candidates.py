"""The candidate rule, on a few anchors by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ladcli.assign.candidates import iou_candidates, prior_iou
from ladcli.detector.anchors import anchor_grid
from ladcli.detector.levels import AnchorLayout
from ladcli.structures import BACKGROUND, Priors, Scene, Targets
from ladcli.structures.boxes import matrix_iou
from tests.assign.scenes import random_problem

SIDE = 10.0


def row_of_anchors(count: int) -> Priors:
    """Squares of 10 pixels side by side."""
    left = torch.arange(count) * SIDE
    zero = torch.zeros(count)
    boxes = torch.stack([left, zero, left + SIDE, zero + SIDE], dim=1)
    return Priors(boxes, torch.full((count,), 8), (count,), ((1, count),))


def owners(boxes: list[list[float]], count: int = 5, valid: Tensor | None = None) -> list[int]:
    """The box each of ``count`` anchors may become a positive of."""
    targets = Targets.from_lists(
        [torch.tensor(boxes).view(-1, 4)], [torch.zeros(len(boxes), dtype=torch.int64)]
    )
    counted = torch.ones(1, count, dtype=torch.bool) if valid is None else valid
    scene = Scene(targets, row_of_anchors(count), counted)
    return iou_candidates(scene).gt_index[0].tolist()


NONE = BACKGROUND
CASES = {
    "an anchor goes to the box it overlaps best": (
        [[0, 0, 16, 10], [13, 0, 30, 10]],
        [0, 1, 1, NONE, NONE],
    ),
    "too little overlap is none": ([[0, 0, 11, 10]], [0, NONE, NONE, NONE, NONE]),
    "a small box claims its best anchor": ([[22, 2, 23, 3]], [NONE, NONE, 0, NONE, NONE]),
    "and all that tie with it": ([[8, 0, 12, 2]], [0, 0, NONE, NONE, NONE]),
    "a later box takes a best anchor from an earlier one": (
        [[10, 0, 20, 10], [10, 0, 20, 10]],
        [NONE, 1, NONE, NONE, NONE],
    ),
    "of equal boxes the first keeps the rest": (
        [[5, 0, 28, 10], [5, 0, 28, 10]],
        [0, 1, 0, NONE, NONE],
    ),
    "a box beyond all anchors claims all it does not touch": (
        [[500, 0, 510, 10], [10, 0, 20, 10]],
        [0, 1, 0, 0, 0],
    ),
    "a box without area does so too": (
        [[10, 0, 20, 10], [15, 2, 15, 8]],
        [1, 1, 1, 1, 1],
    ),
    "no boxes": ([], [NONE] * 5),
}


@pytest.mark.parametrize(("boxes", "expected"), CASES.values(), ids=CASES)
def test_by_hand(boxes: list[list[float]], expected: list[int]) -> None:
    assert owners(boxes) == expected


def test_the_threshold_itself_is_enough() -> None:
    # Half of anchor 0 is covered: its IoU is exactly a half.  Anchor 1 is the box's best.
    targets = Targets.from_lists([torch.tensor([[5.0, 0, 20, 10]])], [torch.tensor([0])])
    scene = Scene(targets, row_of_anchors(3), torch.ones(1, 3, dtype=torch.bool))
    # IoU with anchor 0: 50 / 200.
    for min_iou, expected in ((0.25, [0, 0, NONE]), (0.26, [NONE, 0, NONE])):
        found = iou_candidates(scene, min_iou=min_iou)
        assert found.gt_index[0].tolist() == expected


def test_invalid_anchors_are_never_candidates() -> None:
    valid = torch.tensor([[True, False, True, True, True]])
    # The best anchor does not count, so that the next best are claimed.
    assert owners([[8, 0, 22, 10]], valid=valid) == [0, NONE, 0, NONE, NONE]


def test_an_image_without_valid_anchors_has_no_candidates() -> None:
    assert owners([[0, 0, 10, 10]], valid=torch.zeros(1, 5, dtype=torch.bool)) == [NONE] * 5


def test_every_box_of_a_random_scene_has_a_candidate_unless_a_later_one_took_it() -> None:
    scene = random_problem(3).scene
    gt_index = iou_candidates(scene).gt_index
    assert gt_index.max() == 6  # the seven boxes of the third image
    for image, count in enumerate(scene.targets.valid.sum(dim=1).tolist()):
        assert set(gt_index[image].tolist()) - {BACKGROUND} <= set(range(count))
        assert count == 0 or gt_index[image].max() == count - 1


def test_candidates_carry_no_gradient() -> None:
    scene = random_problem(0).scene
    scene.targets.boxes.requires_grad_()
    found = iou_candidates(scene)
    assert not found.gt_index.requires_grad


# The path for regular grids, and the one for any priors.

#: Any scale, any number of levels; 2 adds P2.
LAYOUTS = [
    AnchorLayout(scale, first_level)
    for scale in (0.3, 1.0, 3.7, 8.0, 10 / 3, 64.0)
    for first_level in (2, 3, 5, 7)
]


def any_boxes(seed: int, number: int, canvas_hw: tuple[int, int]) -> Tensor:
    """Boxes [2, number, 4] with corners that are no round numbers, and some odd ones."""
    draw = torch.Generator().manual_seed(seed)
    height, width = canvas_hw
    corner = torch.rand(2, number, 2, generator=draw) * torch.tensor([width, height]) * 1.2 - 9
    size = torch.tensor([width, height]) * torch.rand(2, number, 2, generator=draw) ** 3
    boxes = torch.cat([corner, corner + size], dim=2)
    odd = [[0, 0, 0, 0], [-1e5, -1e5, 1e5, 1e5], [5e3, 5e3, 6e3, 6e3], [30, 30, 20, 20]]
    return torch.cat([boxes, torch.tensor(odd).float().expand(2, -1, -1)], dim=1)


@pytest.mark.parametrize(
    "layout", LAYOUTS, ids=lambda layout: f"{layout.scale:.3g}-P{layout.first_level}"
)
def test_overlaps_on_a_grid_equal_those_of_any_priors_to_the_last_bit(
    layout: AnchorLayout,
) -> None:
    for seed, canvas_hw in enumerate([(128, 192), (96, 250), (33, 1), (257, 130)]):
        priors = anchor_grid(canvas_hw, layout=layout).priors
        assert priors.grid_sizes is not None
        boxes = any_boxes(seed, 9, canvas_hw)
        found = prior_iou(boxes, priors)
        general = prior_iou(boxes, replace(priors, grid_sizes=None))
        assert found.shape == general.shape == (2, 13, priors.num_priors)
        assert torch.equal(found, general)
        assert torch.equal(general, matrix_iou(boxes, priors.boxes))


def test_levels_of_any_sizes_make_a_grid() -> None:
    """Sizes that are no halves of each other, one of them empty."""
    draw = torch.Generator().manual_seed(0)
    sizes = ((3, 7), (0, 4), (5, 1), (2, 2))
    boxes = []
    for rows, cols in sizes:
        x, y = torch.rand(cols, generator=draw) * 90, torch.rand(rows, generator=draw) * 90
        y, x = (t.flatten() for t in torch.meshgrid(y, x, indexing="ij"))
        boxes.append(torch.stack([x, y, x + 1 + x / 3, y + 2 + y / 7], dim=1))
    lengths = tuple(rows * cols for rows, cols in sizes)
    priors = Priors(torch.cat(boxes), torch.ones(sum(lengths)), lengths, sizes)
    found = prior_iou(any_boxes(1, 20, (90, 90)), priors)
    assert (found > 0).any()
    assert torch.equal(found, matrix_iou(any_boxes(1, 20, (90, 90)), priors.boxes))


@pytest.mark.parametrize("seed", range(4))
def test_candidates_on_a_grid_are_those_of_any_priors(seed: int) -> None:
    scene = random_problem(seed).scene
    general = replace(scene, priors=replace(scene.priors, grid_sizes=None))
    assert torch.equal(iou_candidates(general).gt_index, iou_candidates(scene).gt_index)


def test_priors_in_another_order_are_wanted_by_the_same_boxes() -> None:
    """Nothing but their boxes tells priors from each other: several may share a place."""
    scene = random_problem(5).scene
    priors = scene.priors
    order = torch.randperm(priors.num_priors, generator=torch.Generator().manual_seed(0))
    moved = Priors.from_boxes([priors.boxes[order]], [1])
    found = iou_candidates(Scene(scene.targets, moved, scene.valid[:, order])).gt_index
    assert torch.equal(found, iou_candidates(scene).gt_index[:, order])


def test_points_are_wanted_as_the_squares_that_stand_for_them() -> None:
    points = torch.tensor([[0.0, 0.0], [20.0, 0.0], [40.0, 0.0]])
    targets = Targets.from_lists([torch.tensor([[12.0, -8, 28, 8]])], [torch.tensor([0])])
    valid = torch.ones(1, 3, dtype=torch.bool)
    # Squares of 16 pixels: the second is the box itself.  Of 32: the others hold a quarter of it.
    for stride, expected in ((2, [NONE, 0, NONE]), (4, [0, 0, 0])):
        scene = Scene(targets, Priors.from_points([points], [stride]), valid)
        assert iou_candidates(scene, min_iou=0.05).gt_index[0].tolist() == expected
