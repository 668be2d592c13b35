"""Detections against the reference, with and without voting and rescaling."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from ladcli.detector.postprocess import postprocess
from ladcli.structures import Detections
from tests.golden.scene import (
    BOX_TOLERANCE,
    LOSS_TOLERANCE,
    NETWORKS,
    Arrays,
    GoldenScene,
    for_each,
    load,
)

#: Name in the file, voting, boxes divided by the scale.
VARIANTS = [("vote", True, False), ("novote", False, False), ("vote_rescaled", True, True)]


@lru_cache(maxsize=64)
def detect(
    scene: GoldenScene, network: str, *, voting: bool, scale: tuple[float, float] | None = None
) -> list[Detections]:
    """Detections per image; with ``scale`` the boxes are divided by it in x and y."""
    size = (scene.num_images, 2)
    return postprocess(
        scene.predictions(network),
        scene.grid,
        scene.valid_hw,
        scale_wh=None if scale is None else torch.tensor(scale).double().expand(size),
        voting=voting,
    )


@for_each("predict_*.npz")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("variant", "voting", "rescaled"), VARIANTS, ids=[v[0] for v in VARIANTS])
def test_detections(
    path: Path, scene: GoldenScene, network: str, variant: str, voting: bool, rescaled: bool
) -> None:
    arrays = load(path)
    scale = tuple(arrays["scale_factor_wh"].tolist()) if rescaled else None
    found = detect(scene, network, voting=voting, scale=scale)
    ptr = arrays[f"{network}_{variant}_ptr"]
    assert len(found) == len(ptr) - 1
    for image, detections in enumerate(found):
        rows = slice(ptr[image], ptr[image + 1])
        assert_same(detections, arrays, f"{network}_{variant}", rows)


def assert_same(found: Detections, arrays: Arrays, prefix: str, rows: slice) -> None:
    """Every golden detection of one image has a partner of its own among ours, in any order."""
    boxes, scores, labels = (
        arrays[f"{prefix}_{name}"][rows] for name in ("boxes", "scores", "labels")
    )
    assert len(found.scores) == len(scores)
    free = np.ones(len(scores), dtype=bool)
    # Rows without a box last: they take any partner of the same label and score.
    unusable = np.isnan(boxes).any(axis=1)
    for row in np.argsort(unusable, kind="stable"):
        partners = free & (found.labels.numpy() == labels[row])
        partners &= np.isclose(found.scores.numpy(), scores[row], **LOSS_TOLERANCE)
        if not unusable[row]:
            partners &= np.isclose(found.boxes.numpy(), boxes[row], **BOX_TOLERANCE).all(axis=1)
        assert partners.any(), f"no partner for {labels[row]} {scores[row]} {boxes[row]}"
        free[np.argmax(partners)] = False


@for_each("predict_*.npz")
@pytest.mark.parametrize("network", NETWORKS)
def test_detections_are_finite_and_sorted(path: Path, scene: GoldenScene, network: str) -> None:
    for detections in detect(scene, network, voting=True, scale=None):
        assert detections.boxes.isfinite().all()
        assert (detections.scores.diff() <= 0).all()
        assert detections.labels.dtype is torch.int64
