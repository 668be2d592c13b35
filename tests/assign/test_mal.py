"""MAL against an obvious implementation, prior by prior."""

from __future__ import annotations

import pytest

from ladcli.assign import mal_assigner
from tests.assign.scenes import Problem, random_problem
from tests.assign.slow_rules import Image, mal
from tests.assign.test_other_assigners import at

SEEDS = range(6)


def scene(seed: int) -> Problem:
    return random_problem(
        seed,
        boxes_per_image=(3, 1, 6),
        canvas_hw=(96, 128),
        valid_hw=((96, 128), (64, 128), (96, 96)),
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("progress", [0.0, 0.37, 1.0])
def test_mal(seed: int, progress: float) -> None:
    whole = scene(seed)
    found = at(whole, progress).assign(mal_assigner()).gt_index.tolist()
    assert found == [mal(Image(whole, image), progress) for image in range(3)]
