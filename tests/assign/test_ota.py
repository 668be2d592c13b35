"""OTA against an obvious implementation, prior by prior."""

from __future__ import annotations

import numpy as np
import pytest

from ladcli.assign import ota_assigner
from tests.assign.scenes import Problem, random_problem
from tests.assign.slow_rules import Image, transport

SEEDS = range(6)


def scene(seed: int) -> Problem:
    return random_problem(
        seed,
        boxes_per_image=(3, 1, 6),
        canvas_hw=(96, 128),
        valid_hw=((96, 128), (64, 128), (96, 96)),
    )


def slow_scores(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return -np.inf
    return float(finite.max() + np.log(np.exp(finite - finite.max()).sum()))


@pytest.mark.parametrize("seed", SEEDS)
def test_ota(seed: int) -> None:
    whole = scene(seed)
    found = whole.assign(ota_assigner()).gt_index.tolist()
    assert found == [transport(Image(whole, image), slow_scores) for image in range(3)]
