"""Task-aligned assignment against an obvious implementation, prior by prior."""

from __future__ import annotations

import pytest

from ladcli.assign import tal_assigner
from tests.assign.scenes import Problem, random_problem
from tests.assign.slow_rules import Image, tal

SEEDS = range(6)


def scene(seed: int) -> Problem:
    return random_problem(
        seed,
        boxes_per_image=(3, 1, 6),
        canvas_hw=(96, 128),
        valid_hw=((96, 128), (64, 128), (96, 96)),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_tal(seed: int) -> None:
    whole = scene(seed)
    found = whole.assign(tal_assigner())
    assert found.quality is not None
    for image in range(3):
        owners, quality = tal(Image(whole, image))
        assert found.gt_index[image].tolist() == owners
        assert found.quality[image].tolist() == pytest.approx(quality, abs=1e-5)
