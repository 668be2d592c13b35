"""The detector: backbone, pyramid and head, and everything needed to build it again."""

from __future__ import annotations

import itertools
from dataclasses import MISSING, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from ladcli.classes import ClassTable
from ladcli.detector.backbone import (
    LAST_BACKBONE_STRIDE,
    Backbone,
    check_any_size,
    pixel_statistics,
)
from ladcli.detector.fpn import FeaturePyramid
from ladcli.detector.head import PaaHead
from ladcli.detector.levels import DEFAULT_LAYOUT, AnchorLayout
from ladcli.detector.narrow_convolutions import is_narrow
from ladcli.detector.pretrained import load_backbone_weights
from ladcli.errors import UserError
from ladcli.recipe.flags import NetworkKeys, option_name
from ladcli.recipe.schema import ModelConfig
from ladcli.structures import Predictions


@dataclass(frozen=True)
class Architecture:
    """What a network is, apart from its weights.  Plain values only: checkpoints carry it."""

    backbone: str  # timm's name
    channels: int  # of pyramid and head
    head_convs: int  # per tower
    norm_groups: int
    pixel_mean: tuple[float, ...]  # [3] RGB, pixels in 0..1
    pixel_std: tuple[float, ...]  # [3]
    objectness_kernel: int = 0  # 0: class logits; 1: IOP; 3 or more: COP
    iou_branch: bool = True
    anchor_scale: float = DEFAULT_LAYOUT.scale  # side of an anchor in strides
    first_level: int = DEFAULT_LAYOUT.first_level  # of the pyramid

    @property
    def anchors(self) -> AnchorLayout:
        """The anchors that its outputs belong to."""
        return AnchorLayout(self.anchor_scale, self.first_level)

    def to_plain(self) -> dict[str, Any]:
        """Lists instead of tuples, for JSON and checkpoints.

        A field at its default is left out, so that a new one changes no fingerprint of networks
        that do without it.
        """
        named = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, (value, default) in named.items()
            if default is MISSING or value != default
        }

    @staticmethod
    def from_plain(plain: dict[str, Any]) -> Architecture:
        """The reverse of `to_plain`."""
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()
        }
        return Architecture(**values)

    @staticmethod
    def from_config(config: ModelConfig) -> Architecture:
        """The architecture a recipe asks for, with the backbone's own pixel statistics."""
        mean, std = pixel_statistics(config.backbone)
        return Architecture(
            config.backbone,
            config.channels,
            config.head_convs,
            config.norm_groups,
            tuple(config.pixel_mean or mean),
            tuple(config.pixel_std or std),
            {"paa": 0, "iop": 1, "cop": config.cop_kernel}[config.head],
            config.iou_branch,
            config.anchor_scale,
            config.first_level,
        )

    def difference(self, other: Architecture) -> str | None:
        """The first thing in which ``other`` is not this, in words, or None."""
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if mine != theirs:
                return f"its {field.name} is {theirs}, not {mine}"
        return None


class Detector(nn.Module):
    """A one-stage detector with a PAA head.

    Args:
        architecture: see there.
        classes: the classes it tells apart.
        prior: initial class probability of every anchor.
        checkpoint_gradients: recompute backbone activations in the backward pass.
    """

    def __init__(
        self,
        architecture: Architecture,
        classes: ClassTable,
        *,
        prior: float = ModelConfig().prior,
        checkpoint_gradients: bool = False,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.classes = classes
        strides = architecture.anchors.strides
        self.backbone = Backbone(
            architecture.backbone,
            strides=[stride for stride in strides if stride <= LAST_BACKBONE_STRIDE],
            checkpoint_gradients=checkpoint_gradients,
        )
        self.pyramid = FeaturePyramid(self.backbone.channels, architecture.channels)
        self.head = PaaHead(
            len(classes),
            architecture.channels,
            num_convs=architecture.head_convs,
            norm_groups=architecture.norm_groups,
            prior=prior,
            num_levels=len(strides),
            objectness_kernel=architecture.objectness_kernel,
            iou_branch=architecture.iou_branch,
        )

    def forward(self, images: Tensor) -> Predictions:
        """Predictions [B, A, …] for normalized images [B, 3, H, W]; H, W multiples of 32."""
        predictions: Predictions = self.head(self.pyramid(self.backbone(images)))
        return predictions

    def use_channels_last(self) -> None:
        """Lay the weights of convolutions out channels-last, in place.

        Other than ``to(memory_format=torch.channels_last)``, this leaves weights of five axes as
        they are: lambda networks have some, and torch refuses them.  Narrow convolutions keep
        their layout, too.
        """
        narrow = {id(module.weight) for module in self.modules() if is_narrow(module)}
        for tensor in itertools.chain(self.parameters(), self.buffers()):
            if tensor.dim() == 4 and id(tensor) not in narrow:
                tensor.data = tensor.data.to(memory_format=torch.channels_last)


def build_detector(
    config: ModelConfig, classes: ClassTable, *, keys: NetworkKeys = NetworkKeys()
) -> Detector:
    """A new detector as the recipe asks for, with pretrained and frozen parts where it says so.

    Args:
        keys: the options that chose backbone and weights, for messages.

    Raises:
        UserError: an unknown backbone, or weights that do not fit.
    """
    try:
        detector = Detector(
            Architecture.from_config(config),
            classes,
            prior=config.prior,
            checkpoint_gradients=config.checkpoint_gradients,
        )
        check_any_size(detector.backbone)
    except UserError as error:
        raise UserError(f"{option_name(keys.backbone)}: {error}") from error
    if config.weights is not None:
        load_backbone_weights(detector.backbone, config.weights, keys)
        detector.backbone.freeze(stride=config.freeze_stride, batchnorm_statistics=config.freeze_bn)
    return detector
