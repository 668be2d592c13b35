"""The best anchor of a box, against all anchors one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ladcli.detector.levels import DEFAULT_LAYOUT, AnchorLayout
from ladcli.detector.reach import best_anchor
from ladcli.structures.boxes import matrix_iou


def one_by_one(
    boxes: np.ndarray, valid_hw: tuple[int, int], canvas: tuple[int, int], layout: AnchorLayout
) -> tuple[np.ndarray, np.ndarray]:
    grid = layout.grid(canvas)
    valid = grid.valid(torch.tensor([valid_hw]))[0]
    iou = matrix_iou(torch.from_numpy(boxes), grid.anchors[valid].double())
    best, anchor = iou.max(dim=1)
    return best.numpy(), grid.level[valid][anchor].numpy()


@pytest.mark.parametrize(
    ("valid_hw", "canvas"),
    [((320, 448), (320, 448)), ((96, 448), (320, 448)), ((800, 64), (800, 1344))],
)
@pytest.mark.parametrize(
    "layout", [DEFAULT_LAYOUT, AnchorLayout(3.0), AnchorLayout(4.0, 2)], ids=str
)
def test_equals_the_best_of_all_anchors(
    valid_hw: tuple[int, int], canvas: tuple[int, int], layout: AnchorLayout
) -> None:
    rng = np.random.default_rng(0)
    height, width = valid_hw
    corners = rng.uniform(0, [width, height], size=(2, 500, 2))
    sides = np.exp(rng.uniform(0, 6, size=(500, 2)))
    tiny = np.concatenate([corners[0], np.minimum(corners[0] + sides, [width, height])], axis=1)
    wide = np.concatenate([corners.min(axis=0), corners.max(axis=0)], axis=1)
    boxes = np.concatenate([tiny, wide])
    iou, level = best_anchor(boxes, np.broadcast_to(valid_hw, (1000, 2)), layout)
    wanted_iou, wanted_level = one_by_one(boxes, valid_hw, canvas, layout)
    assert iou == pytest.approx(wanted_iou, abs=1e-12)
    assert level.tolist() == wanted_level.tolist()


def test_hand_computed() -> None:
    boxes = np.array([[0, 0, 64, 64], [32, 32, 52, 52], [0, 0, 1300, 2], [0, 0, 256, 256]])
    iou, level = best_anchor(boxes, np.full((4, 2), 1312), DEFAULT_LAYOUT)
    # A level's anchors are centered on multiples of its stride: (32, 32) is one of P3.
    assert iou.tolist() == pytest.approx(
        [1.0, 400 / 4096, 64 * 2 / (2600 + 4096 - 128), 1.0], abs=1e-12
    )
    assert level.tolist() == [0, 0, 0, 2]
