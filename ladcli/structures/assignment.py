"""The result of label assignment."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: Beside `ladcli.structures.candidates.BACKGROUND` the other sentinel of `Assignment.gt_index`.
IGNORE = -2


@dataclass(frozen=True)
class Assignment:
    """Which ground-truth box each anchor answers for, one batch."""

    gt_index: Tensor  # [B, A] int64, row into the image's boxes; BACKGROUND = -1, IGNORE = -2
    #: [B, A] float32, how good each positive is: its soft class target, where a method has one.
    quality: Tensor | None = None

    @property
    def foreground(self) -> Tensor:
        """[B, A] bool, the positives."""
        return self.gt_index >= 0

    @property
    def counted(self) -> Tensor:
        """[B, A] bool, anchors that enter the classification loss."""
        return self.gt_index != IGNORE

    @property
    def num_positive(self) -> Tensor:
        """[] int64, positives in the whole batch (a tensor: reading it would wait)."""
        return self.foreground.sum()


def gather_per_anchor(values: Tensor, gt_index: Tensor) -> Tensor:
    """Ground-truth ``values`` [B, G, ...] of the box each anchor answers for.

    Anchors without one get row 0 (or zeros where G is 0); mask them by ``gt_index >= 0``.

    Returns:
        [B, A, ...].
    """
    b, a = gt_index.shape
    rest = values.shape[2:]
    if values.shape[1] == 0:
        return values.new_zeros(b, a, *rest)
    index = gt_index.clamp(min=0).view(b, a, *(1 for _ in rest)).expand(b, a, *rest)
    return torch.gather(values, 1, index)
