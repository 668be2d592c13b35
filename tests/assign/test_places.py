from __future__ import annotations

import torch

from ladcli.assign.places import inside_boxes, near_centers, nearest_on_levels
from ladcli.structures import Priors, Scene, Targets


def line_of_points() -> Scene:
    """Centers at x = 0, 8, 16, 24 on one level and 0, 16 on another; the last is invalid."""
    fine = torch.tensor([[0.0, 0.0], [8.0, 0.0], [16.0, 0.0], [24.0, 0.0]])
    coarse = torch.tensor([[0.0, 0.0], [16.0, 0.0]])
    priors = Priors.from_points([fine, coarse], [8, 16])
    boxes = torch.tensor([[-1.0, -5.0, 9.0, 5.0]])  # its center is (4, 0)
    targets = Targets.from_lists([boxes], [torch.zeros(1, dtype=torch.int64)])
    return Scene(targets, priors, torch.tensor([[True] * 5 + [False]]))


def test_inside() -> None:
    assert inside_boxes(line_of_points()).tolist() == [[[True, True, False, False, True, False]]]
    # A center that lies 1 pixel from the border.
    assert inside_boxes(line_of_points(), border=1.0).sum() == 0


def test_near_centers_in_strides() -> None:
    found = near_centers(line_of_points(), radius=1.0)
    assert found.tolist() == [[[True, True, False, False, True, False]]]
    assert near_centers(line_of_points(), radius=2.5)[0, 0].tolist() == [True] * 3 + [
        False, True, False,
    ]  # fmt: skip


def test_nearest_of_every_level_without_invalid_ones() -> None:
    found = nearest_on_levels(line_of_points(), per_level=2)
    assert found.index is not None
    places = zip(found.index[0, 0].tolist(), found.mask[0, 0].tolist(), strict=True)
    assert sorted(prior for prior, there in places if there) == [0, 1, 4]
