"""Anchors over crowd regions: background becomes ignored, positives stay."""

from __future__ import annotations

from dataclasses import replace

import torch

from ladcli.assign.crowd import ignore_crowd
from ladcli.detector.anchors import anchor_grid
from ladcli.structures import BACKGROUND, IGNORE, Assignment, Scene, Targets

GRID = anchor_grid((64, 64))  # the first anchor is 64 pixels wide, centered on the corner (0, 0)


def all_background() -> torch.Tensor:
    return torch.full((1, GRID.num_anchors), BACKGROUND)


def without_crowd(assignment: Assignment, regions: torch.Tensor) -> Assignment:
    """``regions`` are [1, R, 4]."""
    nothing = Targets.from_lists([torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.int64)])
    valid = torch.ones(1, GRID.num_anchors, dtype=torch.bool)
    return ignore_crowd(assignment, Scene(replace(nothing, crowd=regions), GRID.priors, valid))


def test_only_anchors_with_more_than_half_their_area_inside_are_ignored() -> None:
    region = torch.tensor([[[-32.0, -32.0, 0.5, 32.0]]])  # half of the first anchor and a bit
    found = without_crowd(Assignment(all_background()), region).gt_index
    assert found[0, 0] == IGNORE
    assert (found[0, 1:8] == BACKGROUND).all()  # the next ones begin 8 pixels further right
    exactly_half = torch.tensor([[[-32.0, -32.0, 0.0, 32.0]]])
    found = without_crowd(Assignment(all_background()), exactly_half).gt_index
    assert found[0, 0] == BACKGROUND


def test_positives_over_a_crowd_stay_positives() -> None:
    gt_index = all_background()
    gt_index[0, 3] = 0
    everywhere = torch.tensor([[[-500.0, -500.0, 500.0, 500.0]]])
    found = without_crowd(Assignment(gt_index), everywhere).gt_index
    assert found[0, 3] == 0
    assert (found[0].sort().values[:-1] == IGNORE).all()


def test_padded_regions_and_no_regions_change_nothing() -> None:
    before = Assignment(all_background())
    for regions in (torch.zeros(1, 2, 4), torch.zeros(1, 0, 4)):
        assert torch.equal(without_crowd(before, regions).gt_index, before.gt_index)
