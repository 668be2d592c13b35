"""What is encoded comes back, as exactly as each table promises, and nonsense is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ladcli.assign import CostMoments, Samples, cheapest_samples, cost_moments, fisher_scores
from ladcli.cache.batch_rows import end_to_end
from ladcli.cache.format import (
    BOXES,
    CHEAPEST,
    CLASSES,
    DENSE,
    LEVEL_STATISTICS,
    OBJECT_STATISTICS,
    POSITIVES,
    REST,
    Damage,
    columns_of,
)
from ladcli.cache.records import (
    LOGIT_STEP,
    PIXEL_STEP,
    Rows,
    check_boxes,
    check_classes,
    check_count,
    check_dense,
    check_positives,
    check_range,
    check_rest,
    check_samples,
    decode_classes,
    decode_dense,
    decode_moments,
    decode_objects,
    decode_positives,
    decode_samples,
    decode_soft_boxes,
    encode_classes,
    encode_dense,
    encode_moments,
    encode_objects,
    encode_positives,
    encode_samples,
    encode_soft_boxes,
    probabilities,
)
from ladcli.cache.sparse_classes import stand_out
from ladcli.detector.anchors import anchor_grid
from ladcli.objective.opinion import PredictedOpinion
from ladcli.structures import (
    BACKGROUND,
    IGNORE,
    Assignment,
    ClassLogits,
    ClassProbs,
    Costs,
    Scene,
    SharedCandidates,
    Targets,
)
from ladcli.structures.stored import Columns
from tests.objective.opinions import CANVAS, NUM_CLASSES, random_batch, random_opinion

GRID = anchor_grid(CANVAS)
PRIORS = GRID.priors
A, LEVELS = PRIORS.num_priors, PRIORS.num_levels


def stored(rows: list[Rows], table: str, **options: Any) -> Columns:
    """Rows as they come with a batch: through the types that the format gives the columns."""
    columns = columns_of(table, **options)
    assert all(set(row) == set(columns) for row in rows)
    found = [{name: row[name].astype(columns[name][0]) for name in row} for row in rows]
    if table == CLASSES:
        found = [{**row, "prob": probabilities(row["prob"])} for row in found]
    return end_to_end(found)


def scene_of(num_images: int, num_gt: int) -> Scene:
    """Images with as many ground truths each, all of whose priors are valid."""
    size = (num_images, num_gt)
    targets = Targets(
        torch.zeros(*size, 4),
        torch.zeros(size, dtype=torch.int64),
        torch.ones(size, dtype=torch.bool),
        torch.zeros(num_images, 0, 4),
    )
    return Scene(targets, PRIORS, torch.ones(num_images, A, dtype=torch.bool))


def opinion_of(seed: int, **options: Any) -> PredictedOpinion:
    """Three images with 3, 0 and 5 boxes."""
    return random_opinion(seed + 100, random_batch(seed), **options)


def sampled(opinion: PredictedOpinion) -> Samples:
    return cheapest_samples(opinion.candidates, opinion.costs, opinion.scene, topk=9)


def measured(opinion: PredictedOpinion) -> tuple[CostMoments, Tensor, Tensor]:
    """Moments, and Fisher scores by level and by object."""
    arguments = (opinion.candidates, opinion.costs, opinion.scene)
    by_level, by_object = (fisher_scores(*arguments, scope) for scope in ("level", "object"))  # type: ignore[arg-type]
    return cost_moments(*arguments), by_level, by_object


def test_positives_come_back() -> None:
    opinion = opinion_of(0)
    gt_index = opinion.assignment().gt_index
    rows = encode_positives(opinion.assignment())
    assert [len(row["anchor"]) for row in rows] == (gt_index >= 0).sum(dim=1).tolist()
    assert [len(row["anchor"]) > 0 for row in rows] == [True, False, True]
    found = decode_positives(stored(rows, POSITIVES), opinion.scene)
    assert torch.equal(found.gt_index, torch.where(gt_index == IGNORE, BACKGROUND, gt_index))
    assert found.gt_index.dtype is torch.int64
    assert found.quality is None


def test_the_last_anchor_and_box_come_back() -> None:
    gt_index = torch.full((1, A), IGNORE)
    gt_index[0, [0, A - 1]] = torch.tensor([0, 4])
    rows = encode_positives(Assignment(gt_index))
    found = decode_positives(stored(rows, POSITIVES), scene_of(1, 5)).gt_index
    assert found[0, [0, 1, A - 1]].tolist() == [0, BACKGROUND, 4]


def test_the_quality_of_positives_comes_back() -> None:
    """To the bit, beside an image without any; elsewhere it is nothing."""
    gt_index = torch.full((3, A), BACKGROUND)
    gt_index[0, [2, 7]], gt_index[2, A - 1] = torch.tensor([1, 0]), 4
    quality = torch.rand(3, A, generator=torch.Generator().manual_seed(0))
    rows = encode_positives(Assignment(gt_index, quality))
    assert [len(row["quality"]) for row in rows] == [2, 0, 1]
    found = decode_positives(stored(rows, POSITIVES, quality=True), scene_of(3, 5))
    assert torch.equal(found.gt_index, gt_index)
    assert found.quality is not None
    assert torch.equal(found.quality, torch.where(gt_index >= 0, quality, 0.0))


def test_samples_come_back() -> None:
    opinion = opinion_of(1)
    samples, costs = sampled(opinion), opinion.costs.values
    rows = encode_samples(samples)
    assert [len(row["cost"]) for row in rows] == samples.valid.sum(dim=(1, 2)).tolist()
    found = decode_samples(stored(rows, CHEAPEST), opinion.candidates, opinion.scene).values
    assert torch.equal(found.isfinite().sum(), samples.valid.sum())
    is_stored = found.isfinite()
    assert (is_stored & ~costs.isfinite()).sum() == 0
    assert torch.equal(found[is_stored], costs[is_stored])
    assert not is_stored[1].any()
    costs_again = replace(opinion.costs, values=found)
    again = cheapest_samples(opinion.candidates, costs_again, opinion.scene, topk=9)
    assert torch.equal(again.cost, samples.cost)


def shared(num_gt: int, seed: int, *, indexed: bool) -> SharedCandidates:
    """Candidates of two images that want the same priors now and then; the last gt has none."""
    draw = torch.Generator().manual_seed(seed)
    mask = torch.rand(2, num_gt, A, generator=draw) < 0.2
    mask[:, -1] = False
    if not indexed:
        return SharedCandidates(mask)
    most = int(mask.sum(dim=2).amax()) + 3
    chosen = mask.float().topk(most, dim=2)
    return SharedCandidates(chosen.values > 0, chosen.indices)


@pytest.mark.parametrize("indexed", [True, False])
def test_samples_come_back_where_boxes_share_priors(*, indexed: bool) -> None:
    """Every ground truth has prices of its own for a prior."""
    scene, candidates = scene_of(2, 4), shared(4, 5, indexed=indexed)
    draw = torch.Generator().manual_seed(6)
    values = torch.rand(candidates.mask.shape, generator=draw)
    costs = Costs(values.masked_fill(~candidates.mask, torch.inf))
    samples = cheapest_samples(candidates, costs, scene, topk=3)
    taken = [samples.prior[0, gt][samples.valid[0, gt]].tolist() for gt in range(3)]
    assert set(taken[0]) & set(taken[1]) | set(taken[1]) & set(taken[2])
    rows = encode_samples(samples)
    assert [set(row["gt"].tolist()) for row in rows] == [{0, 1, 2}, {0, 1, 2}]
    found = decode_samples(stored(rows, CHEAPEST), candidates, scene)
    assert found.values.shape == candidates.mask.shape
    is_stored = found.values.isfinite()
    assert is_stored.sum() == samples.valid.sum() < candidates.mask.sum()
    assert torch.equal(found.values[is_stored], costs.values[is_stored])
    again = cheapest_samples(candidates, found, scene, topk=3)
    assert torch.equal(again.cost, samples.cost)
    assert torch.equal(again.prior[again.valid], samples.prior[samples.valid])


@pytest.mark.parametrize("indexed", [True, False])
def test_samples_without_an_owner_do_for_owned_candidates_alone(*, indexed: bool) -> None:
    """As caches of version 1 have them."""
    opinion = opinion_of(1)
    rows = [
        {name: row[name] for name in ("anchor", "cost")} for row in encode_samples(sampled(opinion))
    ]
    columns = stored(rows, CHEAPEST, version=1)
    found = decode_samples(columns, opinion.candidates, opinion.scene).values
    assert torch.equal(found.isfinite().sum(), sampled(opinion).valid.sum())
    with refused("do not say which ground truth they belong to"):
        decode_samples(columns, shared(5, 7, indexed=indexed), opinion.scene)


def test_moments_and_scores_come_back() -> None:
    opinion = opinion_of(2)
    moments, by_level, _ = measured(opinion)
    rows = encode_moments(moments, by_level, [3, 0, 5])
    assert [len(row["mean"]) for row in rows] == [3 * LEVELS, 0, 5 * LEVELS]
    found, fisher = decode_moments(stored(rows, LEVEL_STATISTICS), opinion.scene)
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
    found = decode_objects(stored(rows, OBJECT_STATISTICS), opinion.scene)
    valid = opinion.batch.targets.valid.unsqueeze(2)
    assert torch.equal(found, torch.where(valid, by_object, 0.0))
    assert (found > 0).any()


def test_a_batch_may_be_padded_wider_than_the_one_that_was_stored() -> None:
    """Batches meet in another company; ground truths of an image keep their order."""
    moments, by_level, by_object = measured(opinion_of(4))
    rows = encode_moments(moments, by_level, [3, 0, 5])
    two, one = (stored(rows[:number], LEVEL_STATISTICS) for number in (2, 1))
    found, fisher = decode_moments(two, scene_of(2, 9))
    assert found.count.shape == fisher.shape == (2, 9, LEVELS)
    assert torch.equal(found.mean[0, :3], moments.mean[0, :3])
    assert not found.count[0, 3:].any()
    objects = stored(encode_objects(by_object, [3, 0, 5])[:1], OBJECT_STATISTICS)
    assert torch.equal(decode_objects(objects, scene_of(1, 9))[0, :3], by_object[0, :3])
    narrow, _ = decode_moments(one, scene_of(1, 3))
    assert torch.equal(narrow.mean, moments.mean[:1, :3])


def test_classes_come_back_within_bounds() -> None:
    """What stands out to half a step of its logit; the rest as means that keep their sum."""
    prob = opinion_of(5).predictions.cls.prob()
    listed, rest = encode_classes(prob, PRIORS)
    scene = scene_of(len(prob), 5)
    found = decode_classes(stored(listed, CLASSES), stored(rest, REST), scene)
    assert found.shape == prob.shape
    outstanding = stand_out(prob, PRIORS)
    assert outstanding.any()
    assert [len(row["prob"]) for row in listed] == outstanding.sum(dim=(1, 2)).tolist()
    error = (found.logit() - prob.logit())[outstanding].abs().amax()
    assert error <= 0.5 * LOGIT_STEP + 1e-4
    quiet = torch.where(outstanding, 0.0, prob), torch.where(outstanding, 0.0, found)
    expected, sums = (
        torch.stack([p.sum(dim=1) for p in values.split(PRIORS.level_lengths, dim=1)])
        for values in quiet
    )
    torch.testing.assert_close(sums, expected, rtol=1e-3, atol=1e-6)  # means in half precision


def test_classes_at_the_edges() -> None:
    prob = torch.zeros(1, A, NUM_CLASSES)
    prob[0, 0, 0], prob[0, A - 1, 2] = 1.0, 0.01
    prob[0, PRIORS.level_lengths[0] :, 1] = 1.0  # nothing is left of this class but in one level
    listed, rest = encode_classes(prob, PRIORS)
    scene = scene_of(len(prob), 5)
    found = decode_classes(stored(listed, CLASSES), stored(rest, REST), scene)
    torch.testing.assert_close(found, prob, rtol=0, atol=2e-3)
    assert 0.998 < found[0, 0, 0] < 1  # the last step
    assert found.isfinite().all()


def test_boxes_and_ious_come_back_within_bounds() -> None:
    opinion = opinion_of(6)
    soft = opinion.soft_targets(select="pred", min_iou=0.3)
    rows = encode_soft_boxes(soft)
    boxes, iou, is_stored = decode_soft_boxes(stored(rows, BOXES), scene_of(3, 5))
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
    rows = encode_soft_boxes(replace(soft, boxes=corners, weight=weight, iou=iou))
    boxes, found, _ = decode_soft_boxes(stored(rows, BOXES), scene_of(3, 5))
    torch.testing.assert_close(boxes, corners, rtol=0, atol=0.5 * PIXEL_STEP)
    assert (found == 1).all()


def test_boxes_of_a_teacher_without_iou_branch() -> None:
    soft = opinion_of(8, iou_branch=False).soft_targets(select="pred", min_iou=0.3)
    rows = encode_soft_boxes(soft)
    _, iou, is_stored = decode_soft_boxes(stored(rows, BOXES), scene_of(3, 5))
    assert is_stored.any()
    assert not iou.any()


@pytest.mark.parametrize("probs", [True, False])
@pytest.mark.parametrize("iou_branch", [True, False])
def test_all_outputs_come_back_in_half_precision(*, probs: bool, iou_branch: bool) -> None:
    opinion = opinion_of(9, probs=probs, iou_branch=iou_branch)
    predictions = opinion.predictions
    rows = stored(encode_dense(predictions), DENSE)
    found = decode_dense(
        rows,
        opinion.scene,
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
        POSITIVES: encode_positives(opinion.assignment()),
        CHEAPEST: encode_samples(sampled(opinion)),
        LEVEL_STATISTICS: encode_moments(moments, by_level, [0, 0]),
        OBJECT_STATISTICS: encode_objects(by_object, [0, 0]),
        BOXES: encode_soft_boxes(soft),
    }
    assert all(len(column) == 0 for rows in tables.values() for r in rows for column in r.values())
    found = {table: stored(rows, table) for table, rows in tables.items()}
    scene = opinion.scene
    positives = decode_positives(found[POSITIVES], scene)
    assert (positives.gt_index == BACKGROUND).all()
    assert decode_samples(found[CHEAPEST], opinion.candidates, scene).values.isinf().all()
    pooled, fisher = decode_moments(found[LEVEL_STATISTICS], scene)
    assert pooled.count.shape == fisher.shape == (2, 0, LEVELS)
    assert decode_objects(found[OBJECT_STATISTICS], scene).shape == (2, 0, 1)
    *_, is_stored = decode_soft_boxes(found[BOXES], scene)
    assert not is_stored.any()


def test_no_class_stands_out() -> None:
    prob = torch.full((1, A, NUM_CLASSES), 0.001)
    listed, rest = encode_classes(prob, PRIORS)
    assert [len(column) for column in listed[0].values()] == [0, 0, 0]
    found = decode_classes(stored(listed, CLASSES), stored(rest, REST), scene_of(1, 5))
    torch.testing.assert_close(found, prob, rtol=1e-3, atol=0)


def rows_of(**columns: list[Any]) -> Rows:
    return {name: np.array(values) for name, values in columns.items()}


def refused(reason: str) -> Any:
    return pytest.raises(Damage, match=reason)


def test_anchors_and_boxes_that_do_not_exist_are_refused() -> None:
    with refused(f"{A} is stored where {A - 1} is the most"):
        check_positives(rows_of(anchor=[3, A], gt=[0, 0]), num_priors=A, num_gt=1)
    with refused("1 is stored where 0 is the most"):
        check_positives(rows_of(anchor=[3, 4], gt=[1, 0]), num_priors=A, num_gt=1)
    with refused("0 is stored where -1 is the most"):
        check_positives(rows_of(anchor=[3], gt=[0]), num_priors=A, num_gt=0)
    with refused("4294967295 is stored"):
        check_samples(rows_of(anchor=[2**32 - 1], cost=[1.0]), num_priors=A, num_gt=1)
    with refused("1 is stored where 0 is the most"):
        check_samples(rows_of(anchor=[3], gt=[1], cost=[1.0]), num_priors=A, num_gt=1)
    boxes = rows_of(anchor=[A], box=[[1, 2, 3, 4]], iou=[0])
    with refused(f"{A} is stored"):
        check_boxes(boxes, num_priors=A)


def test_more_ground_truths_than_there_are_are_refused() -> None:
    columns = ("candidates", "mean", "squared_deviation", "fisher")
    check_count({name: np.zeros(2 * LEVELS) for name in columns}, 2, of=LEVELS)
    with refused(f"{3 * LEVELS} rows are stored where {2 * LEVELS} are the most"):
        check_count({name: np.zeros(3 * LEVELS) for name in columns}, 2, of=LEVELS)
    with refused("3 rows are stored where 2 are the most"):
        check_count(rows_of(fisher=[1.0, 2.0, 3.0]), 2)


def test_levels_that_do_not_come_out_even_are_refused() -> None:
    columns = ("candidates", "mean", "squared_deviation", "fisher")
    with refused(f"7 rows are stored, which are no whole groups of {LEVELS}"):
        check_count({name: np.zeros(7) for name in columns}, 2, of=LEVELS)


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ({"anchor": [A], "label": [0], "prob": [1]}, f"{A} is stored"),
        ({"anchor": [0], "label": [NUM_CLASSES], "prob": [1]}, "3 is stored where 2 is the most"),
    ],
)
def test_classes_that_do_not_exist_are_refused(listed: dict[str, list[int]], reason: str) -> None:
    with refused(reason):
        check_classes(rows_of(**listed), num_priors=A, num_classes=NUM_CLASSES)


@pytest.mark.parametrize("shape", [(LEVELS - 1, NUM_CLASSES), (LEVELS, NUM_CLASSES + 1)], ids=str)
def test_classes_of_another_shape_are_refused(shape: tuple[int, int]) -> None:
    rest = {"prob": np.zeros(shape, dtype=np.float16)}
    with refused("another shape"):
        check_rest(rest, num_levels=LEVELS, num_classes=NUM_CLASSES)


def test_outputs_of_another_number_of_anchors_are_refused() -> None:
    rows = encode_dense(opinion_of(10).predictions)
    check_dense(rows[0], num_priors=A)
    with refused(f"{A} anchors are stored where 7 are due"):
        check_dense(rows[0], num_priors=7)


def test_range_check() -> None:
    check_range(np.array([0, 4]), 5)
    check_range(np.array([]), 0)
    with refused("5 is stored where 4 is the most"):
        check_range(np.array([0, 5]), 5)
