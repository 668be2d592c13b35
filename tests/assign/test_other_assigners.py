"""What every assigner keeps to: properties that do not depend on its rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from ladcli.assign import (
    Assigner,
    atss_assigner,
    mal_assigner,
    one_to_one_assigner,
    ota_assigner,
    simota_assigner,
    tal_assigner,
)
from ladcli.structures import IGNORE, Scene, Targets
from tests.assign.scenes import Problem, random_problem

MAKERS: list[Callable[[], Assigner]] = [
    atss_assigner, mal_assigner, one_to_one_assigner, ota_assigner, simota_assigner, tal_assigner,
]  # fmt: skip
each_assigner = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)


def problem(seed: int = 0) -> Problem:
    return random_problem(
        seed, boxes_per_image=(4, 0, 7, 1), valid_hw=((160, 192), (160, 192), (96, 128), (160, 64))
    )


@each_assigner
def test_a_batch_is_its_images_one_by_one(make: Callable[[], Assigner]) -> None:
    whole, assigner = problem(), make()
    found = whole.assign(assigner)
    for image in range(4):
        alone = whole.image(image).assign(assigner)
        assert torch.equal(alone.gt_index[0], found.gt_index[image])
        if found.quality is not None:
            assert alone.quality is not None
            torch.testing.assert_close(alone.quality[0], found.quality[image])


@each_assigner
def test_padding_changes_nothing(make: Callable[[], Assigner]) -> None:
    whole, assigner = problem(1), make()
    targets = whole.targets
    more = Targets(
        torch.cat([targets.boxes, torch.rand(4, 3, 4) * 50], dim=1),
        torch.cat([targets.labels, torch.ones(4, 3, dtype=torch.int64)], dim=1),
        torch.cat([targets.valid, torch.zeros(4, 3, dtype=torch.bool)], dim=1),
        targets.crowd,
    )
    padded = whole.with_targets(more).assign(assigner)
    assert torch.equal(padded.gt_index, whole.assign(assigner).gt_index)


@each_assigner
def test_permuted_boxes_permute_the_result(make: Callable[[], Assigner]) -> None:
    whole, assigner = problem(2).image(2), make()
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    targets = whole.targets
    moved = Targets(
        targets.boxes[:, order], targets.labels[:, order], targets.valid[:, order], targets.crowd
    )
    before, after = whole.assign(assigner), whole.with_targets(moved).assign(assigner)
    back = torch.where(after.foreground, order[after.gt_index.clamp(min=0)], after.gt_index)
    assert torch.equal(back, before.gt_index)


@each_assigner
def test_invalid_priors_are_ignored_and_all_others_are_not(make: Callable[[], Assigner]) -> None:
    whole = problem(3)
    found = whole.assign(make()).gt_index
    assert torch.equal(found == IGNORE, ~whole.valid)
    assert (found >= 0).any()
    assert (found[1] < 0).all()  # no ground truth


@each_assigner
def test_costs_are_prices_and_mixed_ones_are_one_of_the_two(make: Callable[[], Assigner]) -> None:
    whole, assigner = problem(4), make()
    candidates = assigner.candidates(whole.scene)
    costs = whole.price(candidates, assigner)
    finite = costs.values[costs.values.isfinite()]
    assert (finite >= -1e-6).all()
    assert (costs.values[~candidates.mask] == torch.inf).all()


ODD: dict[str, list[list[float]]] = {
    "smaller than a stride": [[33.3, 41.1, 36.2, 43.0]],
    "outside of the image": [[400, 300, 460, 380]],
    "partly outside": [[-30, -20, 44, 61]],
    "identical": [[20, 20, 90, 100], [20, 20, 90, 100]],
    "the whole image": [[0, 0, 192, 160]],
    "a line": [[10, 50, 180, 50.5]],
}


@each_assigner
@pytest.mark.parametrize("name", ODD)
def test_odd_boxes_give_a_sound_result(make: Callable[[], Assigner], name: str) -> None:
    boxes = torch.tensor(ODD[name])
    targets = Targets.from_lists([boxes], [torch.zeros(len(boxes), dtype=torch.int64)])
    whole = random_problem(5, boxes_per_image=(1,)).with_targets(targets)
    found = whole.assign(make())
    assert (found.gt_index[whole.valid] >= -1).all()
    assert (found.gt_index < len(boxes)).all()
    if found.quality is not None:
        assert found.quality.isfinite().all()
        assert ((found.quality >= 0) & (found.quality <= 1 + 1e-6)).all()


@each_assigner
def test_a_hundred_boxes(make: Callable[[], Assigner]) -> None:
    found = random_problem(6, boxes_per_image=(100,), canvas_hw=(256, 256)).assign(make())
    assert len(found.gt_index[found.foreground].unique()) > 20


def test_methods_differ_in_more_than_their_names() -> None:
    options = [make().options for make in MAKERS]
    assert len(set(options)) == len(options)
    whole = problem(7)
    results = [whole.assign(make()).gt_index for make in MAKERS]
    assert all(
        not torch.equal(one, other)
        for place, one in enumerate(results)
        for other in results[place + 1 :]
    )


def at(whole: Problem, progress: float) -> Problem:
    scene = whole.scene
    return replace(whole, scene=Scene(scene.targets, scene.priors, scene.valid, progress))
