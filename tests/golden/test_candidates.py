"""Candidates against the reference: the very same anchors for the very same boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ladcli.assign.candidates import iou_candidates
from ladcli.structures import gather_per_anchor
from ladcli.structures.boxes import pair_iou
from tests.golden.scene import LOSS_TOLERANCE, GoldenScene, for_each, image_of_row, load


@for_each("candidates_*.npz")
def test_candidates(path: Path, scene: GoldenScene) -> None:
    arrays = load(path)
    candidates = iou_candidates(scene.scene)

    image, anchor = candidates.mask.nonzero().T.numpy()
    np.testing.assert_array_equal(image, image_of_row(arrays["img_ptr"]))
    np.testing.assert_array_equal(anchor, arrays["anchor"])
    np.testing.assert_array_equal(candidates.gt_index[image, anchor], arrays["gt"])


@for_each("candidates_*.npz")
def test_labels_and_overlaps_of_candidates(path: Path, scene: GoldenScene) -> None:
    arrays = load(path)
    gt_index = iou_candidates(scene.scene).gt_index
    image, anchor = image_of_row(arrays["img_ptr"]), arrays["anchor"].astype(np.int64)
    if not len(anchor):
        return

    labels = gather_per_anchor(scene.targets.labels, gt_index)[image, anchor]
    np.testing.assert_array_equal(labels, arrays["label"])
    boxes = gather_per_anchor(scene.targets.boxes, gt_index)[image, anchor]
    found = pair_iou(scene.grid.anchors[anchor], boxes)
    np.testing.assert_allclose(found, arrays["iou"], **LOSS_TOLERANCE)
