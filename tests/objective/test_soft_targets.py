"""Which of a teacher's outputs become targets, and with what weight."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmarks.box_coding import encode_boxes
from ladcli.detector.anchors import anchor_grid, predicted_boxes
from ladcli.objective.soft_targets import Select, SoftTargets, selection_weight, soft_targets
from ladcli.structures import Batch, Predictions, Targets
from tests.objective.opinions import random_batch, random_predictions, scene_of

SELECTIONS: tuple[Select, ...] = ("pred", "anchor")


def targets_of(
    predictions: Predictions, batch: Batch, select: Select = "pred", min_iou: float = 0.5
) -> SoftTargets:
    scene = scene_of(batch)
    boxes = predicted_boxes(predictions, scene)
    return soft_targets(predictions, boxes, batch.content_hw, scene, select=select, min_iou=min_iou)


def plain_iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    overlap = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return overlap / (sum(areas) - overlap)


def slow_weight(boxes: Tensor, batch: Batch, min_iou: float) -> Tensor:
    """The weight of every anchor, image by image and box by box, [B, A]."""
    valid = anchor_grid(batch.canvas_hw).valid(batch.valid_hw)
    weight = torch.zeros(boxes.shape[:2])
    for image, per_anchor in enumerate(boxes.tolist()):
        present = batch.targets.valid[image]
        truths = batch.targets.boxes[image][present].tolist()
        for anchor, box in enumerate(per_anchor):
            best = max((plain_iou(box, truth) for truth in truths), default=0.0)
            if valid[image, anchor] and best > min_iou:
                weight[image, anchor] = best
    return weight


@pytest.mark.parametrize("select", SELECTIONS)
@pytest.mark.parametrize("min_iou", [0.0, 0.3, 0.5])
def test_weights_equal_a_slow_loop(select: Select, min_iou: float) -> None:
    batch = random_batch(0)
    found = targets_of(random_predictions(1, batch), batch, select, min_iou)
    anchors = anchor_grid(batch.canvas_hw).anchors
    judged = found.boxes if select == "pred" else anchors.expand(len(batch), -1, -1)
    expected = slow_weight(judged, batch, min_iou)
    assert (expected > 0).any(dim=1).tolist() == [True, False, True]
    torch.testing.assert_close(found.weight, expected, rtol=1e-4, atol=1e-6)
    assert torch.equal(found.weight > 0, expected > 0)


@pytest.mark.parametrize("select", SELECTIONS)
def test_invalid_anchors_are_never_selected(select: Select) -> None:
    """Even where the teacher's box is the ground truth itself."""
    batch = random_batch(2, boxes_per_image=(1, 1))
    grid = anchor_grid(batch.canvas_hw)
    valid = grid.valid(batch.valid_hw)
    assert not valid.all()
    inside = replace(batch.targets, boxes=torch.tensor([[[10.0, 10.0, 60.0, 60.0]]] * 2))
    batch = replace(batch, targets=inside)
    deltas = torch.stack([encode_boxes(grid.anchors, box[0]) for box in inside.boxes])
    predictions = replace(random_predictions(3, batch), box_deltas=deltas)
    weight = targets_of(predictions, batch, select, 0.0).weight
    assert (weight > 0).any()
    assert (weight[~valid] == 0).all()


def test_outputs_are_targets_of_all_anchors_padding_included() -> None:
    batch = random_batch(4)
    predictions = random_predictions(5, batch)
    found = targets_of(predictions, batch)
    torch.testing.assert_close(found.prob, predictions.cls.raw.sigmoid())
    assert found.iou is not None
    torch.testing.assert_close(found.iou, predictions.iou_logits.sigmoid())
    padding = ~anchor_grid(batch.canvas_hw).valid(batch.valid_hw)
    assert (found.prob[padding] > 0).all()


def test_boxes_are_clipped_to_the_image() -> None:
    batch = random_batch(6)
    boxes = targets_of(random_predictions(7, batch), batch).boxes
    assert boxes.amin() == 0
    assert boxes[..., [0, 2]].amax() == batch.content_hw[0, 1] == 70
    assert boxes[..., [1, 3]].amax() == batch.content_hw[0, 0] == 90


def test_the_weight_is_that_of_the_clipped_box() -> None:
    """A box that reaches out of the image by its own size is a full match once it is clipped."""
    batch = random_batch(8, boxes_per_image=(1,))
    truth = torch.tensor([[[50.0, 40.0, 70.0, 60.0]]])
    batch = replace(batch, targets=replace(batch.targets, boxes=truth))
    grid = anchor_grid(batch.canvas_hw)
    deltas = encode_boxes(grid.anchors, torch.tensor([50.0, 40.0, 90.0, 60.0])).unsqueeze(0)
    predictions = replace(random_predictions(9, batch), box_deltas=deltas)
    weight = targets_of(predictions, batch).weight
    valid = grid.valid(batch.valid_hw)
    near = valid & (grid.stride == 8)  # far larger anchors cannot shrink that much
    torch.testing.assert_close(weight[near], torch.ones(int(near.sum())), rtol=1e-4, atol=1e-4)


def test_the_smallest_iou_is_itself_not_enough() -> None:
    """Halves and quarters, whose IoU is exact."""
    truths = Targets.from_lists([torch.tensor([[0.0, 0.0, 8.0, 8.0]])], [torch.tensor([0])])
    boxes = torch.tensor([[[0.0, 0.0, 8.0, 4.0], [0.0, 0.0, 8.0, 4.25], [0.0, 0.0, 4.0, 4.0]]])
    assert selection_weight(boxes, truths, min_iou=0.5).tolist() == [[0, 0.53125, 0]]
    assert selection_weight(boxes, truths, min_iou=0.25).tolist() == [[0.5, 0.53125, 0]]
    assert selection_weight(boxes, truths, min_iou=0.2).tolist() == [[0.5, 0.53125, 0.25]]


def test_the_best_of_several_ground_truths_counts_and_padding_does_not() -> None:
    box = torch.tensor([0.0, 0.0, 8.0, 8.0])
    truths = Targets(
        torch.stack([box / 2, box * 0.75, box]).unsqueeze(0),
        torch.zeros(1, 3, dtype=torch.int64),
        torch.tensor([[True, True, False]]),
        torch.zeros(1, 0, 4),
    )
    found = selection_weight(box.view(1, 1, 4), truths, min_iou=0.3)
    assert found.tolist() == [[0.5625]]


@pytest.mark.parametrize("select", SELECTIONS)
@pytest.mark.parametrize("boxes_per_image", [(0, 0, 0), (0, 2, 0)], ids=str)
def test_images_without_ground_truth_select_nothing(
    boxes_per_image: tuple[int, ...], select: Select
) -> None:
    batch = random_batch(10, boxes_per_image=boxes_per_image)
    weight = targets_of(random_predictions(11, batch), batch, select, 0.0).weight
    assert weight.shape == (3, anchor_grid(batch.canvas_hw).num_anchors)
    assert (weight[[0, 2]] == 0).all()
    assert bool(weight.any()) == (sum(boxes_per_image) > 0)


def test_a_teacher_without_iou_branch_has_no_such_target() -> None:
    batch = random_batch(12)
    found = targets_of(random_predictions(13, batch, iou_branch=False), batch)
    assert found.iou is None
    assert torch.equal(found.weight, targets_of(random_predictions(13, batch), batch).weight)


def test_class_probabilities_are_taken_as_they_are() -> None:
    batch = random_batch(14)
    predictions = random_predictions(15, batch, probs=True)
    assert torch.equal(targets_of(predictions, batch).prob, predictions.cls.raw)


def test_targets_take_no_gradient_and_leave_half_precision() -> None:
    batch = random_batch(16)
    predictions = random_predictions(17, batch).map(lambda t: t.bfloat16().requires_grad_())
    found = targets_of(predictions, batch)
    assert found.iou is not None
    for values in (found.prob, found.boxes, found.iou, found.weight):
        assert values.dtype is torch.float32
        assert not values.requires_grad
