"""A network that is built and run in milliseconds, and batches for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ladcli.classes import ClassTable
from ladcli.detector.model import Architecture, Detector
from ladcli.structures import Batch, Targets

BACKBONE = "test_efficientnet"
CLASSES = ClassTable((2, 5, 9), ("cup", "plate", "spoon"))
ARCHITECTURE = Architecture(
    BACKBONE,
    channels=16,
    head_convs=1,
    norm_groups=4,
    pixel_mean=(0.4, 0.5, 0.6),
    pixel_std=(0.2, 0.25, 0.3),
)


def tiny_detector(seed: int = 0, *, classes: ClassTable = CLASSES, **changes: Any) -> Detector:
    """A detector with random weights; ``changes`` replace fields of its architecture."""
    torch.manual_seed(seed)
    return Detector(replace(ARCHITECTURE, **changes), classes)


def tiny_batch(
    seed: int = 0,
    *,
    boxes_per_image: tuple[int, ...] = (3, 0, 2),
    canvas_hw: tuple[int, int] = (64, 96),
    content_hw: tuple[int, int] | None = None,
) -> Batch:
    """Noise with random boxes of 16 to 48 pixels; the padding is zero."""
    draw = torch.Generator().manual_seed(seed)
    height, width = content_hw or canvas_hw
    number = len(boxes_per_image)
    images = torch.zeros(number, 3, *canvas_hw)
    images[:, :, :height, :width] = torch.randn(number, 3, height, width, generator=draw)
    boxes, labels = [], []
    for count in boxes_per_image:
        corner = torch.rand(count, 2, generator=draw) * torch.tensor([width - 16, height - 16])
        size = 16 + 32 * torch.rand(count, 2, generator=draw)
        boxes.append(torch.cat([corner, corner + size], dim=1))
        labels.append(torch.randint(len(CLASSES), (count,), generator=draw))
    content = torch.tensor([[height, width]]).repeat(number, 1)
    return Batch(
        images=images,
        targets=Targets.from_lists(boxes, labels),
        content_hw=content,
        valid_hw=(content + 31) // 32 * 32,
        scale_wh=torch.ones(number, 2, dtype=torch.float64),
        image_rows=tuple(range(number)),
        view_ids=(0,) * number,
    )
