"""From costs to samples to positives."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ladcli.assign.mixture import MixtureFit
from ladcli.assign.selection import MixtureSelection, cheapest_samples, select_samples
from ladcli.structures import BACKGROUND, IGNORE, Costs, OwnedCandidates
from tests.assign.scenes import plain_scene, random_problem

INF = math.inf


#: Six anchors in the fine level, two in the coarse one.
LEVELS = (6, 2)


def fit_with(component: list[int], log_density: list[float], means: list[float]) -> MixtureFit:
    """A fit of one row as selection sees it."""
    pair = torch.ones(1, 2, dtype=torch.float64)
    return MixtureFit(
        torch.tensor([means], dtype=torch.float64),
        pair,
        pair / 2,
        torch.ones(1, dtype=torch.int64),
        torch.ones(1, dtype=torch.bool),
        torch.tensor([component]),
        torch.tensor([log_density], dtype=torch.float64),
    )


COSTS = torch.tensor([[0.1, 0.2, 0.3, 0.4, INF]])
VALID = COSTS < INF
# component, log density, expected positives
PEAKS = {
    "up to and with the densest": ([0, 0, 0, 1, -1], [0.0, 5.0, 1.0, 9.0, -INF], [0, 1]),
    "the cheapest is densest": ([0, 0, 0, 1, -1], [5.0, 1.0, 1.0, 1.0, -INF], [0]),
    "the dearest is densest": ([0, 0, 0, 0, -1], [1.0, 2.0, 3.0, 4.0, -INF], [0, 1, 2, 3]),
    "the first of equally dense": ([0, 0, 0, 1, -1], [1.0, 3.0, 3.0, 1.0, -INF], [0, 1]),
    "only the lower component": ([1, 0, 1, 0, -1], [9.0, 1.0, 9.0, 2.0, -INF], [1, 3]),
    "an empty lower component": ([1, 1, 1, 1, -1], [1.0, 2.0, 3.0, 4.0, -INF], []),
}


@pytest.mark.parametrize(("component", "density", "expected"), PEAKS.values(), ids=PEAKS)
def test_density_peak(component: list[int], density: list[float], expected: list[int]) -> None:
    positive = select_samples(fit_with(component, density, [0.1, 0.4]), COSTS, VALID)
    assert positive[0].nonzero().flatten().tolist() == expected


# means, expected positives
MEANS = {
    "below the lower mean": ([0.25, 0.9], [0, 1]),
    "whichever component is lower": ([0.9, 0.25], [0, 1]),
    "the mean itself is not below": ([0.3, 0.9], [0, 1]),
    "all": ([0.5, 0.9], [0, 1, 2, 3]),
    "none": ([0.05, 0.9], []),
}


@pytest.mark.parametrize(("means", "expected"), MEANS.values(), ids=MEANS)
def test_mean(means: list[float], expected: list[int]) -> None:
    fit = fit_with([1, 1, 1, 1, -1], [0.0] * 4 + [-INF], means)
    costs = COSTS.double().round(decimals=1)
    positive = select_samples(fit, costs, VALID, rule="mean")
    assert positive[0].nonzero().flatten().tolist() == expected


@pytest.mark.parametrize("rule", ["density-peak", "mean"])
def test_a_lone_sample_is_not_selected(rule: str) -> None:
    costs = torch.tensor([[0.1, INF]])
    fit = fit_with([0, -1], [1.0, -INF], [0.5, 0.9])
    assert not select_samples(fit, costs, costs < INF, rule=rule).any()


def samples_of(gt_index: list[int], cost: list[float], num_gt: int, topk: int) -> list[list[int]]:
    """Sampled anchors of each ground truth in order of cost."""
    candidates = OwnedCandidates(torch.tensor([gt_index]))
    costs = Costs(torch.tensor([cost]))
    samples = cheapest_samples(candidates, costs, plain_scene(LEVELS, num_gt), topk=topk)
    assert (samples.cost[0].diff(dim=1).nan_to_num(0.0) >= 0).all()
    return [samples.prior[0, g][samples.valid[0, g]].tolist() for g in range(num_gt)]


def test_the_cheapest_of_each_level_are_sampled() -> None:
    cost = [0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.35, 9.0]
    assert samples_of([0] * 8, cost, 1, topk=2) == [[5, 4, 6, 7]]


def test_a_level_with_few_anchors_gives_what_it_has() -> None:
    cost = [0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.35, 0.05]
    assert samples_of([0] * 8, cost, 1, topk=9) == [[7, 5, 4, 3, 6, 2, 1, 0]]


def test_ground_truths_sample_their_own_candidates() -> None:
    cost = [0.6, 0.5, 0.4, INF, 0.2, 0.1, 0.35, 0.05]
    gt_index = [0, 1, 0, -1, 1, 0, 1, 0]
    assert samples_of(gt_index, cost, 3, topk=2) == [[7, 5, 2], [4, 6, 1], []]


def test_costs_that_are_no_numbers_are_no_samples() -> None:
    cost = [0.6, math.nan, INF, -INF, 0.2, 0.1, 0.35, math.nan]
    assert samples_of([0] * 8, cost, 1, topk=9) == [[5, 4, 6, 0]]


def selected(gt_index: list[int], cost: list[float], valid: list[bool], num_gt: int) -> Tensor:
    assignment = MixtureSelection()(
        OwnedCandidates(torch.tensor([gt_index])),
        Costs(torch.tensor([cost])),
        plain_scene(LEVELS, num_gt, valid=torch.tensor([valid])),
    )
    return assignment.gt_index[0]


def test_positives_background_and_ignored_anchors() -> None:
    cost = [0.50, 0.51, 0.52, 5.0, 5.2, INF, INF, 5.1]
    gt_index = [0, 0, 0, 0, 0, BACKGROUND, BACKGROUND, 0]
    valid = [True] * 6 + [False, True]
    found = selected(gt_index, cost, valid, 1).tolist()
    assert found[0] == 0
    assert set(found[:3]) <= {0, BACKGROUND}
    assert found[3:] == [BACKGROUND, BACKGROUND, BACKGROUND, IGNORE, BACKGROUND]


def test_a_ground_truth_with_one_candidate_gets_nothing() -> None:
    cost = [0.5, INF, INF, INF, INF, INF, INF, INF]
    found = selected([0] + [BACKGROUND] * 7, cost, [True] * 8, 1)
    assert found.tolist() == [BACKGROUND] * 8


def test_no_ground_truth_at_all() -> None:
    found = selected([BACKGROUND] * 8, [INF] * 8, [True] * 7 + [False], 0)
    assert found.tolist() == [BACKGROUND] * 7 + [IGNORE]


def test_a_network_that_says_nan_leaves_background_only() -> None:
    found = selected([0] * 8, [math.nan] * 8, [True] * 8, 1)
    assert found.tolist() == [BACKGROUND] * 8


@pytest.mark.parametrize("rule", ["density-peak", "mean"])
def test_positives_are_samples_of_their_ground_truth(rule: str) -> None:
    scene = random_problem(5).scene
    b, a = scene.valid.shape
    draw = torch.Generator().manual_seed(1)
    candidates = OwnedCandidates(torch.randint(-1, 7, (b, a), generator=draw))
    values = torch.rand(b, a, generator=draw).masked_fill(~candidates.mask, INF)
    arguments = (candidates, Costs(values), scene)
    found = MixtureSelection(rule=rule)(*arguments).gt_index
    samples = cheapest_samples(*arguments, topk=9)
    assert (found >= 0).any()
    for image in range(b):
        for gt in range(7):
            own = samples.prior[image, gt][samples.valid[image, gt]]
            positives = (found[image] == gt).nonzero().flatten()
            assert set(positives.tolist()) <= set(own.tolist())
