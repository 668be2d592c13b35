"""The dynamic switch against loops over every candidate, and its rules by hand."""

from __future__ import annotations

import math
import warnings
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from ladcli.assign.moments import Scope, cost_moments, scope_shape
from ladcli.assign.switch import (
    Criterion,
    Judgement,
    Switch,
    choose_teacher,
    fisher_scores,
    mix_costs,
    teacher_share,
)
from ladcli.structures import Costs, OwnedCandidates
from tests.assign.prices import SCOPES, Place, Priced, place_of, priced_scene, sorted_costs
from tests.assign.scenes import plain_scene

CRITERIA: tuple[Criterion, ...] = ("std-mean", "fisher")
INF = math.inf
#: One ground truth, six priors in the fine level and two in the coarse one.
TWO_LEVELS = plain_scene((6, 2), 1)

each_scope = pytest.mark.parametrize("scope", SCOPES)
each_criterion = pytest.mark.parametrize("criterion", CRITERIA)


def oracle_score(costs: list[float], criterion: Criterion) -> float:
    """Equation 3, for at least two costs."""
    if criterion == "std-mean":
        return float(np.std(costs, ddof=1) / np.mean(costs))
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(
        2,
        covariance_type="diag",
        weights_init=[0.5, 0.5],
        means_init=[[min(costs)], [max(costs)]],
        precisions_init=[[1.0], [1.0]],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(np.array(costs)[:, None])
    low, high = model.means_[:, 0]
    return float((high - low) ** 2 / model.covariances_.sum())


def oracle_role(teacher: list[float], student: list[float], criterion: Criterion) -> bool:
    """Whether the teacher decides."""
    if len(teacher) == 1:
        return teacher[0] < student[0]
    return oracle_score(teacher, criterion) >= oracle_score(student, criterion)


def oracle_roles(priced: Priced, criterion: Criterion, scope: Scope) -> dict[Place, bool]:
    """The decision at every place that has candidates."""
    teacher, student = (
        sorted_costs(priced.candidates, costs, priced.scene, scope)
        for costs in (priced.teacher, priced.student)
    )
    assert set(teacher) == set(student)
    return {place: oracle_role(teacher[place], student[place], criterion) for place in teacher}


def judged(priced: Priced, switch: Switch) -> tuple[Judgement, Judgement]:
    """Teacher and student."""
    teacher, student = (
        switch.judge(priced.candidates, costs, priced.scene)
        for costs in (priced.teacher, priced.student)
    )
    return teacher, student


def roles_of(priced: Priced, switch: Switch) -> Tensor:
    return choose_teacher(*judged(priced, switch))


@each_scope
@each_criterion
@pytest.mark.parametrize("seed", range(3))
def test_roles_equal_those_of_a_slow_loop(seed: int, criterion: Criterion, scope: Scope) -> None:
    priced = priced_scene(seed)
    expected = oracle_roles(priced, criterion, scope)
    roles = roles_of(priced, Switch(criterion, scope))
    assert roles.shape == scope_shape(priced.scene, scope)
    assert {place: bool(roles[place]) for place in expected} == expected


@each_criterion
def test_the_random_scenes_hold_every_case(criterion: Criterion) -> None:
    """Otherwise the comparison above would show little."""
    for scope in ("level", "object"):
        roles = [oracle_roles(priced_scene(seed), criterion, scope) for seed in range(3)]  # type: ignore[arg-type]
        assert {role for of_scene in roles for role in of_scene.values()} == {True, False}
    priced = priced_scene(0)
    counts = sorted_costs(priced.candidates, priced.teacher, priced.scene, "level").values()
    assert min(map(len, counts)) == 1
    assert max(map(len, counts)) > 20


@each_scope
@each_criterion
def test_scores_are_those_of_equation_3(criterion: Criterion, scope: Scope) -> None:
    priced = priced_scene(3)
    found, _ = judged(priced, Switch(criterion, scope))
    costs = sorted_costs(priced.candidates, priced.teacher, priced.scene, scope)
    assert found.count.nonzero().tolist() == [list(place) for place in sorted(costs)]
    for place, values in costs.items():
        assert found.mean[place].item() == pytest.approx(np.mean(values))
        if len(values) > 1:
            expected = oracle_score(values, criterion)
            assert found.score[place].item() == pytest.approx(expected, rel=1e-5)
    assert found.score.isfinite().all()
    assert {t.dtype for t in (found.score, found.mean, found.count)} == {torch.float64}


@each_scope
def test_stored_moments_and_scores_judge_as_costs_do(scope: Scope) -> None:
    """What a cache keeps: moments by level, and Fisher scores of the scope."""
    priced = priced_scene(4)
    arguments = (priced.candidates, priced.teacher, priced.scene)
    moments, scores = cost_moments(*arguments), fisher_scores(*arguments, scope)
    for criterion, fisher in (("std-mean", None), ("fisher", scores)):
        switch = Switch(criterion, scope)  # type: ignore[arg-type]
        found, expected = switch.judge_moments(moments, fisher), switch.judge(*arguments)
        for name in ("score", "mean", "count"):
            assert torch.equal(getattr(found, name), getattr(expected, name)), name


def judgement(scores: list[float], means: list[float], counts: list[int]) -> Judgement:
    return Judgement(*(torch.tensor([[row]]).double() for row in (scores, means, counts)))


def test_the_higher_score_wins_and_a_tie_goes_to_the_teacher() -> None:
    counts = [2, 9, 9, 9]
    teacher = judgement([0.5, 0.5, 0.5, 0.0], [1.0, 1.0, 9.0, 2.0], counts)
    student = judgement([0.6, 0.4, 0.5, 0.0], [2.0, 2.0, 1.0, 1.0], counts)
    assert choose_teacher(teacher, student).tolist() == [[[False, True, True, True]]]


def test_over_a_single_candidate_the_teacher_must_be_cheaper() -> None:
    teacher = judgement([0.0, 9.0, 0.0], [1.0, 2.0, 2.0], [1, 1, 1])
    student = judgement([9.0, 0.0, 0.0], [2.0, 1.0, 2.0], [1, 1, 1])
    assert choose_teacher(teacher, student).tolist() == [[[True, False, False]]]


@each_scope
@each_criterion
def test_equal_networks_leave_all_but_single_candidates_to_the_teacher(
    criterion: Criterion, scope: Scope
) -> None:
    priced = priced_scene(5)
    one, _ = judged(priced, Switch(criterion, scope))
    assert torch.equal(choose_teacher(one, one), one.count > 1)


@each_criterion
def test_costs_of_zero_have_a_score_of_zero(criterion: Criterion) -> None:
    candidates = OwnedCandidates(torch.zeros(1, 8, dtype=torch.int64))
    switch = Switch(criterion, "object")
    found = switch.judge(candidates, Costs(torch.zeros(1, 8)), TWO_LEVELS)
    assert found.score.tolist() == [[[0]]]


def test_twice_the_costs_do_not_change_the_ratio_of_deviation_and_mean() -> None:
    priced = priced_scene(6)
    doubled = Costs(2 * priced.teacher.values)
    switch = Switch("std-mean", "image")
    one = switch.judge(priced.candidates, priced.teacher, priced.scene)
    two = switch.judge(priced.candidates, doubled, priced.scene)
    torch.testing.assert_close(two.score, one.score)


@each_criterion
def test_costs_that_are_no_numbers_are_not_judged(criterion: Criterion) -> None:
    values = torch.tensor([[0.5, 0.6, 0.7, 2.0, 2.1, 2.2, 0.6, 2.1]])
    odd = values.clone()
    odd[0, 1], odd[0, 4], odd[0, 7] = math.nan, INF, -INF
    switch = Switch(criterion, "object")
    gt_index = torch.zeros(1, 8, dtype=torch.int64)
    found = switch.judge(OwnedCandidates(gt_index), Costs(odd), TWO_LEVELS)
    gt_index = gt_index.masked_fill(~odd.isfinite(), -1)
    expected = switch.judge(OwnedCandidates(gt_index), Costs(values), TWO_LEVELS)
    assert found.count.item() == 5
    for name in ("score", "mean", "count"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name


@each_scope
@each_criterion
def test_padded_ground_truths_change_no_role(criterion: Criterion, scope: Scope) -> None:
    priced = priced_scene(7)
    wider = priced.with_more_gt(3)
    switch = Switch(criterion, scope)
    expected, found = roles_of(priced, switch), roles_of(wider, switch)
    decided = judged(priced, switch)[0].count > 0
    width = expected.shape[1]
    assert torch.equal(found[:, :width][decided], expected[decided])


def slowly_mixed(priced: Priced, roles: Tensor, scope: Scope) -> Tensor:
    """The cost of each candidate from the network that its role names, [B, A]."""
    values = torch.full_like(priced.teacher.values, INF)
    levels = priced.scene.priors.level.tolist()
    for image, gts in enumerate(priced.candidates.gt_index.tolist()):
        for anchor, gt in enumerate(gts):
            if gt >= 0:
                by_teacher = roles[place_of(image, gt, levels[anchor], scope)]
                source = priced.teacher if by_teacher else priced.student
                values[image, anchor] = source.values[image, anchor]
    return values


def mixed(priced: Priced, roles: Tensor) -> Tensor:
    arguments = (priced.candidates, priced.teacher, priced.student, roles, priced.scene)
    return mix_costs(*arguments).values


@each_scope
@pytest.mark.parametrize("boxes_per_image", [(4, 0, 7, 1), (1, 1, 0), (1,), (0, 0)], ids=str)
def test_every_candidate_costs_what_its_network_says(
    boxes_per_image: tuple[int, ...], scope: Scope
) -> None:
    priced = priced_scene(8, boxes_per_image)
    draw = torch.Generator().manual_seed(0)
    roles = torch.rand(scope_shape(priced.scene, scope), generator=draw) < 0.5
    assert torch.equal(mixed(priced, roles), slowly_mixed(priced, roles, scope))


@each_scope
def test_one_network_may_decide_everything(scope: Scope) -> None:
    priced = priced_scene(9)
    everywhere = torch.ones(scope_shape(priced.scene, scope), dtype=torch.bool)
    assert torch.equal(mixed(priced, everywhere), priced.teacher.values)
    assert torch.equal(mixed(priced, ~everywhere), priced.student.values)


def test_mixed_costs_stay_infinite_where_there_is_no_candidate() -> None:
    priced = priced_scene(10)
    values = mixed(priced, roles_of(priced, Switch()))
    assert torch.equal(values == INF, ~priced.candidates.mask)


def test_share_of_the_decisions_that_went_to_the_teacher() -> None:
    roles = torch.tensor([[[True, False, True, True]]])
    count = torch.tensor([[[1.0, 30.0, 2.0, 0.0]]]).double()
    assert teacher_share(roles, count).item() == pytest.approx(2 / 3)
    assert teacher_share(roles, count * 0).item() == 0
    assert teacher_share(roles[:, :0], count[:, :0]).item() == 0
    assert teacher_share(roles, count).shape == ()


def decide(priced: Priced, switch: Switch) -> tuple[Tensor, Tensor]:
    """Mixed costs [B, A] and the teacher's share, []."""
    teacher, student = judged(priced, switch)
    roles = choose_teacher(teacher, student)
    return mixed(priced, roles), teacher_share(roles, student.count)


@each_scope
@each_criterion
def test_other_devices_decide_alike(
    criterion: Criterion, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They look at all anchors at a static shape, and run all steps of the mixture."""
    priced, switch = priced_scene(11), Switch(criterion, scope)
    costs, share = decide(priced, switch)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    static_costs, static_share = decide(priced, switch)
    assert torch.equal(static_costs, costs)
    assert static_share == share


@pytest.mark.usefixtures("few_steps")
@each_scope
@each_criterion
@pytest.mark.parametrize("boxes_per_image", [(4, 0, 7, 1), (1, 1), (0, 0)], ids=str)
def test_no_host_sync(
    hostsync: ModuleType, boxes_per_image: tuple[int, ...], criterion: Criterion, scope: Scope
) -> None:
    priced = priced_scene(12, boxes_per_image)
    with hostsync.fake_accelerator() as device:
        on_device = priced.to(device)
        with hostsync.count_host_syncs() as syncs:
            costs, share = decide(on_device, Switch(criterion, scope))
        assert costs.device.type == share.device.type == device.type
    assert not syncs, syncs.report()


@pytest.mark.usefixtures("few_steps")
@each_criterion
def test_compiles_without_graph_breaks(criterion: Criterion) -> None:
    """One graph from costs to costs, with the same result as the eager form."""
    priced, switch = priced_scene(13), Switch(criterion)

    def mixed_values(teacher: Tensor, student: Tensor) -> Tensor:
        both = Costs(teacher), Costs(student)
        return decide(Priced(priced.candidates, *both, priced.scene), switch)[0]

    compiled = torch.compile(mixed_values, fullgraph=True, backend="eager")
    found = compiled(priced.teacher.values, priced.student.values)
    assert torch.equal(found, decide(priced, switch)[0])


@each_criterion
def test_a_network_without_finite_costs_never_decides(criterion: Criterion) -> None:
    priced = priced_scene(3)
    broken = Costs(torch.full_like(priced.teacher.values, INF))
    switch = Switch(criterion, "object")
    sound, lost = (
        switch.judge(priced.candidates, costs, priced.scene) for costs in (priced.student, broken)
    )
    present = sound.count > 0
    assert present.any()
    assert not choose_teacher(lost, sound)[present].any()
    several = sound.count > 1
    assert choose_teacher(sound, lost)[several].all()
