"""Which anchors count in padded images, against the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tests.golden.scene import GoldenScene, for_each, load


@for_each("valid_flags_*.npz")
def test_valid_anchors(path: Path, scene: GoldenScene) -> None:
    arrays = load(path)
    found = scene.grid.valid(torch.from_numpy(arrays["valid_hw"]))
    np.testing.assert_array_equal(found.numpy(), arrays["valid"])
