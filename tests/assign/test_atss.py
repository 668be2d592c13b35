"""ATSS against an obvious implementation, prior by prior."""

from __future__ import annotations

import pytest

from ladcli.assign import atss_assigner
from tests.assign.scenes import Problem, random_problem
from tests.assign.slow_rules import Image, atss

SEEDS = range(6)


def scene(seed: int) -> Problem:
    return random_problem(
        seed,
        boxes_per_image=(3, 1, 6),
        canvas_hw=(96, 128),
        valid_hw=((96, 128), (64, 128), (96, 96)),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_atss(seed: int) -> None:
    whole = scene(seed)
    found = whole.assign(atss_assigner()).gt_index.tolist()
    assert found == [atss(Image(whole, image)) for image in range(3)]
