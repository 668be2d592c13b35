"""Priors: the boxes or points that may answer for an object, whoever made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

#: Side of the box that stands for a point without a size, in strides of its level.
POINT_SCALE = 8.0


@dataclass(frozen=True)
class Priors:
    """Priors of all levels, level by level.

    Any layout will do: several priors per place, places that are no grid, any number of levels.
    A = priors over all levels, L = levels.
    """

    boxes: Tensor  # [A, 4] float32, xyxy, pixels of the network input; never clipped
    stride: Tensor  # [A], pixels between neighbors on the prior's level
    level_lengths: tuple[int, ...]  # priors of each level; they add up to A
    #: (rows, columns) of each level, where every level is a regular grid of one prior per cell,
    #: row-major: then geometry splits into rows and columns, which is faster.  Else None.
    grid_sizes: tuple[tuple[int, int], ...] | None = None
    level: Tensor = field(init=False, repr=False)  # [A] int64, position of the level

    def __post_init__(self) -> None:
        total = sum(self.level_lengths)
        if self.boxes.shape != (total, 4) or self.stride.shape != (total,):
            raise ValueError(
                f"{total} priors in {len(self.level_lengths)} levels need boxes [{total}, 4] and "
                f"strides [{total}], got {list(self.boxes.shape)} and {list(self.stride.shape)}"
            )
        if self.grid_sizes is not None:
            cells = tuple(rows * cols for rows, cols in self.grid_sizes)
            if cells != self.level_lengths:
                raise ValueError(
                    f"grids of {list(cells)} cells cannot hold levels of "
                    f"{list(self.level_lengths)} priors"
                )
        device = self.boxes.device
        levels = [torch.full((n,), k, device=device) for k, n in enumerate(self.level_lengths)]
        # Now and not when asked for: a cached property has a lock, which torch.compile refuses.
        object.__setattr__(self, "level", torch.cat(levels))

    @staticmethod
    def from_boxes(levels: Sequence[Tensor], strides: Sequence[float]) -> Priors:
        """Boxes [n, 4] of each level, such as anchors of several shapes per cell."""
        _check_levels(levels, strides)
        boxes = [level.float() for level in levels]
        stride = [level.new_full((len(level),), s) for level, s in zip(boxes, strides, strict=True)]
        return Priors(torch.cat(boxes), torch.cat(stride), tuple(len(level) for level in boxes))

    @staticmethod
    def from_points(
        levels: Sequence[Tensor], strides: Sequence[float], *, scale: float = POINT_SCALE
    ) -> Priors:
        """Points [n, 2] (x, y) of each level.

        Where a rule needs boxes, a point is a square of ``scale`` strides around it.
        """
        _check_levels(levels, strides)
        halves = [scale * stride / 2 for stride in strides]
        boxes = [
            torch.cat([points - half, points + half], dim=1)
            for points, half in zip(levels, halves, strict=True)
        ]
        return Priors.from_boxes(boxes, strides)

    @property
    def num_priors(self) -> int:
        return self.boxes.shape[0]

    @property
    def num_levels(self) -> int:
        return len(self.level_lengths)

    @property
    def centers(self) -> Tensor:
        """[A, 2] float32, x and y."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2

    def level_slices(self) -> list[slice]:
        """Where each level lies among the priors."""
        slices, start = [], 0
        for length in self.level_lengths:
            slices.append(slice(start, start + length))
            start += length
        return slices


def _check_levels(levels: Sequence[Tensor], strides: Sequence[float]) -> None:
    if not levels or len(levels) != len(strides):
        raise ValueError(f"{len(levels)} levels and {len(strides)} strides do not go together")
