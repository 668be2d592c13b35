"""The PAA head: two towers shared by all levels, and their outputs per anchor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ladcli.detector.objectness import conditional_objectness
from ladcli.recipe.schema import ModelConfig
from ladcli.structures import ClassLogits, ClassOutput, ClassProbs, Predictions

#: What a recipe asks for by default.
_USUAL = ModelConfig()


class PaaHead(nn.Module):
    """Class outputs, box deltas and an IoU logit for every anchor.

    Args:
        num_classes: C.
        channels: of the pyramid, kept through the towers.
        num_convs: 3×3 convolutions per tower, each with GroupNorm and ReLU.
        norm_groups: groups of the GroupNorms.
        prior: class probability that the initial bias gives every anchor, so that the focal loss
            does not start with a flood of false positives.
        num_levels: levels of the pyramid; each has its own scale for the box branch.
        objectness_kernel: 0 gives class logits; otherwise the class output is a probability with
            objectness inside, over a neighborhood of this many cells squared (1 is IOP, 3 is COP).
        iou_branch: predict the IoU of the box too.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int,
        *,
        num_convs: int = _USUAL.head_convs,
        norm_groups: int = _USUAL.norm_groups,
        prior: float = _USUAL.prior,
        num_levels: int = 5,
        objectness_kernel: int = 0,
        iou_branch: bool = True,
    ) -> None:
        super().__init__()
        if objectness_kernel and objectness_kernel % 2 == 0:
            raise ValueError(f"objectness_kernel must be odd, got {objectness_kernel}")
        self.cls_tower = nn.Sequential(
            *(_TowerBlock(channels, norm_groups) for _ in range(num_convs))
        )
        self.box_tower = nn.Sequential(
            *(_TowerBlock(channels, norm_groups) for _ in range(num_convs))
        )
        self.cls_out = nn.Conv2d(channels, num_classes, 3, padding=1)
        self.box_out = nn.Conv2d(channels, 4, 3, padding=1)
        self.iou_out = nn.Conv2d(channels, 1, 3, padding=1) if iou_branch else None
        self.objectness_out = (
            nn.Conv2d(channels, objectness_kernel**2, 3, padding=1) if objectness_kernel else None
        )
        self.scales = nn.Parameter(torch.ones(num_levels))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.constant_(self.cls_out.bias, -math.log((1 - prior) / prior))  # type: ignore[arg-type]

    def forward(self, levels: Sequence[Tensor]) -> Predictions:
        """Predictions [B, A, …] of the pyramid's maps, in the order of the anchor grid."""
        cls, box, iou = [], [], []
        for scale, level in zip(self.scales.unbind(), levels, strict=True):
            cls_features, box_features = self.cls_tower(level), self.box_tower(level)
            cls.append(_per_anchor(self._class_map(cls_features, box_features)))
            box.append(_per_anchor(self.box_out(box_features) * scale))
            if self.iou_out is not None:
                iou.append(_per_anchor(self.iou_out(box_features)))
        return Predictions(
            self._class_output(torch.cat(cls, dim=1)),
            torch.cat(box, dim=1).float(),
            torch.cat(iou, dim=1).squeeze(2).float() if iou else None,
        )

    def _class_map(self, cls_features: Tensor, box_features: Tensor) -> Tensor:
        """Logits, or probabilities with objectness inside, [B, C, h, w]."""
        logits: Tensor = self.cls_out(cls_features)
        if self.objectness_out is None:
            return logits
        return conditional_objectness(logits, self.objectness_out(box_features))

    def _class_output(self, values: Tensor) -> ClassOutput:
        return ClassLogits(values) if self.objectness_out is None else ClassProbs(values)


class _TowerBlock(nn.Module):
    """3×3 convolution, GroupNorm, ReLU."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(groups, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).relu_()


def _per_anchor(level: Tensor) -> Tensor:
    """A map [B, K, h, w] as rows of anchors [B, h·w, K]."""
    return level.flatten(2).transpose(1, 2)
