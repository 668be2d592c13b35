"""Detection losses and their gradients against the reference.

The positives come from the golden assignment, so that a failure here is the loss's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ladcli.assign import paa_assigner
from ladcli.detector.anchors import predicted_boxes
from ladcli.objective.detection_loss import BoxWeighting, detection_loss
from ladcli.recipe.schema import LossConfig
from ladcli.structures import Assignment, Predictions
from ladcli.structures.losses import normalize
from tests.golden.scene import (
    GRADIENT_TOLERANCE,
    LOSS_TOLERANCE,
    GoldenScene,
    Maps,
    for_each,
    golden_assignment,
    load,
    places,
)

FILES = "losses_*.npz"
#: Prefix in the file, whose assignment it uses, and how it weights the boxes.
METHODS = [("paa", "student", "iou"), ("lad", "teacher", "uniform")]
each_method = pytest.mark.parametrize(
    ("method", "pricer", "weighting"), METHODS, ids=["paa", "lad"]
)
#: Our name of a loss term, and the reference's.
TERMS = {"cls": "loss_cls", "box": "loss_bbox", "iou": "loss_iou"}


def losses_of(
    path: Path, scene: GoldenScene, maps: Maps, pricer: str, weighting: BoxWeighting
) -> dict[str, Tensor]:
    file = places.require(path.with_name(path.name.replace("losses_", "assign_", 1)))
    assignment = golden_assignment(load(file), pricer, scene.valid)
    return losses_under(assignment, scene, maps.predictions(), weighting)


def losses_under(
    assignment: Assignment, scene: GoldenScene, predictions: Predictions, weighting: BoxWeighting
) -> dict[str, Tensor]:
    options = LossConfig()
    terms = detection_loss(
        predictions,
        predicted_boxes(predictions, scene.scene),
        assignment,
        scene.scene,
        box_weighting=weighting,
        alpha=options.alpha,
        gamma=options.gamma,
        cls_weight=options.cls_weight,
        box_weight=options.box_weight,
        iou_weight=options.iou_weight,
    )
    return normalize({"model": terms})["model"]


@for_each(FILES)
@each_method
def test_loss_values(
    path: Path, scene: GoldenScene, method: str, pricer: str, weighting: BoxWeighting
) -> None:
    expected = load(path)
    losses = losses_of(path, scene, scene.maps("student"), pricer, weighting)
    assert set(losses) == set(TERMS)
    for ours, theirs in TERMS.items():
        found = losses[ours].detach()
        assert found.shape == ()
        np.testing.assert_allclose(found, expected[f"{method}_{theirs}"], **LOSS_TOLERANCE)


@for_each(FILES)
@each_method
def test_gradients(
    path: Path, scene: GoldenScene, method: str, pricer: str, weighting: BoxWeighting
) -> None:
    expected = load(path)
    maps = scene.maps("student")
    sum(losses_of(path, scene, maps, pricer, weighting).values()).backward()
    for output in TERMS:
        gradients = [leaf.grad for leaf in getattr(maps, output)]
        assert all(g is not None for g in gradients), output
        prefix = f"{method}_grad_{output}"
        norms = torch.stack([g.norm() for g in gradients])
        np.testing.assert_allclose(norms, expected[f"{prefix}_l2norm"], **LOSS_TOLERANCE)
        flat = [g.flatten().numpy() for g in gradients]
        pairs = zip(expected[f"{prefix}_level"], expected[f"{prefix}_index"], strict=True)
        entries = np.array([flat[level][index] for level, index in pairs])
        np.testing.assert_allclose(entries, expected[f"{prefix}_value"], **GRADIENT_TOLERANCE)


@for_each(FILES)
@each_method
def test_loss_of_our_own_assignment(
    path: Path, scene: GoldenScene, method: str, pricer: str, weighting: BoxWeighting
) -> None:
    """Candidates, cost, mixture, selection and loss in one go, as a training step runs them."""
    file = places.require(path.with_name(path.name.replace("losses_", "assign_", 1)))
    assigner = paa_assigner()
    outputs = scene.predictions(pricer).cls, scene.boxes(pricer)
    assignment = assigner.assign(scene.scene, *outputs)
    golden = golden_assignment(load(file), pricer, scene.valid)
    if not torch.equal(assignment.gt_index, golden.gt_index):
        # Rounding may decide the positives of fits that the file marks as unstable, of no others.
        assert_differs_in_unstable_fits_only(assignment, golden, load(file), pricer)
        assignment = golden
    losses = losses_under(assignment, scene, scene.predictions("student"), weighting)
    expected = load(path)
    for ours, theirs in TERMS.items():
        np.testing.assert_allclose(losses[ours], expected[f"{method}_{theirs}"], **LOSS_TOLERANCE)


def assert_differs_in_unstable_fits_only(
    ours: Assignment, golden: Assignment, file: Mapping[str, np.ndarray], pricer: str
) -> None:
    unstable = ~file[f"{pricer}_fit_stable"].astype(bool)
    allowed = set(
        zip(
            file[f"{pricer}_fit_img"][unstable].tolist(),
            file[f"{pricer}_fit_gt"][unstable].tolist(),
            strict=True,
        )
    )
    image, anchor = (ours.gt_index != golden.gt_index).nonzero().unbind(1)
    both = torch.stack([ours.gt_index[image, anchor], golden.gt_index[image, anchor]])
    touched = {
        (i, g)
        for i, pair in zip(image.tolist(), both.T.tolist(), strict=True)
        for g in pair
        if g >= 0
    }
    assert touched <= allowed
