"""Anchors, the delta coding and overlaps against the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.box_coding import encode_boxes
from ladcli.detector.anchors import anchor_grid
from ladcli.structures.boxes import (
    DELTA_STDS,
    MAX_LOG_RATIO,
    decode_boxes,
    matrix_iou,
    pair_giou,
    pair_iou,
)
from tests.golden.scene import GRADIENT_TOLERANCE, LOSS_TOLERANCE, for_each, load

FILES = "anchors_coder*.npz"


def tensor(array: NDArray) -> Tensor:
    return torch.from_numpy(array)


@for_each(FILES)
def test_anchors(path: Path) -> None:
    arrays = load(path)
    for height, width in arrays["image_sizes"].tolist():
        grid = anchor_grid((height, width))
        expected_sizes = arrays[f"featsizes_{height}x{width}"].tolist()
        assert [list(size) for size in grid.level_sizes] == expected_sizes
        np.testing.assert_array_equal(grid.anchors.numpy(), arrays[f"anchors_{height}x{width}"])


@for_each(FILES)
def test_encoding(path: Path) -> None:
    arrays = load(path)
    deltas = encode_boxes(tensor(arrays["enc_anchors"]), tensor(arrays["enc_gt"]))
    np.testing.assert_allclose(deltas.numpy(), arrays["enc_deltas"], **LOSS_TOLERANCE)


@for_each(FILES)
@pytest.mark.parametrize("clip", [False, True], ids=["free", "clipped"])
def test_decoding_and_its_gradient(path: Path, clip: bool) -> None:
    arrays = load(path)
    suffix = "clip" if clip else "noclip"
    deltas = tensor(arrays["dec_deltas"]).requires_grad_()
    limit = tensor(arrays["dec_clip_hw"]) if clip else None

    boxes = decode_boxes(tensor(arrays["dec_anchors"]), deltas, limit)
    (gradient,) = torch.autograd.grad(boxes, deltas, tensor(arrays["dec_grad_out"]))

    expected_boxes = arrays[f"dec_boxes_{suffix}"]
    np.testing.assert_allclose(boxes.detach().numpy(), expected_boxes, **LOSS_TOLERANCE)
    keep = ~sizes_on_the_limit(arrays["dec_deltas"])
    expected = arrays[f"dec_grad_deltas_{suffix}"]
    np.testing.assert_allclose(gradient.numpy()[keep], expected[keep], **GRADIENT_TOLERANCE)


def sizes_on_the_limit(deltas: NDArray) -> NDArray:
    """Rows whose size delta is exactly the clamp's limit, where either gradient is right."""
    limit = MAX_LOG_RATIO / DELTA_STDS[2]
    return np.isclose(np.abs(deltas[:, 2:]), limit, rtol=1e-6, atol=0).any(axis=1)


@for_each(FILES)
def test_overlaps_of_pairs(path: Path) -> None:
    arrays = load(path)
    a, b = tensor(arrays["pair_a"]), tensor(arrays["pair_b"])
    np.testing.assert_allclose(pair_iou(a, b).numpy(), arrays["pair_iou"], **LOSS_TOLERANCE)
    expected = arrays["pair_giou_eps1e6"]
    np.testing.assert_allclose(pair_giou(a, b).numpy(), expected, **LOSS_TOLERANCE)


@for_each(FILES)
def test_overlaps_of_all_with_all(path: Path) -> None:
    arrays = load(path)
    expected = arrays["matrix_iou"]
    rows, cols = expected.shape
    found = matrix_iou(tensor(arrays["pair_a"][:rows]), tensor(arrays["pair_b"][:cols]))
    np.testing.assert_allclose(found.numpy(), expected, **LOSS_TOLERANCE)
