"""Random scenes for the tests of label assignment."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ladcli.detector.anchors import anchor_grid
from ladcli.structures import AnchorGrid, ClassLogits, Predictions, Targets

NUM_CLASSES = 4


@dataclass(frozen=True)
class Scene:
    """Everything an assignment needs."""

    predictions: Predictions
    targets: Targets
    grid: AnchorGrid
    valid: Tensor  # [B, A] bool

    def image(self, index: int) -> Scene:
        """One image alone, its targets without padding."""
        one = slice(index, index + 1)
        present = self.targets.valid[index]
        iou_logits = self.predictions.iou_logits
        assert iou_logits is not None
        return Scene(
            Predictions(
                ClassLogits(self.predictions.cls.raw[one]),
                self.predictions.box_deltas[one],
                iou_logits[one],
            ),
            Targets.from_lists(
                [self.targets.boxes[index][present]], [self.targets.labels[index][present]]
            ),
            self.grid,
            self.valid[one],
        )

    def with_targets(self, targets: Targets) -> Scene:
        return Scene(self.predictions, targets, self.grid, self.valid)

    def to(self, device: torch.device | str) -> Scene:
        """The scene on ``device``, by copies that do not wait."""

        def move(t: Tensor) -> Tensor:
            return t.to(device, non_blocking=True)

        iou_logits = self.predictions.iou_logits
        assert iou_logits is not None
        return Scene(
            Predictions(
                ClassLogits(move(self.predictions.cls.raw)),
                move(self.predictions.box_deltas),
                move(iou_logits),
            ),
            self.targets.to(device, non_blocking=True),
            self.grid.to(device),
            move(self.valid),
        )


def random_scene(
    seed: int,
    *,
    boxes_per_image: tuple[int, ...] = (4, 0, 7, 1),
    canvas_hw: tuple[int, int] = (160, 192),
    valid_hw: tuple[tuple[int, int], ...] | None = None,
) -> Scene:
    """Boxes of all sizes and outputs of an untrained network."""
    draw = torch.Generator().manual_seed(seed)
    grid = anchor_grid(canvas_hw)
    images = len(boxes_per_image)
    boxes = [random_boxes(n, canvas_hw, draw) for n in boxes_per_image]
    labels = [torch.randint(NUM_CLASSES, (n,), generator=draw) for n in boxes_per_image]
    size = (images, grid.num_anchors)
    return Scene(
        Predictions(
            ClassLogits(torch.randn(*size, NUM_CLASSES, generator=draw) - 1),
            torch.randn(*size, 4, generator=draw),
            torch.randn(*size, generator=draw),
        ),
        Targets.from_lists(boxes, labels),
        grid,
        grid.valid(torch.tensor(valid_hw or (canvas_hw,) * images)),
    )


def random_boxes(number: int, canvas_hw: tuple[int, int], draw: torch.Generator) -> Tensor:
    """Boxes [number, 4] with corners on quarters of a pixel, some of them reaching outside."""
    height, width = canvas_hw
    size = 8 * 20 ** torch.rand(number, 2, generator=draw)
    corner = torch.rand(number, 2, generator=draw) * torch.tensor([width - 20, height - 20])
    return (torch.cat([corner, corner + size], dim=1) * 4).round() / 4
