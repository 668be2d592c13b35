"""Backbones from timm, cut to the features that the pyramid needs."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import timm
import torch
from timm.models import FeatureInfo, is_model_in_modules
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ladcli.detector.lone_values import let_batchnorm_meet_lone_values
from ladcli.detector.narrow_convolutions import keep_narrow_inputs_channels_first
from ladcli.errors import UserError

#: Strides of the features that are used by default, and the largest there is.
FEATURE_STRIDES = (8, 16, 32)
LAST_BACKBONE_STRIDE = 32
#: Sides of images in pixels, all multiples of 32, on which the size of a network's maps is checked:
#: an odd and an even number of cells at stride 32 on either side.
_TRIAL_CANVASES = ((64, 96), (96, 160), (160, 128))
#: What a network raises on an image of a size that it was not built for.
_PASS_ERRORS = (RuntimeError, AssertionError, ValueError)
#: Timm's files of transformers that work in windows, and take any size if they are told to.
_WINDOWED = {"swin_transformer", "swin_transformer_v2", "swin_transformer_v2_cr"}


class Backbone(nn.Module):
    """A timm network that returns its last features at some strides.

    Args:
        name: a timm model that offers ``features_only``.
        strides: of the features, ascending.
        checkpoint_gradients: recompute activations in the backward pass.

    Raises:
        UserError: timm does not know the name, or the network has no such features.
    """

    def __init__(
        self,
        name: str,
        *,
        strides: Sequence[int] = FEATURE_STRIDES,
        checkpoint_gradients: bool = False,
    ) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.net: Any = _create(name, self.strides)  # of timm's own class, which has no type hints
        self.channels: tuple[int, ...] = tuple(self.net.feature_info.channels())
        self.name = name
        self.frozen_batchnorm = False
        let_batchnorm_meet_lone_values(self.net)
        keep_narrow_inputs_channels_first(self.net)
        if checkpoint_gradients:
            _enable_checkpointing(self.net, name)

    @property
    def all_strides(self) -> tuple[int, ...]:
        """Strides of all features that the network could return, ascending."""
        return tuple(sorted({int(entry["reduction"]) for entry in self.net.feature_info.info}))

    def forward(self, images: Tensor) -> list[Tensor]:
        """A map [B, channels, h, w] for each stride, of images [B, 3, H, W]."""
        features: list[Tensor] = self.net(images)
        if getattr(self.net, "output_fmt", "NCHW") == "NHWC":  # as Swin transformers have it
            features = [f.permute(0, 3, 1, 2).contiguous() for f in features]
        return features

    def train(self, mode: bool = True) -> Backbone:
        """As usual, except that frozen batch-norm layers stay in evaluation mode."""
        super().train(mode)
        if self.frozen_batchnorm:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def freeze(self, *, stride: int, batchnorm_statistics: bool) -> None:
        """Fix the early layers, and the statistics of all batch-norm layers.

        Args:
            stride: layers up to and including the stage of this stride take no gradient.
            batchnorm_statistics: keep running means and variances as they are.

        Raises:
            UserError: the network hides where that stage ends.
        """
        for name in _parameters_up_to(self.net, stride):
            self.net.get_parameter(name).requires_grad_(False)
        self.frozen_batchnorm = batchnorm_statistics
        self.train(self.training)


@torch.no_grad()
def check_any_size(backbone: Backbone) -> None:
    """Refuse a network that is built for one input size, by passes over small canvases.

    Raises:
        UserError: a pass fails, or a map is not as large as its stride promises.
    """
    training = backbone.training
    backbone.eval()
    try:
        for height, width in _TRIAL_CANVASES:
            _check_canvas(backbone, height, width)
    finally:
        backbone.train(training)


def _check_canvas(backbone: Backbone, height: int, width: int) -> None:
    remedy = "choose another network, such as resnet50"
    try:
        maps = backbone(torch.zeros(1, 3, height, width))
    except _PASS_ERRORS as error:
        reason = " ".join(str(error).split()) or f"it fails on {height}x{width} pixels"
        raise UserError(
            f"{backbone.name!r} does not take images of any size ({reason}); {remedy}"
        ) from error
    for stride, channels, features in zip(backbone.strides, backbone.channels, maps, strict=True):
        found, promised = list(features.shape[1:]), [channels, height // stride, width // stride]
        if found != promised:
            raise UserError(
                f"{backbone.name!r} has a map of {found[1]}x{found[2]} cells and "
                f"{found[0]} channels at stride {stride} of {height}x{width} images, where "
                f"{promised[1]}x{promised[2]} cells and {channels} channels belong; {remedy}"
            )


def pixel_statistics(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per RGB channel (pixels in 0..1) that ``name`` was trained on."""
    config = timm.get_pretrained_cfg(name)
    if config is None:
        return (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return tuple(config.mean), tuple(config.std)


def _create(name: str, strides: tuple[int, ...]) -> Any:
    _check_name(name)
    options: dict[str, Any] = (
        {"strict_img_size": False} if is_model_in_modules(name, _WINDOWED) else {}
    )
    try:
        # Built only to be asked for its strides.  It draws its weights from the seed all the same,
        # and so belongs to the numbers that a recorded seed gives.
        info: Any = timm.create_model(name, features_only=True, **options).feature_info
        return timm.create_model(
            name,
            features_only=True,
            out_indices=_last_of_each_stride(info, name, strides),
            **options,
        )
    except UserError:
        raise
    except (RuntimeError, AttributeError, AssertionError, TypeError, ValueError) as error:
        raise UserError(
            f"{name!r} cannot return feature maps ({error}); choose a timm model "
            "that offers features_only, such as resnet50"
        ) from error


def _check_name(name: str) -> None:
    if timm.is_model(name):
        return
    close = difflib.get_close_matches(name, timm.list_models(), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "; timm.list_models() names them all"
    raise UserError(f"{name!r} is no model that timm knows{hint}")


def _last_of_each_stride(info: FeatureInfo, name: str, strides: tuple[int, ...]) -> tuple[int, ...]:
    reductions: Sequence[int] = info.reduction()
    last = {stride: index for index, stride in zip(info.out_indices, reductions, strict=True)}
    absent = [stride for stride in strides if stride not in last]
    if absent:
        finer = absent[0] < FEATURE_STRIDES[0]
        other_level = ", or set model.first_level=3" if finer else ""
        raise UserError(
            f"{name!r} has no features at stride {absent[0]} (it has "
            f"{sorted(last)}); choose a network with strides {_listed(strides)}{other_level}"
        )
    return tuple(last[stride] for stride in strides)


def _listed(strides: tuple[int, ...]) -> str:
    return ", ".join(map(str, strides[:-1])) + f" and {strides[-1]}"


def _parameters_up_to(net: Any, stride: int) -> list[str]:
    """Names of the parameters that the end of the stage of ``stride`` depends on.

    Timm registers modules in the order of the forward pass.  A stage may end with a layer that has
    no parameters, such as an activation; and it may end inside a block, whose shortcut is
    registered before that layer, but belongs to the next stage.

    Raises:
        UserError: the network hides where its stage ends.
    """
    stages = [entry for entry in net.feature_info.info if entry["reduction"] <= stride]
    if not stages or stride == 0:
        return []
    paths = spellings(stages[-1]["module"])
    names: list[str] = []
    end: nn.Module | None = None
    for path, module in net.named_modules():
        belongs = path in paths or path.startswith(tuple(f"{p}." for p in paths))
        if end is not None and not belongs:
            break
        end = module if belongs and end is None else end
        own = (name for name, _ in module.named_parameters(recurse=False))
        names.extend(f"{path}.{name}" if path else name for name in own)
    if end is None:
        raise UserError(
            f"model.freeze_stride: this backbone does not say where its stage of stride {stride} "
            "ends; set model.freeze_stride=0"
        )
    needed = _parameters_behind(net, end)
    return [name for name in names if name in needed]


def _parameters_behind(net: Any, end: nn.Module) -> set[str]:
    """Names of the parameters that the output of ``end`` depends on, by one pass and its gradient.

    All of them where the network calls ``end`` in a way that does not show, or cannot take the
    trial canvas, which is for `check_any_size` to refuse.
    """
    outputs: list[Any] = []
    parameters = dict(net.named_parameters())
    learning = {name: p.requires_grad for name, p in parameters.items()}
    training = net.training
    handle = end.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    try:
        net.eval().requires_grad_(True)
        with torch.enable_grad():
            device = next(net.parameters()).device
            net(torch.zeros(1, 3, *_TRIAL_CANVASES[0], device=device))
            if not outputs or not isinstance(outputs[-1], Tensor):
                return set(parameters)
            gradients = torch.autograd.grad(
                outputs[-1].sum(), list(parameters.values()), allow_unused=True
            )
    except _PASS_ERRORS:
        return set(parameters)
    finally:
        handle.remove()
        net.train(training)
        for name, parameter in parameters.items():
            parameter.requires_grad_(learning[name])
    return {
        name for name, gradient in zip(parameters, gradients, strict=True) if gradient is not None
    }


def _enable_checkpointing(net: Any, name: str) -> None:
    try:
        net.set_grad_checkpointing(True)
    except (AttributeError, AssertionError, NotImplementedError) as error:
        raise UserError(
            f"{name!r} cannot recompute activations; set model.checkpoint_gradients to false"
        ) from error


def spellings(name: str) -> list[str]:
    """What ``a.b.c`` of a full network may be called in one of timm's feature extractors.

    Some join nested names by "_" (``a_b.c``), others hold the network as a whole.
    """
    parts = name.split(".")
    joined = [".".join(["_".join(parts[:n]), *parts[n:]]) for n in range(1, len(parts) + 1)]
    return [f"{holder}{path}" for holder in ("", "model.", "body.") for path in joined]
