"""The opinion of a network: the chain of the assigner and the soft targets, on its outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from ladcli.assign import Switch, paa_assigner
from ladcli.detector.anchors import anchor_grid, predicted_boxes
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.objective.opinion import PredictedOpinion
from ladcli.objective.soft_targets import Select, soft_targets
from ladcli.structures import BACKGROUND, IGNORE
from ladcli.structures.boxes import decode_boxes
from tests.objective.opinions import random_batch, random_opinion, scene_of


def test_the_assignment_is_that_of_the_whole_chain() -> None:
    batch = random_batch(0)
    opinion = random_opinion(1, batch)
    valid = anchor_grid(batch.canvas_hw).valid(batch.valid_hw)
    found = opinion.assignment().gt_index
    boxes = predicted_boxes(opinion.predictions, opinion.scene)
    expected = paa_assigner().assign(opinion.scene, opinion.predictions.cls, boxes)
    assert torch.equal(found, expected.gt_index)
    assert (found >= 0).any()
    assert torch.equal(found == IGNORE, ~valid)


def test_the_assigners_options_are_heeded() -> None:
    batch = random_batch(0)
    few, many = (random_opinion(1, batch, paa_assigner(topk=k)).assignment() for k in (1, 9))
    assert 0 < few.num_positive < many.num_positive


def test_candidates_and_costs_stand_beside_each_other() -> None:
    batch = random_batch(2)
    opinion = random_opinion(3, batch)
    candidates, costs = opinion.candidates, opinion.costs
    assert torch.equal(costs.values.isfinite(), candidates.mask)
    assert not candidates.mask[1].any()  # the image without boxes
    assert (candidates.gt_index[~opinion.scene.valid] == BACKGROUND).all()


@pytest.mark.parametrize(
    "switch", [Switch(), Switch("fisher", "object"), Switch("std-mean", "batch")], ids=str
)
def test_prices_are_costs_and_their_judgement(switch: Switch) -> None:
    batch = random_batch(4)
    opinion = random_opinion(5, batch)
    candidates = opinion.candidates
    costs, judgement = opinion.prices(candidates, switch)
    assert torch.equal(costs.values, opinion.costs.values)
    expected = switch.judge(candidates, costs, opinion.scene)
    for name in ("score", "mean", "count"):
        assert torch.equal(getattr(judgement, name), getattr(expected, name)), name


def test_others_candidates_can_be_priced() -> None:
    """The switch compares two networks over the same candidates, whoever chose them."""
    batch = random_batch(6)
    opinion = random_opinion(7, batch)
    few = random_opinion(7, batch, paa_assigner(min_iou=0.4)).candidates
    costs, judgement = opinion.prices(few, Switch())
    assert torch.equal(costs.values.isfinite(), few.mask)
    assert 0 < judgement.count.sum() == few.mask.sum() < opinion.candidates.mask.sum()


@pytest.mark.parametrize(("select", "min_iou"), [("pred", 0.5), ("anchor", 0.3)])
def test_soft_targets_are_those_of_its_outputs(select: Select, min_iou: float) -> None:
    batch = random_batch(8)
    opinion = random_opinion(9, batch)
    found = opinion.soft_targets(select=select, min_iou=min_iou)
    expected = soft_targets(
        opinion.predictions,
        opinion.boxes,
        batch.content_hw,
        opinion.scene,
        select=select,
        min_iou=min_iou,
    )
    assert (found.weight > 0).any()
    for name in ("prob", "boxes", "iou", "weight"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name


def test_a_batch_without_boxes() -> None:
    batch = random_batch(10, boxes_per_image=(0, 0))
    opinion = random_opinion(11, batch)
    assert set(opinion.assignment().gt_index.unique().tolist()) == {BACKGROUND, IGNORE}
    costs, judgement = opinion.prices(opinion.candidates, Switch("fisher", "level"))
    assert costs.values.isinf().all()
    assert judgement.score.shape == (2, 0, 5)
    assert not opinion.soft_targets(select="pred", min_iou=0.0).weight.any()


def test_crowd_regions_are_ignored_where_the_assigner_says_so() -> None:
    batch = random_batch(12)
    everywhere = torch.tensor([[[-1e4, -1e4, 1e4, 1e4]]]).repeat(3, 1, 1)
    crowded = replace(batch, targets=replace(batch.targets, crowd=everywhere))
    found = random_opinion(13, crowded, paa_assigner(ignore_crowd=True)).assignment().gt_index
    expected = random_opinion(13, batch).assignment().gt_index
    assert torch.equal(found, torch.where(expected >= 0, expected, IGNORE))


def test_anchors_are_those_of_the_batch() -> None:
    batch = random_batch(14)
    grid = DEFAULT_LAYOUT.grid(batch.canvas_hw, batch.images.device)
    predictions = random_opinion(15, batch).predictions
    opinion = PredictedOpinion.of(predictions, batch, scene_of(batch), paa_assigner())
    assert opinion.scene.priors is grid.priors
    assert torch.equal(opinion.scene.valid, grid.valid(batch.valid_hw))
    assert torch.equal(opinion.boxes, decode_boxes(grid.anchors, predictions.box_deltas))


def test_candidates_and_costs_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training step asks for them more than once, and they are most of its label assignment."""
    calls: list[str] = []

    def counted(name: str, rule: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            return rule(*arguments, **options)

        return call

    opinion = random_opinion(1, random_batch(1))
    assigner = replace(
        opinion.assigner,
        candidate_rule=counted("candidates", opinion.assigner.candidate_rule),
        cost_rule=counted("costs", opinion.assigner.cost_rule),
    )
    watched = replace(opinion, assigner=assigner)
    watched.assignment()
    watched.sample_costs(watched.candidates)
    assert calls == ["candidates", "costs"]
