"""Moments of costs: against numpy over the costs themselves, for every scope."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ladcli.assign.moments import (
    CostMoments,
    Scope,
    cost_moments,
    scope_groups,
    scope_shape,
)
from ladcli.structures import BACKGROUND, Costs, OwnedCandidates
from tests.assign.prices import SCOPES, Priced, priced_scene, sorted_costs
from tests.assign.scenes import plain_scene

SHAPES: dict[Scope, tuple[int, int, int]] = {
    "level": (4, 7, 5),
    "object": (4, 7, 1),
    "image": (4, 1, 1),
    "batch": (1, 1, 1),
}


def moments_of(priced: Priced) -> CostMoments:
    return cost_moments(priced.candidates, priced.teacher, priced.scene)


def by_hand(gt_index: list[int], values: list[float], num_gt: int) -> CostMoments:
    """Six anchors in a fine level and two in a coarse one."""
    candidates, costs = OwnedCandidates(torch.tensor([gt_index])), Costs(torch.tensor([values]))
    return cost_moments(candidates, costs, plain_scene((6, 2), num_gt))


def test_by_hand() -> None:
    found = by_hand([0, 0, -1, 1, 0, -1, 0, -1], [1.0, 2.0, 50.0, 7.0, 6.0, 50.0, 4.0, 50.0], 2)
    assert found.count.tolist() == [[[3, 1], [1, 0]]]
    assert found.mean.tolist() == [[[3, 4], [7, 0]]]
    assert found.squared_deviation.tolist() == [[[14, 0], [0, 0]]]
    assert found.std.tolist() == [[[math.sqrt(7), 0], [0, 0]]]
    of_object = found.pooled("object")
    assert of_object.count.tolist() == [[[4], [1]]]
    assert of_object.mean.tolist() == [[[3.25], [7]]]
    # 1, 2, 6 and 4 lie 2.25, 1.25, 2.75 and 0.75 from their mean.
    assert of_object.squared_deviation.tolist() == [[[14.75], [0]]]
    everything = found.pooled("batch")
    assert (everything.count.item(), everything.mean.item()) == (5, 4)
    assert everything.std.item() == pytest.approx(math.sqrt((9 + 4 + 4 + 0 + 9) / 4))


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("seed", range(3))
def test_every_scope_has_the_moments_of_all_its_costs(seed: int, scope: Scope) -> None:
    priced = priced_scene(seed)
    found = moments_of(priced).pooled(scope)
    assert found.count.shape == found.mean.shape == found.std.shape == SHAPES[scope]
    assert scope_shape(priced.scene, scope) == SHAPES[scope]
    assert {t.dtype for t in (found.count, found.mean, found.squared_deviation)} == {torch.float64}
    costs = sorted_costs(priced.candidates, priced.teacher, priced.scene, scope)
    assert found.count.nonzero().tolist() == [list(place) for place in sorted(costs)]
    for place, values in costs.items():
        assert found.count[place] == len(values)
        assert found.mean[place].item() == pytest.approx(np.mean(values), rel=1e-12)
        deviation = np.square(values - np.mean(values)).sum()
        assert found.squared_deviation[place].item() == pytest.approx(deviation, rel=1e-10)
        std = np.std(values, ddof=1) if len(values) > 1 else 0.0
        assert found.std[place].item() == pytest.approx(std, rel=1e-10)


def test_costs_of_a_large_mean_keep_their_deviation() -> None:
    """A difference of mean squares would lose all digits here."""
    found = by_hand([0] * 8, [2.0**20 + k for k in range(8)], 1)
    assert found.pooled("object").squared_deviation.item() == 42
    assert found.pooled("level").squared_deviation.tolist() == [[[17.5, 0.5]]]


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_costs_that_are_no_numbers_are_left_out(odd: float) -> None:
    values = [1.0, odd, 3.0, odd, 5.0, odd, odd, odd]
    found = by_hand([0] * 8, values, 1)
    assert found.count.tolist() == [[[3, 0]]]
    assert found.mean.tolist() == [[[3, 0]]]
    assert found.squared_deviation.tolist() == [[[8, 0]]]


@pytest.mark.parametrize("scope", SCOPES)
def test_a_batch_without_ground_truth(scope: Scope) -> None:
    priced = priced_scene(0, boxes_per_image=(0, 0))
    found = moments_of(priced).pooled(scope)
    shape = {"level": (2, 0, 5), "object": (2, 0, 1), "image": (2, 1, 1), "batch": (1, 1, 1)}
    assert found.count.shape == shape[scope] == scope_shape(priced.scene, scope)
    for values in (found.count, found.mean, found.squared_deviation, found.std):
        assert (values == 0).all()


@pytest.mark.parametrize("scope", SCOPES)
def test_padded_ground_truths_change_nothing(scope: Scope) -> None:
    priced = priced_scene(4)
    own = moments_of(priced).pooled(scope)
    found = moments_of(priced.with_more_gt(3)).pooled(scope)
    width = own.count.shape[1]
    assert torch.equal(found.count[:, :width], own.count)
    assert (found.count[:, width:] == 0).all()
    torch.testing.assert_close(found.mean[:, :width], own.mean)
    torch.testing.assert_close(found.std[:, :width], own.std)


@pytest.mark.parametrize("scope", SCOPES)
def test_groups_count_as_the_flattened_places(scope: Scope) -> None:
    priced = priced_scene(5)
    priced.teacher.values[2, priced.candidates.mask[2].nonzero()[0]] = math.nan
    arguments = (priced.candidates, priced.teacher, priced.scene)
    group = scope_groups(*arguments, scope)
    assert (group.shape, group.dtype) == (priced.candidates.gt_index.shape, torch.int64)
    num_groups = math.prod(scope_shape(priced.scene, scope))
    outside = (priced.candidates.gt_index == BACKGROUND) | priced.teacher.values.isnan()
    assert torch.equal(group == num_groups, outside)
    numbers = torch.arange(num_groups).view(scope_shape(priced.scene, scope))
    costs = sorted_costs(*arguments, scope)
    for place, values in costs.items():
        members = priced.teacher.values[group == numbers[place]].double()
        assert members.tolist() == values
