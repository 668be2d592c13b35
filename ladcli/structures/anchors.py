"""The grid of anchors that all levels of one canvas make together: our own network's priors."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ladcli.structures.priors import Priors


@dataclass(frozen=True)
class AnchorGrid:
    """Anchors of all levels for one canvas size, finest level first, row-major inside a level.

    A = anchors over all levels, L = levels.
    """

    anchors: Tensor  # [A, 4] float32, xyxy, pixels of the canvas; never clipped
    row: Tensor  # [A] int64, row of the anchor's cell in its level
    col: Tensor  # [A] int64, column of the anchor's cell in its level
    stride: Tensor  # [A] int64, pixels per cell of the anchor's level
    level_sizes: tuple[tuple[int, int], ...]  # (rows, columns) of each level
    canvas_hw: tuple[int, int]  # height and width of the padded input, pixels
    priors: Priors = field(init=False, repr=False)  # the same anchors, as assignment sees them

    def __post_init__(self) -> None:
        priors = Priors(self.anchors, self.stride, self.level_lengths, self.level_sizes)
        object.__setattr__(self, "priors", priors)

    @property
    def level(self) -> Tensor:
        """[A] int64, position of the level, finest is 0."""
        return self.priors.level

    @property
    def num_anchors(self) -> int:
        return self.anchors.shape[0]

    @property
    def level_lengths(self) -> tuple[int, ...]:
        """Number of anchors of each level; they add up to A."""
        return tuple(rows * cols for rows, cols in self.level_sizes)

    def valid(self, valid_hw: Tensor) -> Tensor:
        """Which anchors count for images that fill only part of the canvas.

        A cell is valid when its row and column begin inside the image.

        Args:
            valid_hw: [B, 2] height and width in pixels.

        Returns:
            [B, A] bool.
        """
        hw = valid_hw.to(self.stride.dtype).unsqueeze(-1)  # [B, 2, 1]
        limit = torch.div(hw + self.stride - 1, self.stride, rounding_mode="floor")
        return (self.row < limit[:, 0]) & (self.col < limit[:, 1])

    def to(self, device: torch.device | str) -> AnchorGrid:
        """The same grid with its tensors on ``device``."""
        return AnchorGrid(
            self.anchors.to(device),
            self.row.to(device),
            self.col.to(device),
            self.stride.to(device),
            self.level_sizes,
            self.canvas_hw,
        )
