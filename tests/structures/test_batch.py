"""Targets are padded, and batches know their size."""

from __future__ import annotations

import pytest
import torch

from ladcli.structures import Batch, Targets


def targets_of_three_images() -> Targets:
    """Two boxes, none, one; the second image has a crowd region."""
    return Targets.from_lists(
        [
            torch.tensor([[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]),
            torch.zeros(0, 4),
            torch.tensor([[8.0, 9.0, 10.0, 11.0]]),
        ],
        [torch.tensor([5, 3]), torch.zeros(0, dtype=torch.int64), torch.tensor([1])],
        [torch.zeros(0, 4), torch.tensor([[1.0, 1.0, 9.0, 9.0]]), torch.zeros(0, 4)],
    )


def test_lists_are_padded_to_the_longest() -> None:
    targets = targets_of_three_images()
    assert targets.boxes.shape == (3, 2, 4)
    assert targets.valid.tolist() == [[True, True], [False, False], [True, False]]
    assert targets.labels.tolist() == [[5, 3], [0, 0], [1, 0]]
    assert targets.boxes[0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert targets.boxes[2].tolist() == [[8, 9, 10, 11], [0, 0, 0, 0]]
    assert targets.crowd.tolist() == [[[0] * 4], [[1, 1, 9, 9]], [[0] * 4]]


def test_dtypes_are_those_the_losses_expect() -> None:
    targets = targets_of_three_images()
    dtypes = [t.dtype for t in (targets.boxes, targets.labels, targets.valid, targets.crowd)]
    assert dtypes == [torch.float32, torch.int64, torch.bool, torch.float32]


def test_images_without_any_box_give_a_zero_axis() -> None:
    targets = Targets.from_lists([torch.zeros(0, 4)] * 2, [torch.zeros(0, dtype=torch.int64)] * 2)
    assert targets.boxes.shape == (2, 0, 4)
    assert targets.labels.shape == (2, 0)
    assert targets.crowd.shape == (2, 0, 4)


def test_lists_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError):
        Targets.from_lists([torch.zeros(0, 4)], [])


def test_disagreeing_shapes_are_named() -> None:
    good = targets_of_three_images()
    with pytest.raises(ValueError, match=r"boxes \[3, 1, 4\], labels \[3, 2\]"):
        Targets(good.boxes[:, :1], good.labels, good.valid, good.crowd)
    with pytest.raises(ValueError, match=r"crowd must be \[B=3, R, 4\], got \[2, 1, 4\]"):
        Targets(good.boxes, good.labels, good.valid, good.crowd[:2])


def test_moving_targets_moves_every_tensor() -> None:
    moved = targets_of_three_images().to("meta")
    tensors = (moved.boxes, moved.labels, moved.valid, moved.crowd)
    assert all(t.device.type == "meta" for t in tensors)


def batch_of_three() -> Batch:
    return Batch(
        images=torch.zeros(3, 3, 32, 64),
        targets=targets_of_three_images(),
        content_hw=torch.tensor([[30, 60]] * 3),
        valid_hw=torch.tensor([[32, 64]] * 3),
        scale_wh=torch.ones(3, 2, dtype=torch.float64),
        image_rows=(4, 7, 1),
        view_ids=(0, 0, 2),
    )


def test_a_batch_knows_its_length_and_canvas() -> None:
    batch = batch_of_three()
    assert len(batch) == 3
    assert batch.canvas_hw == (32, 64)


def test_moving_a_batch_moves_every_tensor_and_keeps_the_rest() -> None:
    moved = batch_of_three().to("meta")
    tensors = (moved.images, moved.targets.boxes, moved.content_hw, moved.valid_hw, moved.scale_wh)
    assert all(t.device.type == "meta" for t in tensors)
    assert moved.image_rows == (4, 7, 1)
    assert moved.view_ids == (0, 0, 2)
