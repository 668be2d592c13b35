"""Reading an assignment."""

from __future__ import annotations

import torch

from ladcli.structures import BACKGROUND, IGNORE, Assignment, gather_per_anchor

GT_INDEX = torch.tensor([[0, BACKGROUND, 2, IGNORE], [IGNORE, IGNORE, 1, BACKGROUND]])


def test_positives_background_and_ignored_are_told_apart() -> None:
    assignment = Assignment(GT_INDEX)
    expected = [[True, False, True, False], [False, False, True, False]]
    assert assignment.foreground.tolist() == expected
    assert assignment.counted.tolist() == [[True, True, True, False], [False, False, True, True]]
    assert assignment.num_positive == 3


def test_the_number_of_positives_is_no_host_number() -> None:
    number = Assignment(GT_INDEX).num_positive
    assert isinstance(number, torch.Tensor)
    assert number.shape == ()


def test_most_assignments_have_no_quality() -> None:
    assert Assignment(GT_INDEX).quality is None


def test_gathering_vectors_and_numbers() -> None:
    boxes = torch.arange(24.0).view(2, 3, 4)
    labels = torch.tensor([[7, 8, 9], [4, 5, 6]])
    assert gather_per_anchor(labels, GT_INDEX).tolist() == [[7, 7, 9, 7], [4, 4, 5, 4]]
    gathered = gather_per_anchor(boxes, GT_INDEX)
    assert gathered.shape == (2, 4, 4)
    assert torch.equal(gathered[0, 2], boxes[0, 2])
    assert torch.equal(gathered[1, 2], boxes[1, 1])


def test_gathering_without_boxes_gives_zeros() -> None:
    nothing = torch.full((2, 4), BACKGROUND)
    assert gather_per_anchor(torch.ones(2, 0, 4), nothing).tolist() == torch.zeros(2, 4, 4).tolist()
    assert gather_per_anchor(torch.ones(2, 0, dtype=torch.int64), nothing).dtype is torch.int64
