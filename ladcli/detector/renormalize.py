"""Batches are normalized once; a network that wants other pixel statistics converts them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ladcli.structures import Batch


@dataclass(frozen=True)
class Renormalize:
    """Images normalized with one network's pixel statistics, as another network wants them."""

    factor: Tensor | None = None  # [3, 1, 1]; None where both networks want the same
    offset: Tensor | None = None  # [3, 1, 1]

    @staticmethod
    def between(
        given: tuple[tuple[float, ...], tuple[float, ...]],
        wanted: tuple[tuple[float, ...], tuple[float, ...]],
        device: torch.device,
    ) -> Renormalize:
        """From (mean, std) to (mean, std), per RGB channel of pixels in 0..1."""
        if given == wanted:
            return Renormalize()
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
