"""Square anchors, one per cell of every level."""

from __future__ import annotations

from functools import lru_cache

import torch

from ladcli.detector.levels import ANCHOR_SCALE, STRIDES
from ladcli.structures import AnchorGrid


def level_sizes(canvas_hw: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Rows and columns of each level for a canvas of the given height and width."""
    height, width = canvas_hw
    return tuple((-(-height // stride), -(-width // stride)) for stride in STRIDES)


@lru_cache(maxsize=64)
def anchor_grid(canvas_hw: tuple[int, int], device: torch.device | str = "cpu") -> AnchorGrid:
    """All anchors for one canvas.

    Centers lie at (column × stride, row × stride), without half a stride; sides are 8 strides;
    anchors are never clipped.  Grids are remembered per canvas and device.

    Args:
        canvas_hw: height and width of the padded input in pixels.
        device: where the tensors shall live.
    """
    rows, cols, strides = [], [], []
    sizes = level_sizes(canvas_hw)
    for stride, (num_rows, num_cols) in zip(STRIDES, sizes, strict=True):
        row, col = torch.meshgrid(torch.arange(num_rows), torch.arange(num_cols), indexing="ij")
        rows.append(row.flatten())
        cols.append(col.flatten())
        strides.append(torch.full((num_rows * num_cols,), stride))
    row, col, stride_of = torch.cat(rows), torch.cat(cols), torch.cat(strides)
    center = torch.stack([col, row], dim=1) * stride_of.unsqueeze(1)
    half_side = stride_of.unsqueeze(1) * (ANCHOR_SCALE // 2)
    anchors = torch.cat([center - half_side, center + half_side], dim=1).float()
    return AnchorGrid(anchors, row, col, stride_of, sizes, canvas_hw).to(device)
