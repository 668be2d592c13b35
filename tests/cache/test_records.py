"""What is encoded comes back, as exactly as each table promises, and nonsense is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ladcli.assign import CostMoments, Samples, cheapest_samples, cost_moments, fisher_scores
from ladcli.detector.anchors import anchor_grid
from ladcli.cache.format import (
    BOXES,
    CHEAPEST,
    CLASSES,
    DENSE,
    LEVEL_STATISTICS,
    OBJECT_STATISTICS,
    POSITIVES,
    REST,
    TABLES,
)
from ladcli.cache.records import (
    LOGIT_STEP,
    PIXEL_STEP,
    Rows,
    check_range,
    decode_boxes,
    decode_classes,
    decode_dense,
    decode_moments,
    decode_objects,
    decode_positives,
    decode_samples,
    encode_boxes,
    encode_classes,
    encode_dense,
    encode_moments,
    encode_objects,
    encode_positives,
    encode_samples,
)
from ladcli.objective.opinion import PredictedOpinion
from ladcli.cache.sparse_classes import stand_out
from ladcli.structures import BACKGROUND, IGNORE, ClassLogits, ClassProbs
from tests.objective.opinions import CANVAS, NUM_CLASSES, random_batch, random_opinion

GRID = anchor_grid(CANVAS)
A, LEVELS = GRID.num_anchors, len(GRID.level_sizes)


def stored(rows: list[Rows], table: str) -> list[Rows]:
    """Rows as they come out of a file: in the types that the format gives the columns."""
    columns = TABLES[table]
    assert all(set(row) == set(columns) for row in rows)
    return [{name: row[name].astype(columns[name][0]) for name in row} for row in rows]


def opinion_of(seed: int, **options: Any) -> PredictedOpinion:
    """Three images with 3, 0 and 5 boxes."""
    return random_opinion(seed + 100, random_batch(seed), **options)


def sampled(opinion: PredictedOpinion) -> Samples:
    num_gt = opinion.batch.targets.boxes.shape[1]
    arguments = (opinion.candidates, opinion.costs, opinion.grid, num_gt)
    return cheapest_samples(*arguments, topk=9)


def measured(opinion: PredictedOpinion) -> tuple[CostMoments, Tensor, Tensor]:
    """Moments, and Fisher scores by level and by object."""
    num_gt = opinion.batch.targets.boxes.shape[1]
    arguments = (opinion.candidates, opinion.costs, opinion.grid, num_gt)
    by_level, by_object = (fisher_scores(*arguments, scope) for scope in ("level", "object"))  # type: ignore[arg-type]
    return cost_moments(*arguments), by_level, by_object


def test_positives_come_back() -> None:
    gt_index = opinion_of(0).assignment().gt_index
    rows = encode_positives(gt_index)
    assert [len(row["anchor"]) for row in rows] == (gt_index >= 0).sum(dim=1).tolist()
    assert [len(row["anchor"]) > 0 for row in rows] == [True, False, True]
    found = decode_positives(stored(rows, POSITIVES), num_anchors=A, num_gt=5)
    assert torch.equal(found, torch.where(gt_index == IGNORE, BACKGROUND, gt_index))
    assert found.dtype is torch.int64


def test_the_last_anchor_and_box_come_back() -> None:
    gt_index = torch.full((1, A), IGNORE)
    gt_index[0, [0, A - 1]] = torch.tensor([0, 4])
    found = decode_positives(stored(encode_positives(gt_index), POSITIVES), num_anchors=A, num_gt=5)
    assert found[0, [0, 1, A - 1]].tolist() == [0, BACKGROUND, 4]


def test_samples_come_back() -> None:
    opinion = opinion_of(1)
    samples, costs = sampled(opinion), opinion.costs.values
    rows = encode_samples(samples)
    assert [len(row["cost"]) for row in rows] == samples.valid.sum(dim=(1, 2)).tolist()
    found = decode_samples(stored(rows, CHEAPEST), num_anchors=A)
    assert torch.equal(found.isfinite().sum(), samples.valid.sum())
    is_stored = found.isfinite()
    assert (is_stored & ~costs.isfinite()).sum() == 0
    assert torch.equal(found[is_stored], costs[is_stored])
    assert not is_stored[1].any()
    again = cheapest_samples(
        opinion.candidates, replace(opinion.costs, values=found), GRID, 5, topk=9
    )
    assert torch.equal(again.cost, samples.cost)


def test_moments_and_scores_come_back() -> None:
    opinion = opinion_of(2)
    moments, by_level, _ = measured(opinion)
    rows = encode_moments(moments, by_level, [3, 0, 5])
    assert [len(row["mean"]) for row in rows] == [3 * LEVELS, 0, 5 * LEVELS]
    found, fisher = decode_moments(stored(rows, LEVEL_STATISTICS), num_gt=5, levels=LEVELS)
    for name in ("count", "mean", "squared_deviation"):
        assert torch.equal(getattr(found, name), getattr(moments, name)), name
    valid = opinion.batch.targets.valid.unsqueeze(2)
    assert torch.equal(fisher, torch.where(valid, by_level, 0.0))
    assert fisher.dtype is found.mean.dtype is torch.float64


def test_scores_of_objects_come_back() -> None:
    opinion = opinion_of(3)
    _, _, by_object = measured(opinion)
    rows = encode_objects(by_object, [3, 0, 5])
    assert [len(row["fisher"]) for row in rows] == [3, 0, 5]
    found = decode_objects(stored(rows, OBJECT_STATISTICS), num_gt=5)
    valid = opinion.batch.targets.valid.unsqueeze(2)
    assert torch.equal(found, torch.where(valid, by_object, 0.0))
    assert (found > 0).any()


def test_a_batch_may_be_padded_wider_than_the_one_that_was_stored() -> None:
    """Batches meet in another company; ground truths of an image keep their order."""
    moments, by_level, by_object = measured(opinion_of(4))
    rows = stored(encode_moments(moments, by_level, [3, 0, 5]), LEVEL_STATISTICS)
    found, fisher = decode_moments(rows[:2], num_gt=9, levels=LEVELS)
    assert found.count.shape == fisher.shape == (2, 9, LEVELS)
    assert torch.equal(found.mean[0, :3], moments.mean[0, :3])
    assert not found.count[0, 3:].any()
    objects = stored(encode_objects(by_object, [3, 0, 5]), OBJECT_STATISTICS)
    assert torch.equal(decode_objects(objects[:1], num_gt=9)[0, :3], by_object[0, :3])
    narrow, _ = decode_moments(rows[:1], num_gt=3, levels=LEVELS)
    assert torch.equal(narrow.mean, moments.mean[:1, :3])


def test_classes_come_back_within_bounds() -> None:
    """What stands out to half a step of its logit; the rest as means that keep their sum."""
    prob = opinion_of(5).predictions.cls.prob()
    listed, rest = encode_classes(prob, GRID)
    found = decode_classes(stored(listed, CLASSES), stored(rest, REST), GRID, NUM_CLASSES)
    assert found.shape == prob.shape
    outstanding = stand_out(prob, GRID)
    assert outstanding.any()
    assert [len(row["prob"]) for row in listed] == outstanding.sum(dim=(1, 2)).tolist()
    error = (found.logit() - prob.logit())[outstanding].abs().amax()
    assert error <= 0.5 * LOGIT_STEP + 1e-4
    quiet = torch.where(outstanding, 0.0, prob), torch.where(outstanding, 0.0, found)
    expected, sums = (
        torch.stack([p.sum(dim=1) for p in values.split(GRID.level_lengths, dim=1)])
        for values in quiet
    )
    torch.testing.assert_close(sums, expected, rtol=1e-3, atol=1e-6)  # means in half precision


def test_classes_at_the_edges() -> None:
    prob = torch.zeros(1, A, NUM_CLASSES)
    prob[0, 0, 0], prob[0, A - 1, 2] = 1.0, 0.01
    prob[0, GRID.level_lengths[0] :, 1] = 1.0  # nothing is left of this class but in one level
    listed, rest = encode_classes(prob, GRID)
    found = decode_classes(stored(listed, CLASSES), stored(rest, REST), GRID, NUM_CLASSES)
    torch.testing.assert_close(found, prob, rtol=0, atol=2e-3)
    assert 0.998 < found[0, 0, 0] < 1  # the last step
    assert found.isfinite().all()


def test_boxes_and_ious_come_back_within_bounds() -> None:
    opinion = opinion_of(6)
    soft = opinion.soft_targets(select="pred", min_iou=0.3)
    rows = encode_boxes(soft)
    boxes, iou, is_stored = decode_boxes(stored(rows, BOXES), num_anchors=A)
    assert torch.equal(is_stored, soft.weight > 0)
    assert is_stored.any(dim=1).tolist() == [True, False, True]
    assert (boxes - soft.boxes)[is_stored].abs().amax() <= 0.5 * PIXEL_STEP
    assert soft.iou is not None
    assert (iou - soft.iou)[is_stored].abs().amax() <= 1 / 510 + 1e-7
    assert not boxes[~is_stored].any()
    assert not iou[~is_stored].any()


def test_boxes_at_the_edges_of_the_canvas() -> None:
    soft = opinion_of(7).soft_targets(select="pred", min_iou=0.3)
    height, width = CANVAS
    corners = torch.tensor([0.0, 0.0, width, height]).expand_as(soft.boxes)
    weight, iou = torch.ones_like(soft.weight), torch.ones_like(soft.weight)
    rows = encode_boxes(replace(soft, boxes=corners, weight=weight, iou=iou))
    boxes, found, _ = decode_boxes(stored(rows, BOXES), num_anchors=A)
    torch.testing.assert_close(boxes, corners, rtol=0, atol=0.5 * PIXEL_STEP)
    assert (found == 1).all()


def test_boxes_of_a_teacher_without_iou_branch() -> None:
    soft = opinion_of(8, iou_branch=False).soft_targets(select="pred", min_iou=0.3)
    rows = encode_boxes(soft)
    _, iou, is_stored = decode_boxes(stored(rows, BOXES), num_anchors=A)
    assert is_stored.any()
    assert not iou.any()


@pytest.mark.parametrize("probs", [True, False])
@pytest.mark.parametrize("iou_branch", [True, False])
def test_all_outputs_come_back_in_half_precision(*, probs: bool, iou_branch: bool) -> None:
    predictions = opinion_of(9, probs=probs, iou_branch=iou_branch).predictions
    rows = stored(encode_dense(predictions), DENSE)
    found = decode_dense(
        rows,
        num_anchors=A,
        class_output="probs" if probs else "logits",
        iou_branch=iou_branch,
    )
    assert type(found.cls) is (ClassProbs if probs else ClassLogits)
    assert torch.equal(found.cls.raw, predictions.cls.raw.half().float())
    assert torch.equal(found.box_deltas, predictions.box_deltas.half().float())
    if iou_branch:
        assert torch.equal(found.iou_logits, predictions.iou_logits.half().float())
    else:
        assert found.iou_logits is None


def test_images_in_which_there_is_nothing() -> None:
    opinion = random_opinion(0, random_batch(0, boxes_per_image=(0, 0)))
    moments, by_level, by_object = measured(opinion)
    soft = opinion.soft_targets(select="pred", min_iou=0.0)
    tables = {
        POSITIVES: encode_positives(opinion.assignment().gt_index),
        CHEAPEST: encode_samples(sampled(opinion)),
        LEVEL_STATISTICS: encode_moments(moments, by_level, [0, 0]),
        OBJECT_STATISTICS: encode_objects(by_object, [0, 0]),
        BOXES: encode_boxes(soft),
    }
    assert all(len(column) == 0 for rows in tables.values() for r in rows for column in r.values())
    found = {table: stored(rows, table) for table, rows in tables.items()}
    positives = decode_positives(found[POSITIVES], num_anchors=A, num_gt=0)
    assert (positives == BACKGROUND).all()
    assert decode_samples(found[CHEAPEST], num_anchors=A).isinf().all()
    pooled, fisher = decode_moments(found[LEVEL_STATISTICS], num_gt=0, levels=LEVELS)
    assert pooled.count.shape == fisher.shape == (2, 0, LEVELS)
    assert decode_objects(found[OBJECT_STATISTICS], num_gt=0).shape == (2, 0, 1)
    *_, is_stored = decode_boxes(found[BOXES], num_anchors=A)
    assert not is_stored.any()


def test_no_class_stands_out() -> None:
    prob = torch.full((1, A, NUM_CLASSES), 0.001)
    listed, rest = encode_classes(prob, GRID)
    assert [len(column) for column in listed[0].values()] == [0, 0, 0]
    found = decode_classes(stored(listed, CLASSES), stored(rest, REST), GRID, NUM_CLASSES)
    torch.testing.assert_close(found, prob, rtol=1e-3, atol=0)


def rows_of(**columns: list[Any]) -> list[Rows]:
    return [{name: np.array(values) for name, values in columns.items()}]


def refused(reason: str) -> Any:
    return pytest.raises(ValueError, match=reason)


def test_anchors_and_boxes_that_do_not_exist_are_refused() -> None:
    with refused(f"{A} is stored where {A - 1} is the most"):
        decode_positives(rows_of(anchor=[3, A], gt=[0, 0]), num_anchors=A, num_gt=1)
    with refused("1 is stored where 0 is the most"):
        decode_positives(rows_of(anchor=[3, 4], gt=[1, 0]), num_anchors=A, num_gt=1)
    with refused("0 is stored where -1 is the most"):
        decode_positives(rows_of(anchor=[3], gt=[0]), num_anchors=A, num_gt=0)
    with refused("4294967295 is stored"):
        decode_samples(rows_of(anchor=[2**32 - 1], cost=[1.0]), num_anchors=A)
    boxes = rows_of(anchor=[A], box=[[1, 2, 3, 4]], iou=[0])
    with refused(f"{A} is stored"):
        decode_boxes(boxes, num_anchors=A)


def test_more_ground_truths_than_there_are_are_refused() -> None:
    columns = ("candidates", "mean", "squared_deviation", "fisher")
    rows = [{name: np.zeros(3 * LEVELS) for name in columns}]
    with refused("3 is stored where 2 is the most"):
        decode_moments(rows, num_gt=2, levels=LEVELS)
    with refused("3 is stored where 2 is the most"):
        decode_objects(rows_of(fisher=[1.0, 2.0, 3.0]), num_gt=2)


def test_levels_that_do_not_come_out_even_are_refused() -> None:
    columns = ("candidates", "mean", "squared_deviation", "fisher")
    with refused("reshape"):
        decode_moments([{name: np.zeros(7) for name in columns}], num_gt=2, levels=LEVELS)


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ({"anchor": [A], "label": [0], "prob": [1]}, f"{A} is stored"),
        ({"anchor": [0], "label": [NUM_CLASSES], "prob": [1]}, "3 is stored where 2 is the most"),
    ],
)
def test_classes_that_do_not_exist_are_refused(listed: dict[str, list[int]], reason: str) -> None:
    rest = [{"prob": np.zeros((LEVELS, NUM_CLASSES), dtype=np.float16)}]
    with refused(reason):
        decode_classes(rows_of(**listed), rest, GRID, NUM_CLASSES)


@pytest.mark.parametrize("shape", [(LEVELS - 1, NUM_CLASSES), (LEVELS, NUM_CLASSES + 1)], ids=str)
def test_classes_of_another_shape_are_refused(shape: tuple[int, int]) -> None:
    rest = [{"prob": np.zeros(shape, dtype=np.float16)}]
    with refused("another shape"):
        decode_classes(rows_of(anchor=[], label=[], prob=[]), rest, GRID, NUM_CLASSES)


def test_outputs_of_another_number_of_anchors_are_refused() -> None:
    rows = stored(encode_dense(opinion_of(10).predictions), DENSE)
    with refused(f"{A} anchors are stored where 7 are due"):
        decode_dense(rows, num_anchors=7, class_output="logits", iou_branch=True)


def test_range_check() -> None:
    check_range(np.array([0, 4]), 5)
    check_range(np.array([]), 0)
    with refused("5 is stored where 4 is the most"):
        check_range(np.array([0, 5]), 5)
