"""Candidates that ground truths share, against loops over their pairs."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
import torch
from torch import Tensor

from ladcli.assign import (
    MixtureSelection,
    cheapest_samples,
    cost_moments,
    fisher_scores,
    mix_costs,
    paa_assigner,
)
from ladcli.assign.mixture import fit_mixtures
from ladcli.assign.moments import Scope, scope_shape
from ladcli.assign.selection import Rule, select_samples
from ladcli.structures import (
    BACKGROUND,
    IGNORE,
    Candidates,
    Costs,
    Scene,
    SharedCandidates,
)
from tests.assign.layouts import (
    LEVELS,
    Layout,
    Make,
    Prices,
    each_number_of_levels,
    each_scope,
    each_shared,
    one_level,
    prices_of,
    shared_of,
    wanted_by_several,
)
from tests.assign.prices import Place, pairs_of, place_of, sorted_costs
from tests.assign.scenes import Problem, plain_scene
from tests.assign.test_switch import oracle_score


def test_the_random_scenes_share_priors() -> None:
    """Otherwise the comparisons below would show little."""
    for make in LEVELS:
        candidates = wanted_by_several(make(0).scene)
        assert candidates.mask.sum(dim=1).max() > 1


# Against loops.


def slow_costs(problem: Problem, candidates: Candidates) -> Prices:
    """Focal loss of the box's class plus 1.3 times the GIoU loss, one pair after the other."""
    found = {}
    logits, boxes = problem.predictions.cls.raw.double(), problem.boxes.double()
    for _, (image, gt, prior) in pairs_of(candidates):
        own = int(problem.targets.labels[image, gt])
        total = 0.0
        for number, logit in enumerate(logits[image, prior].tolist()):
            p = 1 / (1 + math.exp(-logit))
            if number == own:
                total -= 0.25 * (1 - p) ** 2 * math.log(p)
            else:
                total -= 0.75 * p**2 * math.log(1 - p)
        giou = slow_giou(boxes[image, prior].tolist(), problem.targets.boxes[image, gt].tolist())
        found[image, gt, prior] = total + 1.3 * (1 - giou)
    return found


def slow_giou(a: list[float], b: list[float]) -> float:
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    union = sum(areas) - width * height
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return width * height / union - (hull - union) / hull


@each_shared
@each_number_of_levels
def test_costs_equal_those_of_a_slow_loop(make: Make, layout: Layout) -> None:
    problem = make(1)
    candidates = layout(wanted_by_several(problem.scene))
    costs = problem.price(candidates, paa_assigner())
    assert torch.equal(costs.values.isfinite(), candidates.mask)
    assert prices_of(candidates, costs) == pytest.approx(slow_costs(problem, candidates), rel=1e-4)


@each_scope
@each_shared
@each_number_of_levels
def test_moments_and_scores_equal_those_of_a_slow_loop(
    make: Make,
    layout: Layout,
    scope: Scope,
) -> None:
    priced = shared_of(make(2).scene, layout, 2)
    arguments = (priced.candidates, priced.teacher, priced.scene)
    moments, scores = cost_moments(*arguments).pooled(scope), fisher_scores(*arguments, scope)
    costs = sorted_costs(*arguments, scope)
    assert moments.count.shape == scores.shape == scope_shape(priced.scene, scope)
    assert moments.count.nonzero().tolist() == [list(place) for place in sorted(costs)]
    for place, values in costs.items():
        mean = math.fsum(values) / len(values)
        deviation = math.fsum((value - mean) ** 2 for value in values)
        assert moments.count[place] == len(values)
        assert moments.mean[place].item() == pytest.approx(mean, rel=1e-12)
        found = moments.squared_deviation[place].item()
        assert found == pytest.approx(deviation, rel=1e-10, abs=1e-14)
        if len(values) > 1:
            expected = oracle_score(values, "fisher")
            assert scores[place].item() == pytest.approx(expected, rel=1e-5)


@each_scope
@each_shared
@each_number_of_levels
def test_every_pair_costs_what_its_network_says(
    make: Make,
    layout: Layout,
    scope: Scope,
) -> None:
    priced = shared_of(make(3).scene, layout, 3)
    draw = torch.Generator().manual_seed(0)
    roles = torch.rand(scope_shape(priced.scene, scope), generator=draw) < 0.5
    mixed = mix_costs(priced.candidates, priced.teacher, priced.student, roles, priced.scene)
    level = priced.scene.priors.level.tolist()
    expected = torch.full_like(mixed.values, torch.inf)
    for place, (image, gt, prior) in pairs_of(priced.candidates):
        by_teacher = roles[place_of(image, gt, level[prior], scope)]
        source = priced.teacher if by_teacher else priced.student
        expected[place] = source.values[place]
    assert torch.equal(mixed.values, expected)


def slow_samples(prices: Prices, scene: Scene, topk: int) -> dict[tuple[int, int], list[int]]:
    """Priors of each ground truth in ascending cost: the cheapest of every level."""
    level = scene.priors.level.tolist()
    by_level: dict[Place, list[tuple[float, int]]] = defaultdict(list)
    for (image, gt, prior), cost in prices.items():
        by_level[image, gt, level[prior]].append((cost, prior))
    chosen: dict[tuple[int, int], list[tuple[float, int]]] = defaultdict(list)
    for (image, gt, _), found in by_level.items():
        chosen[image, gt] += sorted(found)[:topk]
    return {place: [prior for _, prior in sorted(found)] for place, found in chosen.items()}


@pytest.mark.parametrize("topk", [1, 4, 9, 500])
@each_shared
@each_number_of_levels
def test_the_cheapest_samples_equal_those_of_a_slow_loop(
    make: Make, layout: Layout, topk: int
) -> None:
    priced = shared_of(make(4).scene, layout, 4)
    arguments = (priced.candidates, priced.teacher, priced.scene)
    prices = prices_of(priced.candidates, priced.teacher)
    samples = cheapest_samples(*arguments, topk=topk)
    assert (samples.cost[..., :-1] <= samples.cost[..., 1:]).all()
    assert ((samples.prior >= 0) & (samples.prior < priced.scene.priors.num_priors)).all()
    expected = slow_samples(prices, priced.scene, topk)
    found = {}
    for image, gt in samples.valid.any(dim=2).nonzero().tolist():
        valid = samples.valid[image, gt]
        found[image, gt] = samples.prior[image, gt][valid].tolist()
        costs = [prices[image, gt, prior] for prior in found[image, gt]]
        assert samples.cost[image, gt][valid].tolist() == costs
    assert found == expected


def slow_selection(
    prices: Prices, scene: Scene, topk: int, rule: Rule
) -> tuple[Tensor, dict[tuple[int, int], list[int]]]:
    """Ground truth of every prior [B, A], and which ground truths of an image wanted it."""
    gt_index = torch.where(scene.valid, BACKGROUND, IGNORE)
    wanted: dict[tuple[int, int], list[int]] = defaultdict(list)
    for (image, gt), priors in slow_samples(prices, scene, topk).items():
        costs = torch.tensor([[prices[image, gt, prior] for prior in priors]])
        valid = torch.ones_like(costs, dtype=torch.bool)
        positive = select_samples(fit_mixtures(costs, valid), costs, valid, rule=rule)[0].tolist()
        for prior, chosen in zip(priors, positive, strict=True):
            if chosen:
                wanted[image, prior].append(gt)
    for (image, prior), gts in wanted.items():
        gt_index[image, prior] = min(gts, key=lambda gt: (prices[image, gt, prior], gt))
    return gt_index, wanted


@pytest.mark.parametrize("rule", ["density-peak", "mean"])
@each_shared
@each_number_of_levels
def test_positives_equal_those_of_a_slow_loop(make: Make, layout: Layout, rule: Rule) -> None:
    priced = shared_of(make(5).scene, layout, 5)
    found = MixtureSelection(rule=rule)(priced.candidates, priced.teacher, priced.scene)
    prices = prices_of(priced.candidates, priced.teacher)
    expected, wanted = slow_selection(prices, priced.scene, 9, rule)
    assert torch.equal(found.gt_index, expected)
    # Otherwise nothing would be shown of priors that two ground truths select.
    assert make is one_level or max(map(len, wanted.values())) > 1
    assert torch.equal(found.gt_index == IGNORE, ~priced.scene.valid)


# A prior that two ground truths want, by hand.

INF = math.inf
NONE = BACKGROUND


def chosen(first: list[float], second: list[float]) -> list[int]:
    """Owners of eight priors that two ground truths price: what is below the lower mean."""
    values = torch.tensor([[first, second]])
    candidates, scene = SharedCandidates(values < INF), plain_scene((6, 2), 2)
    by_index = SharedCandidates(values < INF, torch.arange(8).expand(1, 2, 8))
    found = [
        MixtureSelection(rule="mean")(layout, Costs(values), scene).gt_index[0].tolist()
        for layout in (candidates, by_index)
    ]
    assert found[0] == found[1]
    return found[0]


def test_the_cheaper_has_a_prior_that_two_want() -> None:
    first = [0.10, 0.11, 0.20, 5.0, 5.2, INF, INF, INF]
    assert chosen(first, [INF] * 8) == [0, 0, NONE, NONE, NONE, NONE, NONE, NONE]
    second = [0.05, INF, INF, 5.0, 5.2, INF, 0.06, 0.20]
    assert chosen(first, second) == [1, 0, NONE, NONE, NONE, NONE, 1, NONE]
    assert chosen(second, first) == [0, 1, NONE, NONE, NONE, NONE, 0, NONE]


def test_the_first_of_equals_has_a_prior_that_two_want() -> None:
    first = [0.10, 0.11, 0.20, 5.0, 5.2, INF, INF, INF]
    second = [0.10, INF, INF, 5.0, 5.2, INF, 0.11, 0.20]
    assert chosen(first, second) == [0, 0, NONE, NONE, NONE, NONE, 1, NONE]
    assert chosen(second, first) == [0, 1, NONE, NONE, NONE, NONE, 0, NONE]


def test_a_prior_stays_with_the_only_one_that_selects_it() -> None:
    """However cheap it is to another whose mixture leaves it out."""
    first = [0.10, 0.11, 0.20, 5.0, 5.2, INF, INF, INF]
    # The second's lower mean is below 0.09: it leaves the first prior out.
    second = [0.09, INF, INF, INF, INF, 0.01, 0.02, 0.09]
    assert chosen(first, second) == [0, 0, NONE, NONE, NONE, 1, 1, NONE]
