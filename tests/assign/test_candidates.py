"""The candidate rule, on a few anchors by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ladcli.assign.candidates import iou_candidates
from ladcli.structures import BACKGROUND, Priors, Scene, Targets
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
