"""Candidates that ground truths share: against loops over their pairs, and against owned ones."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import pytest
import torch
from torch import Tensor

from ladcli.assign import (
    CostMoments,
    MixtureSelection,
    Samples,
    Switch,
    cheapest_samples,
    choose_teacher,
    cost_moments,
    fisher_scores,
    mix_costs,
    paa_assigner,
)
from ladcli.assign.mixture import fit_mixtures
from ladcli.assign.moments import Scope, scope_shape
from ladcli.assign.selection import Rule, select_samples
from ladcli.detector.anchors import AnchorLayout
from ladcli.structures import (
    BACKGROUND,
    IGNORE,
    Candidates,
    Costs,
    OwnedCandidates,
    Scene,
    SharedCandidates,
)
from tests.assign.layouts import (
    Prices,
    dense,
    indexed,
    laid_out,
    prices_of,
    random_prices,
    same_rows,
    wanted_by_several,
)
from tests.assign.prices import SCOPES, Place, Priced, pairs_of, place_of, sorted_costs
from tests.assign.scenes import Problem, plain_scene, random_problem
from tests.assign.test_switch import oracle_score

PADDED = ((160, 192), (100, 192), (160, 97), (33, 40))
Layout = Callable[[SharedCandidates], SharedCandidates]
SHARED: dict[str, Layout] = {
    "dense": lambda candidates: candidates,
    "indexed": indexed,
}
Make = Callable[[int], Problem]


def five_levels(seed: int) -> Problem:
    """What our own networks have by default."""
    return random_problem(seed, valid_hw=PADDED)


def one_level(seed: int) -> Problem:
    return five_levels(seed).level(1)


def three_levels(seed: int) -> Problem:
    return random_problem(seed, valid_hw=PADDED, layout=AnchorLayout(scale=3.0, first_level=5))


def six_levels(seed: int) -> Problem:
    return random_problem(seed, valid_hw=PADDED, layout=AnchorLayout(scale=6.0, first_level=2))


LEVELS: list[Make] = [one_level, three_levels, five_levels, six_levels]
each_shared = pytest.mark.parametrize("layout", SHARED.values(), ids=SHARED)
each_scope = pytest.mark.parametrize("scope", SCOPES)
each_number_of_levels = pytest.mark.parametrize("make", LEVELS, ids=lambda make: make.__name__)
SELECTION = MixtureSelection()


def shared_of(scene: Scene, layout: Layout, seed: int):
    """Candidates in a layout, with the costs of two networks."""
    candidates = layout(wanted_by_several(scene))
    teacher, student = (
        laid_out(candidates, random_prices(candidates, 10 * seed + k)) for k in range(2)
    )
    return Priced(candidates, teacher, student, scene)


def same_pairs(make: Make, seed: int) -> list[Priced]:
    """PAA's candidates with the costs of two networks, in every layout, the owned one first."""
    scene = make(seed).scene
    owned = paa_assigner().candidates(scene)
    assert isinstance(owned, OwnedCandidates)
    prices = [random_prices(owned, 10 * seed + k) for k in range(2)]
    spread = dense(owned, scene.num_gt)
    layouts = (owned, spread, indexed(spread, seed=seed))
    return [Priced(c, *(laid_out(c, p) for p in prices), scene) for c in layouts]


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


# Against the owned layout, where the pairs are the same.


def assert_same_moments(found: CostMoments, expected: CostMoments) -> None:
    assert torch.equal(found.count, expected.count)
    torch.testing.assert_close(found.mean, expected.mean, rtol=1e-12, atol=0)
    # A sum of squares in another order: rounding of the values that were added.
    deviations = found.squared_deviation, expected.squared_deviation
    torch.testing.assert_close(*deviations, rtol=1e-10, atol=1e-14)


@each_number_of_levels
@pytest.mark.parametrize("seed", range(2))
def test_the_same_pairs_give_the_same_in_every_layout(seed: int, make: Make) -> None:
    owned, *others = same_pairs(make, seed)
    arguments = (owned.candidates, owned.teacher, owned.scene)
    moments, samples = cost_moments(*arguments), cheapest_samples(*arguments, topk=9)
    positives = SELECTION(*arguments).gt_index
    assert (positives >= 0).any()
    for other in others:
        same = (other.candidates, other.teacher, other.scene)
        assert_same_moments(cost_moments(*same), moments)
        assert_same_samples(cheapest_samples(*same, topk=9), samples)
        assert torch.equal(SELECTION(*same).gt_index, positives)
        for scope in SCOPES:
            scores, expected = fisher_scores(*same, scope), fisher_scores(*arguments, scope)
            torch.testing.assert_close(scores, expected, rtol=1e-6, atol=1e-12)


def assert_same_samples(found: Samples, expected: Samples) -> None:
    assert same_rows(found.cost, expected.cost, found.valid, expected.valid)
    assert same_rows(found.prior, expected.prior, found.valid, expected.valid)


def mixed_prices(priced: Priced, switch: Switch) -> Prices:
    teacher, student = (
        switch.judge(priced.candidates, costs, priced.scene)
        for costs in (priced.teacher, priced.student)
    )
    roles = choose_teacher(teacher, student)
    costs = mix_costs(priced.candidates, priced.teacher, priced.student, roles, priced.scene)
    return prices_of(priced.candidates, costs)


@each_scope
@pytest.mark.parametrize("criterion", ["std-mean", "fisher"])
@each_number_of_levels
def test_the_switch_decides_alike_in_every_layout(make: Make, criterion: str, scope: Scope) -> None:
    owned, *others = same_pairs(make, 6)
    switch = Switch(criterion, scope)  # type: ignore[arg-type]
    expected = mixed_prices(owned, switch)
    for other in others:
        assert mixed_prices(other, switch) == expected


@each_number_of_levels
def test_the_same_pairs_cost_the_same_in_every_layout(make: Make) -> None:
    problem = make(7)
    owned = paa_assigner().candidates(problem.scene)
    spread = dense(owned, problem.scene.num_gt)
    expected = prices_of(owned, problem.price(owned, paa_assigner()))
    for candidates in (spread, indexed(spread)):
        found = prices_of(candidates, problem.price(candidates, paa_assigner()))
        # Vectorized functions round otherwise than those for the last few values of a tensor.
        assert found == pytest.approx(expected, rel=1e-5)


# Edges, and other devices.


@each_shared
def test_a_batch_without_ground_truth(
    layout: Layout,
) -> None:
    problem = random_problem(0, boxes_per_image=(0, 0))
    candidates = layout(wanted_by_several(problem.scene))
    costs = problem.price(candidates, paa_assigner())
    assert costs.values.shape == candidates.mask.shape
    assert costs.values.shape[1] == 0
    decided = decide(Priced(candidates, costs, costs, problem.scene), Switch("fisher", "batch"))
    assert (decided == BACKGROUND).all()


def test_no_places_at_all() -> None:
    """Every image has ground truths, and none of them a candidate."""
    problem = random_problem(0)
    b, g = problem.targets.labels.shape
    candidates = SharedCandidates(
        torch.zeros(b, g, 0, dtype=torch.bool), torch.zeros(b, g, 0, dtype=torch.int64)
    )
    costs = problem.price(candidates, paa_assigner())
    assert costs.values.shape == (b, g, 0)
    assert (cost_moments(candidates, costs, problem.scene).count == 0).all()
    decided = decide(Priced(candidates, costs, costs, problem.scene), Switch("fisher"))
    assert (decided == BACKGROUND).all()


@each_shared
def test_costs_that_are_no_numbers_are_left_out(
    layout: Layout,
) -> None:
    priced = shared_of(five_levels(8).scene, layout, 8)
    assert isinstance(priced.candidates, SharedCandidates)
    values = priced.teacher.values.clone()
    odd = torch.tensor([math.nan, math.inf, -math.inf])
    places = priced.candidates.mask.nonzero()[::3]
    values[tuple(places.T)] = odd[torch.arange(len(places)) % 3]
    fewer = replace(priced.candidates, mask=priced.candidates.mask & values.isfinite())
    found = (priced.candidates, Costs(values), priced.scene)
    expected = (fewer, priced.teacher, priced.scene)
    assert_same_moments(cost_moments(*found), cost_moments(*expected))
    for scope in SCOPES:
        assert torch.equal(fisher_scores(*found, scope), fisher_scores(*expected, scope))
    positives = SELECTION(*found).gt_index
    assert torch.equal(positives, SELECTION(*expected).gt_index)


def test_an_unknown_layout_is_refused() -> None:
    priced = same_pairs(five_levels, 0)[0]

    class Odd:
        mask = priced.candidates.mask

    with pytest.raises(TypeError, match="no layout of candidates: Odd"):
        cheapest_samples(Odd(), priced.teacher, priced.scene, topk=9)


def decide(priced: Priced, switch: Switch) -> Tensor:
    """From the costs of two networks to positives, [B, A]."""
    teacher, student = (
        switch.judge(priced.candidates, costs, priced.scene)
        for costs in (priced.teacher, priced.student)
    )
    roles = choose_teacher(teacher, student)
    costs = mix_costs(priced.candidates, priced.teacher, priced.student, roles, priced.scene)
    return SELECTION(priced.candidates, costs, priced.scene).gt_index


@each_shared
@pytest.mark.parametrize("criterion", ["std-mean", "fisher"])
def test_other_devices_decide_alike(
    criterion: str,
    layout: Layout,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They price all places at a static shape, and run all steps of the mixture."""
    problem = five_levels(9)
    candidates = layout(wanted_by_several(problem.scene))
    switch = Switch(criterion)  # type: ignore[arg-type]

    def outcome() -> tuple[Tensor, Tensor]:
        teacher = problem.price(candidates, paa_assigner())
        student = laid_out(candidates, random_prices(candidates, 9))
        return teacher.values, decide(Priced(candidates, teacher, student, problem.scene), switch)

    costs, positives = outcome()
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    static_costs, static_positives = outcome()
    torch.testing.assert_close(static_costs, costs, rtol=1e-5, atol=0)
    assert torch.equal(static_positives, positives)


@pytest.mark.usefixtures("few_steps")
@each_shared
@pytest.mark.parametrize("criterion", ["std-mean", "fisher"])
def test_no_host_sync(hostsync: ModuleType, criterion: str, layout: Layout) -> None:
    problem = five_levels(10)
    priced = shared_of(problem.scene, layout, 10)
    with hostsync.fake_accelerator() as device:
        there, outputs = priced.to(device), problem.to(device)
        with hostsync.count_host_syncs() as syncs:
            costs = outputs.price(there.candidates, paa_assigner())
            found = decide(replace(there, student=costs), Switch(criterion))  # type: ignore[arg-type]
        assert found.device.type == device.type
    assert not syncs, syncs.report()


@pytest.mark.usefixtures("few_steps")
@each_shared
def test_compiles_without_graph_breaks(
    layout: Layout,
) -> None:
    priced = shared_of(five_levels(11).scene, layout, 11)

    def positives(teacher: Tensor, student: Tensor) -> Tensor:
        return decide(replace(priced, teacher=Costs(teacher), student=Costs(student)), Switch())

    compiled = torch.compile(positives, fullgraph=True, backend="eager")
    found = compiled(priced.teacher.values, priced.student.values)
    assert torch.equal(found, decide(priced, Switch()))
