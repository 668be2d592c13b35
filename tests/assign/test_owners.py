from __future__ import annotations

import torch

from ladcli.assign.owners import to_best_owner
from ladcli.structures import BACKGROUND, IGNORE, Priors, Scene, Targets


def scene(valid: list[bool], num_gt: int) -> Scene:
    priors = Priors(torch.zeros(len(valid), 4), torch.ones(len(valid)), (len(valid),))
    boxes = torch.rand(num_gt, 4)
    targets = Targets.from_lists([boxes], [torch.zeros(num_gt, dtype=torch.int64)])
    return Scene(targets, priors, torch.tensor([valid]))


def test_lowest_rank_wins_and_of_equals_the_first() -> None:
    chosen = torch.tensor([[[True, True, False], [True, True, True]]])
    prior = torch.tensor([[[0, 1, 2], [0, 1, 3]]])
    rank = torch.tensor([[[2.0, 5.0, 0.0], [1.0, 5.0, 9.0]]])
    found = to_best_owner(chosen, prior, rank, scene([True] * 5, 2))
    assert found.gt_index.tolist() == [[1, 0, BACKGROUND, 1, BACKGROUND]]
    assert found.quality is None


def test_nothing_chosen_is_background_and_invalid_priors_are_ignored() -> None:
    nothing = torch.zeros(1, 0, 3, dtype=torch.bool)
    found = to_best_owner(nothing, nothing.long(), nothing.float(), scene([True, False], 0))
    assert found.gt_index.tolist() == [[BACKGROUND, IGNORE]]
