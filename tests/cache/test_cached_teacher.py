"""An opinion from a cache is the opinion of the network that was cached."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import pytest
import torch
from torch import Tensor

from ladcli.assign import (
    Switch,
    cheapest_samples,
    paa_assigner,
)
from ladcli.assign.moments import Scope
from ladcli.assign.switch import Criterion
from ladcli.cache.format import (
    BOXES,
    CHEAPEST,
    LEVEL_STATISTICS,
    LEVELS,
    POSITIVES,
    Level,
    needed_level,
)
from ladcli.cache.records import LOGIT_STEP, PIXEL_STEP
from ladcli.cache.sparse_classes import stand_out
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.errors import UserError
from ladcli.objective.objectives import assign_by
from ladcli.objective.opinion import Opinion, PredictedOpinion
from ladcli.objective.soft_loss import SoftLoss
from ladcli.objective.soft_targets import Select, SoftTargets
from ladcli.recipe.schema import SoftConfig
from ladcli.structures import Batch, Candidates, OwnedCandidates, Targets
from tests.cache.caches import look_at, teacher_of, with_rows
from tests.objective.opinions import (
    random_batch,
    random_opinion,
    random_predictions,
    soft_losses,
    write_opinion,
)

SCOPES: tuple[Scope, ...] = ("level", "object", "image", "batch")
CRITERIA: tuple[Criterion, ...] = ("std-mean", "fisher")


def network_opinion(seed: int, batch: Batch | None = None, **options: Any) -> PredictedOpinion:
    """Of three images with 3, 0 and 5 boxes.  Its outputs survive half precision as they are."""
    opinion = random_opinion(seed + 100, batch or random_batch(seed), **options)
    rounded = opinion.predictions.map(lambda t: t.half().float())
    return PredictedOpinion.of(rounded, opinion.batch, opinion.scene, opinion.assigner)


def cached(
    path: Path, opinion: PredictedOpinion, level: Level, soft: SoftConfig | None = None
) -> Opinion:
    """The same opinion, written to a file and read again."""
    cache = write_opinion(path / "cache.h5", opinion, level, soft)
    return look_at(teacher_of(cache, opinion.assigner), opinion.batch)


def served(level: Level) -> list[Switch]:
    """The switches that a level is enough for."""
    every = [Switch(criterion, scope) for criterion in CRITERIA for scope in SCOPES]
    return [
        switch
        for switch in every
        if LEVELS.index(needed_level(teacher_assigns=True, switch=switch, soft=False))
        <= LEVELS.index(level)
    ]


def test_levels_serve_the_switches_they_promise() -> None:
    assert served("assignments") == []
    assert len(served("costs")) == len(served("soft")) == 6
    assert len(served("dense")) == 8


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("probs", [True, False])
def test_the_assignment_is_that_of_the_network(
    tmp_path: Path, level: Level, *, probs: bool
) -> None:
    opinion = network_opinion(0, probs=probs)
    found = cached(tmp_path, opinion, level).assignment()
    assert found.num_positive > 0
    assert torch.equal(found.gt_index, opinion.assignment().gt_index)


@pytest.mark.parametrize("level", LEVELS)
def test_anchors_over_crowd_regions_are_ignored_when_the_cache_is_used(
    tmp_path: Path, level: Level
) -> None:
    """Crowd regions are no part of what a cache holds."""
    batch = random_batch(1)
    region = torch.tensor([[[0.0, 0.0, 60.0, 60.0]]]).repeat(3, 1, 1)
    crowded = replace(batch, targets=replace(batch.targets, crowd=region))
    opinion = network_opinion(1, crowded, assigner=paa_assigner(ignore_crowd=True))
    expected = opinion.assignment().gt_index
    assert not torch.equal(expected, network_opinion(1, batch).assignment().gt_index)
    assert torch.equal(cached(tmp_path, opinion, level).assignment().gt_index, expected)


@pytest.mark.parametrize("level", ["costs", "soft", "dense"])
@pytest.mark.parametrize("seed", range(2))
def test_prices_are_judged_as_those_of_the_network(tmp_path: Path, level: Level, seed: int) -> None:
    opinion = network_opinion(seed)
    found, candidates = cached(tmp_path, opinion, level), opinion.candidates
    for switch in served(level):
        _, mine = found.prices(candidates, switch)
        _, theirs = opinion.prices(candidates, switch)
        assert torch.equal(mine.count, theirs.count), switch
        assert torch.equal(mine.mean, theirs.mean), switch
        assert torch.equal(mine.score, theirs.score), switch
        assert mine.score.shape == theirs.score.shape


@pytest.mark.parametrize("level", ["costs", "soft"])
def test_costs_of_the_cheapest_candidates_are_kept(tmp_path: Path, level: Level) -> None:
    opinion = network_opinion(2)
    candidates, expected = opinion.candidates, opinion.costs
    costs, _ = cached(tmp_path, opinion, level).prices(candidates, Switch())
    kept = costs.values.isfinite()
    assert 0 < kept.sum() < candidates.mask.sum()
    assert torch.equal(costs.values[kept], expected.values[kept])
    mine, theirs = (
        cheapest_samples(candidates, of, opinion.scene, topk=9) for of in (costs, expected)
    )
    assert torch.equal(mine.valid, theirs.valid)
    assert torch.equal(mine.cost, theirs.cost)
    assert torch.equal(mine.prior[mine.valid], theirs.prior[theirs.valid])


@pytest.mark.parametrize("level", ["costs", "soft", "dense"])
@pytest.mark.parametrize("boxes_per_image", [(3, 0, 5), (1, 1), (0, 0)], ids=str)
def test_the_assignment_of_two_networks_is_the_same(
    tmp_path: Path, level: Level, boxes_per_image: tuple[int, ...]
) -> None:
    batch = random_batch(3, boxes_per_image=boxes_per_image)
    opinion = network_opinion(3, batch)
    student = network_opinion(4, batch)
    found = cached(tmp_path, opinion, level)
    shares = []
    for switch in served(level):
        arguments = (student, switch, opinion.scene, opinion.assigner)
        mine, my_log = assign_by(found, *arguments)
        theirs, their_log = assign_by(opinion, *arguments)
        assert torch.equal(mine.gt_index, theirs.gt_index), switch
        assert my_log == their_log
        shares.append(my_log["teacher_share"].item())
    # Both networks have a say, or the comparison would show little.
    assert any(0 < share < 1 for share in shares) == (sum(boxes_per_image) > 0)


def test_without_a_switch_the_teacher_assigns(tmp_path: Path) -> None:
    opinion, student = network_opinion(5), network_opinion(6, random_batch(5))
    found = cached(tmp_path, opinion, "assignments")
    assignment, log = assign_by(found, student, None, opinion.scene, opinion.assigner)
    assert torch.equal(assignment.gt_index, opinion.assignment().gt_index)
    assert log == {}


SELECTIONS: list[tuple[Select, float]] = [("pred", 0.5), ("pred", 0.3), ("anchor", 0.3)]


def targets_of(opinion: Opinion, soft: SoftConfig) -> SoftTargets:
    return opinion.soft_targets(select=soft.select, min_iou=soft.min_iou)


@pytest.mark.parametrize(("select", "min_iou"), SELECTIONS)
@pytest.mark.parametrize("probs", [True, False])
def test_sparse_targets_are_close_to_those_of_the_network(
    tmp_path: Path, select: Select, min_iou: float, *, probs: bool
) -> None:
    soft = SoftConfig(select=select, min_iou=min_iou)
    opinion = network_opinion(7, probs=probs)
    mine, theirs = (targets_of(o, soft) for o in (cached(tmp_path, opinion, "soft", soft), opinion))
    selected = theirs.weight > 0
    assert torch.equal(mine.weight > 0, selected)
    assert selected.any(dim=1).tolist() == [True, False, True]
    torch.testing.assert_close(mine.weight, theirs.weight, rtol=0, atol=0.02)
    half_step = 0.5 * PIXEL_STEP + 1e-4
    torch.testing.assert_close(mine.boxes[selected], theirs.boxes[selected], rtol=0, atol=half_step)
    torch.testing.assert_close(mine.iou[selected], theirs.iou[selected], rtol=0, atol=1 / 500)
    listed = stand_out(theirs.prob, opinion.scene.priors)
    half_step = 0.5 * LOGIT_STEP * 0.25  # the steepest that a probability follows its logit
    torch.testing.assert_close(mine.prob[listed], theirs.prob[listed], rtol=0, atol=half_step)
    # What is not listed keeps its sum: the class loss is a sum over all anchors.
    sums = [t.prob.masked_fill(listed, 0.0).sum(dim=1) for t in (mine, theirs)]
    torch.testing.assert_close(*sums, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("select", "min_iou"), SELECTIONS)
@pytest.mark.parametrize("iou_branch", [True, False])
def test_dense_targets_are_those_of_the_network(
    tmp_path: Path, select: Select, min_iou: float, *, iou_branch: bool
) -> None:
    soft = SoftConfig(select=select, min_iou=min_iou)
    opinion = network_opinion(8, iou_branch=iou_branch)
    mine, theirs = (targets_of(o, soft) for o in (cached(tmp_path, opinion, "dense"), opinion))
    assert (theirs.weight > 0).any()
    for name in ("prob", "boxes", "weight"):
        assert torch.equal(getattr(mine, name), getattr(theirs, name)), name
    if iou_branch:
        assert torch.equal(mine.iou, theirs.iou)
    else:
        assert mine.iou is theirs.iou is None


def test_outputs_in_half_precision_are_close(tmp_path: Path) -> None:
    """Of a network whose outputs have more digits than a dense cache keeps."""
    opinion = random_opinion(9, random_batch(9))
    soft = SoftConfig(min_iou=0.3)
    mine, theirs = (targets_of(o, soft) for o in (cached(tmp_path, opinion, "dense"), opinion))
    torch.testing.assert_close(mine.prob, theirs.prob, rtol=5e-3, atol=1e-5)
    torch.testing.assert_close(mine.boxes, theirs.boxes, rtol=2e-3, atol=0.05)
    torch.testing.assert_close(mine.iou, theirs.iou, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("loss", ["kl", "l1", "l2"])
@pytest.mark.parametrize("seed", range(3))
def test_sparse_targets_give_almost_the_loss_of_the_network(
    tmp_path: Path, loss: SoftLoss, seed: int
) -> None:
    """For a student that has not come near its teacher.

    The class loss is the least exact: a mean stands for all probabilities that are not listed, and
    the losses are not linear in them.
    """
    opinion = random_opinion(seed + 10, random_batch(seed + 10))
    soft, batch = SoftConfig(), opinion.batch
    student = random_predictions(seed + 20, batch)
    found, expected = (
        soft_losses(student, targets_of(o, soft), batch, loss=loss)
        for o in (cached(tmp_path, opinion, "soft"), opinion)
    )
    assert found["soft_cls"].item() == pytest.approx(expected["soft_cls"].item(), rel=1e-2)
    for name in ("soft_box", "soft_iou"):
        assert found[name].item() == pytest.approx(expected[name].item(), rel=2e-3), name


def test_a_teacher_without_iou_branch_has_no_such_target(tmp_path: Path) -> None:
    opinion = network_opinion(13, iou_branch=False)
    assert targets_of(cached(tmp_path, opinion, "soft"), SoftConfig()).iou is None


def batch_of(whole: Batch, rows: list[int]) -> Batch:
    """Some images of a batch, their boxes padded to the most that these have."""
    targets = whole.targets
    present = [targets.valid[row] for row in rows]
    return Batch(
        whole.images[rows],
        Targets.from_lists(
            [targets.boxes[row][valid] for row, valid in zip(rows, present, strict=True)],
            [targets.labels[row][valid] for row, valid in zip(rows, present, strict=True)],
        ),
        whole.content_hw[rows],
        whole.valid_hw[rows],
        whole.scale_wh[rows],
        tuple(rows),
        (0,) * len(rows),
    )


@pytest.mark.parametrize("rows", [[2, 0], [0], [1]], ids=str)
@pytest.mark.parametrize("level", LEVELS)
def test_images_are_found_in_whatever_company_they_come(
    tmp_path: Path, level: Level, rows: list[int]
) -> None:
    """Another order, another number, and so another padding."""
    whole = network_opinion(14)
    cache = write_opinion(tmp_path / "cache.h5", whole, level)
    batch = batch_of(whole.batch, rows)
    found = look_at(teacher_of(cache, whole.assigner), batch)
    some = whole.predictions.map(lambda t: t[rows])
    expected = PredictedOpinion.of(some, batch, DEFAULT_LAYOUT.scene(batch), whole.assigner)
    assert torch.equal(found.assignment().gt_index, expected.assignment().gt_index)
    assert torch.equal(found.assignment().gt_index, whole.assignment().gt_index[rows])
    for switch in served(level):
        _, mine = found.prices(expected.candidates, switch)
        _, theirs = expected.prices(expected.candidates, switch)
        for name in ("score", "mean", "count"):
            # Sums that were made in other company differ in rounding.
            mine_of, theirs_of = getattr(mine, name), getattr(theirs, name)
            torch.testing.assert_close(mine_of, theirs_of, rtol=1e-9, atol=1e-12)


def test_a_dense_cache_is_read_as_a_network_speaks(tmp_path: Path) -> None:
    opinion = network_opinion(15)
    found = cached(tmp_path, opinion, "dense")
    assert isinstance(found, PredictedOpinion)
    assert torch.equal(found.predictions.cls.raw, opinion.predictions.cls.raw)
    assert torch.equal(found.predictions.box_deltas, opinion.predictions.box_deltas)


def damage(path: Path, table: str, value: int) -> None:
    """Put ``value`` in place of the first anchor of a table."""
    with h5py.File(path, "r+") as file:
        column = file[f"{table}/anchor" if table else "anchor"]
        column[0] = value


def test_anchors_that_do_not_exist_are_refused_with_the_file(tmp_path: Path) -> None:
    opinion = network_opinion(16)
    path = tmp_path / "cache.h5"
    cache = write_opinion(path, opinion, "soft")
    for table in (POSITIVES, CHEAPEST, BOXES):
        damage(path, table, 10**6)
        teacher = teacher_of(cache, opinion.assigner, [table])
        with pytest.raises(UserError, match=f"{path}: is damaged .1000000 is stored"):
            with_rows(teacher, opinion.batch)
        cache.close()


def test_a_batch_with_fewer_boxes_than_were_stored_is_refused(tmp_path: Path) -> None:
    opinion = network_opinion(17)
    cache = write_opinion(tmp_path / "cache.h5", opinion, "costs")
    fewer = Targets(
        *(t[:, :2] for t in (opinion.batch.targets.boxes, opinion.batch.targets.labels)),
        opinion.batch.targets.valid[:, :2],
        opinion.batch.targets.crowd,
    )
    batch = replace(opinion.batch, targets=fewer)
    for table in (POSITIVES, CHEAPEST, LEVEL_STATISTICS):
        with pytest.raises(UserError, match="is damaged"):
            with_rows(teacher_of(cache, opinion.assigner, [table]), batch)


def everything_asked(opinion: Opinion, candidates: Candidates, level: Level) -> list[Tensor]:
    asked = [opinion.assignment().gt_index]
    for switch in served(level):
        costs, judgement = opinion.prices(candidates, switch)
        asked += [costs.values, judgement.score, judgement.mean, judgement.count]
    if level in ("soft", "dense"):
        soft = targets_of(opinion, SoftConfig())
        assert soft.iou is not None
        asked += [soft.prob, soft.boxes, soft.iou, soft.weight]
    return asked


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("level", LEVELS)
def test_no_host_sync(tmp_path: Path, hostsync: ModuleType, level: Level) -> None:
    """Rows cross to the device in copies that wait for nothing, and are laid out there."""
    opinion = network_opinion(18)
    cache = write_opinion(tmp_path / "cache.h5", opinion, level)
    assert isinstance(opinion.candidates, OwnedCandidates)
    teacher, gt_index = teacher_of(cache, opinion.assigner), opinion.candidates.gt_index
    loaded = with_rows(teacher, opinion.batch)
    with hostsync.fake_accelerator() as device:
        candidates = OwnedCandidates(gt_index.to(device, non_blocking=True))
        DEFAULT_LAYOUT.grid(loaded.canvas_hw, device)  # made once per canvas, at its first batch
        with hostsync.count_host_syncs() as syncs:
            batch = loaded.to(device)
            opinion_there = teacher.look_at(batch, DEFAULT_LAYOUT.scene(batch))
            asked = everything_asked(opinion_there, candidates, level)
        assert {t.device.type for t in asked} == {device.type}
    assert not syncs, syncs.report()
