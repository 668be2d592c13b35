"""The layouts of candidates: the same pairs give the same, on any device."""

from __future__ import annotations

import math
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
from ladcli.assign.moments import Scope
from ladcli.structures import (
    BACKGROUND,
    Costs,
    SharedCandidates,
)
from tests.assign.layouts import (
    Layout,
    Make,
    Prices,
    dense,
    each_number_of_levels,
    each_scope,
    each_shared,
    five_levels,
    indexed,
    laid_out,
    prices_of,
    random_prices,
    same_pairs,
    same_rows,
    shared_of,
    wanted_by_several,
)
from tests.assign.prices import SCOPES, Priced
from tests.assign.scenes import random_problem

SELECTION = MixtureSelection()


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
