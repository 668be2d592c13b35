"""What candidates cost each network, against the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ladcli.assign.candidates import iou_candidates
from ladcli.assign.cost import cost_parts, detection_cost
from ladcli.structures.boxes import decode_boxes
from tests.golden.scene import (
    LOSS_TOLERANCE,
    NETWORKS,
    GoldenScene,
    for_each,
    image_of_row,
    load,
    places,
)

OPTIONS = {"box_weight": 1.3, "alpha": 0.25, "gamma": 2.0}


@for_each("cost_*.npz")
@pytest.mark.parametrize("network", NETWORKS)
def test_cost_of_candidates(path: Path, scene: GoldenScene, network: str) -> None:
    candidates = iou_candidates(scene.scene)
    outputs = scene.predictions(network).cls, scene.boxes(network)
    costs = detection_cost(candidates, scene.scene, *outputs, **OPTIONS)

    found = costs.values[candidates.mask]
    np.testing.assert_allclose(found, load(path)[f"{network}_cost"], **LOSS_TOLERANCE)
    assert torch.isposinf(costs.values[~candidates.mask]).all()


@for_each("cost_*.npz")
@pytest.mark.parametrize("network", NETWORKS)
def test_parts_of_the_cost(path: Path, scene: GoldenScene, network: str) -> None:
    expected = load(path)
    name = path.name.replace("cost_", "candidates_", 1)
    rows = load(places.require(path.with_name(name)))
    image, anchor, gt = image_of_row(rows["img_ptr"]), rows["anchor"], rows["gt"]
    predictions = scene.predictions(network)
    flat = torch.from_numpy(image * scene.grid.num_anchors + anchor)

    cls_part, box_part = cost_parts(
        predictions.cls.rows(flat),
        decode_boxes(scene.grid.anchors[anchor], predictions.box_deltas.flatten(0, 1)[flat]),
        scene.targets.labels[image, gt],
        scene.targets.boxes[image, gt],
        **OPTIONS,
    )
    np.testing.assert_allclose(cls_part, expected[f"{network}_cls_part"], **LOSS_TOLERANCE)
    np.testing.assert_allclose(box_part, expected[f"{network}_box_part"], **LOSS_TOLERANCE)
