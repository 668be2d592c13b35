"""Every assigner against an obvious implementation, prior by prior."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ladcli.assign import (
    atss_assigner,
    mal_assigner,
    one_to_one_assigner,
    ota_assigner,
    simota_assigner,
    tal_assigner,
)
from tests.assign.scenes import Problem, random_problem
from tests.assign.slow_rules import Image, atss, least_matching, mal, simota, tal, transport
from tests.assign.test_other_assigners import at

SEEDS = range(6)


def scene(seed: int, **changes: object) -> Problem:
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
def test_atss(seed: int) -> None:
    whole = scene(seed)
    found = whole.assign(atss_assigner()).gt_index.tolist()
    assert found == [atss(Image(whole, image)) for image in range(3)]


@pytest.mark.parametrize("seed", SEEDS)
def test_tal(seed: int) -> None:
    whole = scene(seed)
    found = whole.assign(tal_assigner())
    assert found.quality is not None
    for image in range(3):
        owners, quality = tal(Image(whole, image))
        assert found.gt_index[image].tolist() == owners
        assert found.quality[image].tolist() == pytest.approx(quality, abs=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_simota(seed: int) -> None:
    whole = scene(seed)
    found = whole.assign(simota_assigner()).gt_index.tolist()
    assert found == [simota(Image(whole, image)) for image in range(3)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("progress", [0.0, 0.37, 1.0])
def test_mal(seed: int, progress: float) -> None:
    whole = scene(seed)
    found = at(whole, progress).assign(mal_assigner()).gt_index.tolist()
    assert found == [mal(Image(whole, image), progress) for image in range(3)]


@pytest.mark.parametrize("seed", SEEDS)
def test_ota(seed: int) -> None:
    whole = scene(seed)
    found = whole.assign(ota_assigner()).gt_index.tolist()
    assert found == [transport(Image(whole, image), slow_scores) for image in range(3)]


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
