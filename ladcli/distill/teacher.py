"""Where a teacher's opinion comes from: a network that runs on every step, or a cache."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ladcli.assign import Assigner
from ladcli.detector.anchors import anchor_grid
from ladcli.detector.model import Detector
from ladcli.structures import Assignment, Batch


class Teacher(Protocol):
    """Says which anchors of a batch are positives.  Objectives know nothing more of it."""

    def assign(self, batch: Batch) -> Assignment:
        """The teacher's assignment, [B, A], on the device of the batch."""
        ...


class OnlineTeacher:
    """A fixed network that prices the candidates of every batch.

    It stays in evaluation mode and takes no gradient, whatever the student does.

    Args:
        detector: the teacher, already on its device.
        assigner: the chain that its prices enter.
        autocast: precision of its forward pass.
        batch_mean: pixel statistics that batches were normalized with, where they are not the
            teacher's own.
        batch_std: likewise.
    """

    def __init__(
        self,
        detector: Detector,
        assigner: Assigner,
        *,
        autocast: AbstractContextManager[None] | torch.autocast,
        batch_mean: tuple[float, ...] | None = None,
        batch_std: tuple[float, ...] | None = None,
    ) -> None:
        self.detector = detector.eval().requires_grad_(False)
        self.assigner = assigner
        self.autocast = autocast
        own = detector.architecture
        self._renormalize = Renormalize.between(
            (batch_mean or own.pixel_mean, batch_std or own.pixel_std),
            (own.pixel_mean, own.pixel_std),
            next(detector.parameters()).device,
        )

    @torch.no_grad()
    def assign(self, batch: Batch) -> Assignment:
        """One forward pass and the assigner's chain."""
        with self.autocast:
            predictions = self.detector(self._renormalize(batch))
        grid = anchor_grid(batch.canvas_hw, batch.images.device)
        return self.assigner.assign(predictions, batch.targets, grid, grid.valid(batch.valid_hw))


@dataclass(frozen=True)
class Renormalize:
    """Images normalized with one network's pixel statistics, as another network wants them."""

    factor: Tensor | None  # [3, 1, 1]; None where both networks want the same
    offset: Tensor | None  # [3, 1, 1]

    @staticmethod
    def between(
        given: tuple[tuple[float, ...], tuple[float, ...]],
        wanted: tuple[tuple[float, ...], tuple[float, ...]],
        device: torch.device,
    ) -> Renormalize:
        """From (mean, std) to (mean, std), per RGB channel of pixels in 0..1."""
        if given == wanted:
            return Renormalize(None, None)
        (mean, std), (new_mean, new_std) = (
            (torch.tensor(m).view(3, 1, 1), torch.tensor(s).view(3, 1, 1))
            for m, s in (given, wanted)
        )
        return Renormalize((std / new_std).to(device), ((mean - new_mean) / new_std).to(device))

    def __call__(self, batch: Batch) -> Tensor:
        """Images [B, 3, H, W]; the padding stays zero."""
        if self.factor is None or self.offset is None:
            return batch.images
        height, width = batch.canvas_hw
        device = batch.images.device
        inside_y = torch.arange(height, device=device) < batch.content_hw[:, :1]  # [B, H]
        inside_x = torch.arange(width, device=device) < batch.content_hw[:, 1:]  # [B, W]
        inside = (inside_y.unsqueeze(2) & inside_x.unsqueeze(1)).unsqueeze(1)  # [B, 1, H, W]
        return torch.where(inside, batch.images * self.factor + self.offset, 0.0)
