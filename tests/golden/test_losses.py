"""Detection losses and their gradients against the reference.

The positives come from the golden assignment, so that a failure here is the loss's own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ladcli.assign import paa_assigner
from ladcli.distill.detection_loss import BoxWeighting, detection_loss
from tests.golden.scene import (
    GRADIENT_TOLERANCE,
    LOSS_TOLERANCE,
    Maps,
    Scene,
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
    path: Path, scene: Scene, maps: Maps, pricer: str, weighting: BoxWeighting
) -> dict[str, Tensor]:
    file = places.require(path.with_name(path.name.replace("losses_", "assign_", 1)))
    assignment = golden_assignment(load(file), pricer, scene.valid)
    return detection_loss(
        maps.predictions(), assignment, scene.targets, scene.grid, box_weighting=weighting
    )


@for_each(FILES)
@each_method
def test_loss_values(
    path: Path, scene: Scene, method: str, pricer: str, weighting: BoxWeighting
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
    path: Path, scene: Scene, method: str, pricer: str, weighting: BoxWeighting
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
    path: Path, scene: Scene, method: str, pricer: str, weighting: BoxWeighting
) -> None:
    """Candidates, cost, mixture, selection and loss in one go, as a training step runs them."""
    file = places.require(path.with_name(path.name.replace("losses_", "assign_", 1)))
    if not load(file)[f"{pricer}_fit_stable"].all():
        pytest.skip("rounding decides some positives of this scene")
    assigner = paa_assigner()
    predictions = scene.predictions(pricer)
    assignment = assigner.assign(predictions, scene.targets, scene.grid, scene.valid)
    losses = detection_loss(
        scene.predictions("student"),
        assignment,
        scene.targets,
        scene.grid,
        box_weighting=weighting,
    )
    expected = load(path)
    for ours, theirs in TERMS.items():
        np.testing.assert_allclose(losses[ours], expected[f"{method}_{theirs}"], **LOSS_TOLERANCE)
