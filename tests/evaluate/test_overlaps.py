"""Overlapping pairs, with pycocotools' IoU as the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask

from ladcli.evaluate import overlaps
from ladcli.evaluate.overlaps import find_pairs


def boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.uniform(0, 60, (count, 4)).round(2)


@pytest.mark.parametrize("chunk", [1, 7, 1 << 19])
def test_all_pairs_of_a_group_bit_for_bit(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlaps, "_CHUNK", chunk)
    rng = np.random.default_rng(0)
    dets, gts = boxes(rng, 40), boxes(rng, 25)
    dets[3, 2:] = 0
    det_group, gt_group = rng.integers(0, 4, 40), rng.integers(1, 5, 25)
    crowd = rng.random(25) < 0.3
    pairs = find_pairs(det_group, dets, gt_group, gts, crowd=crowd, at_least=0.1)
    iou = mask.iou(dets, gts, crowd.astype(int).tolist())
    iou[det_group[:, None] != gt_group] = 0
    det, gt = np.nonzero(iou >= 0.1)
    assert pairs.det.tolist() == det.tolist()
    assert pairs.gt.tolist() == gt.tolist()
    assert pairs.iou.tolist() == iou[det, gt].tolist()
    assert len(det) > 20


@pytest.mark.parametrize(("num_det", "num_gt"), [(0, 0), (3, 0), (0, 3)])
def test_without_detections_or_ground_truth_there_are_no_pairs(num_det: int, num_gt: int) -> None:
    rng = np.random.default_rng(0)
    pairs = find_pairs(
        np.zeros(num_det, dtype=np.int64),
        boxes(rng, num_det),
        np.zeros(num_gt, dtype=np.int64),
        boxes(rng, num_gt),
        crowd=np.zeros(num_gt, dtype=bool),
        at_least=0.5,
    )
    assert len(pairs.det) == len(pairs.gt) == len(pairs.iou) == 0
