"""Feature pyramid (Lin et al. 2017) with levels P3 (or P2) to P7."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


class FeaturePyramid(nn.Module):
    """Laterals, top-down sum by nearest upsampling, output convolutions, two extra levels.

    P6 and P7 come from stride-2 convolutions on the *output* P5, then P6, without an activation.

    Args:
        in_channels: channels of the backbone's features, finest first; the last has stride 32.
        channels: channels of every level of the pyramid.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, channels, 1) for c in in_channels)
        self.output = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for _ in in_channels
        )
        self.extra = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, stride=2, padding=1) for _ in range(2)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Maps [B, channels, h, w], finest first: two more than the backbone's."""
        merged = [lateral(f) for lateral, f in zip(self.lateral, features, strict=True)]
        for level in range(len(merged) - 1, 0, -1):
            size = merged[level - 1].shape[-2:]
            merged[level - 1] = merged[level - 1] + F.interpolate(
                merged[level], size=size, mode="nearest"
            )
        levels = [output(m) for output, m in zip(self.output, merged, strict=True)]
        for extra in self.extra:
            levels.append(extra(levels[-1]))
        return levels
