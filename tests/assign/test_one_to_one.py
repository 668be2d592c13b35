"""One-to-one matching against an obvious implementation, prior by prior."""

from __future__ import annotations

import pytest
import torch

from ladcli.assign import one_to_one_assigner
from tests.assign.scenes import random_problem
from tests.assign.slow_rules import Image, least_matching

SEEDS = range(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_to_one(seed: int) -> None:
    whole = random_problem(seed, boxes_per_image=(3, 1, 2), canvas_hw=(64, 96))
    found = whole.assign(one_to_one_assigner()).gt_index
    for number in range(3):
        image = Image(whole, number)
        gts = range(len(image.gts))
        places = [(found[number] == g).nonzero().flatten().tolist() for g in gts]
        assert [len(place) for place in places] == [1] * len(image.gts)
        total = sum(image.detection(g, places[g][0]) for g in gts)
        assert total == pytest.approx(least_matching(image), abs=1e-4)
    assert torch.equal(found, whole.assign(one_to_one_assigner()).gt_index)
