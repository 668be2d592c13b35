"""Square anchors, one per cell of every level: the priors of our own network."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ladcli.detector.levels import DEFAULT_LAYOUT, AnchorLayout
from ladcli.structures import AnchorGrid, Predictions, Scene
from ladcli.structures.boxes import decode_boxes
from ladcli.structures.predictions import full_precision


@lru_cache(maxsize=64)
def anchor_grid(
    canvas_hw: tuple[int, int],
    device: torch.device | str = "cpu",
    layout: AnchorLayout = DEFAULT_LAYOUT,
) -> AnchorGrid:
    """All anchors for one canvas.

    Centers lie at (column × stride, row × stride), without half a stride; anchors are never
    clipped.

    Args:
        canvas_hw: height and width of the padded input in pixels.
        device: where the tensors shall live.
    """
    rows, cols, strides = [], [], []
    sizes = layout.level_sizes(canvas_hw)
    for stride, (num_rows, num_cols) in zip(layout.strides, sizes, strict=True):
        row, col = torch.meshgrid(torch.arange(num_rows), torch.arange(num_cols), indexing="ij")
        rows.append(row.flatten())
        cols.append(col.flatten())
        strides.append(torch.full((num_rows * num_cols,), stride))
    row, col, stride_of = torch.cat(rows), torch.cat(cols), torch.cat(strides)
    center = (torch.stack([col, row], dim=1) * stride_of.unsqueeze(1)).float()
    half_side = stride_of.unsqueeze(1) * (layout.scale / 2)
    anchors = torch.cat([center - half_side, center + half_side], dim=1).float()
    return AnchorGrid(anchors, row, col, stride_of, sizes, canvas_hw).to(device)


def predicted_boxes(
    predictions: Predictions, scene: Scene, *, clip_hw: Tensor | None = None
) -> Tensor:
    """Boxes [B, A, 4] of deltas that are coded against the scene's priors.

    Args:
        clip_hw: [B, 2] to which boxes are clipped; training leaves them as they are.
    """
    return decode_boxes(scene.priors.boxes, full_precision(predictions.box_deltas), clip_hw)
