"""Backbones from timm, cut to the features at strides 8, 16 and 32."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import FeatureInfo
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ladcli.detector.safe_load import load_tensors
from ladcli.detector.weight_names import to_timm_names
from ladcli.errors import UserError

FEATURE_STRIDES = (8, 16, 32)


class Backbone(nn.Module):
    """A timm network that returns its last features at strides 8, 16 and 32.

    Args:
        name: a timm model that offers ``features_only``.
        checkpoint_gradients: recompute activations in the backward pass.

    Raises:
        UserError: timm does not know the name, or the network has no such features.
    """

    def __init__(self, name: str, *, checkpoint_gradients: bool = False) -> None:
        super().__init__()
        self.net: Any = _create(name)  # of timm's own class, which has no type hints
        self.channels: tuple[int, ...] = tuple(self.net.feature_info.channels())
        self.name = name
        self.frozen_batchnorm = False
        if checkpoint_gradients:
            _enable_checkpointing(self.net, name)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Three maps [B, channels, h, w] at strides 8, 16 and 32 of images [B, 3, H, W]."""
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


def load_backbone_weights(backbone: Backbone, source: str) -> None:
    """Fill ``backbone`` with pretrained weights.

    Args:
        source: a ``.safetensors`` or ``.pth`` file in timm's names (or, for EfficientNet-Lite, in
            those of its PyTorch port), or ``timm`` to ask timm's hub.

    Raises:
        UserError: the file is missing, unreadable or belongs to another network, or the hub
            cannot be reached.
    """
    state = _hub_weights(backbone.name) if source == "timm" else _read_weights(Path(source))
    own = backbone.net.state_dict()
    state = to_timm_names(state, own, backbone.name, source)
    renamed = {_feature_name(key, own): value for key, value in state.items()}
    missing = [k for k in own if k not in renamed and not k.endswith("num_batches_tracked")]
    if missing:
        raise UserError(
            f"{source}: holds no {missing[0]!r} (and {len(missing) - 1} more); these are not "
            f"weights of {backbone.name}, name the network they were made for in model.backbone"
        )
    for key, value in own.items():
        if key in renamed and renamed[key].shape != value.shape:
            raise UserError(
                f"{source}: {key} is {list(renamed[key].shape)}, but {backbone.name} needs "
                f"{list(value.shape)}; these are weights of another network"
            )
    backbone.net.load_state_dict({k: v for k, v in renamed.items() if k in own}, strict=False)


@torch.no_grad()
def check_any_size(backbone: Backbone) -> None:
    """Refuse a network that is built for one input size, by one pass over a small canvas.

    Raises:
        UserError: the pass fails.
    """
    training = backbone.training
    try:
        backbone.eval()(torch.zeros(1, 3, 64, 96))
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"model.backbone {backbone.name!r} does not take images of any size ({reason}); choose "
            "a convolutional network, such as resnet50"
        ) from error
    finally:
        backbone.train(training)


def pixel_statistics(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per RGB channel (pixels in 0..1) that ``name`` was trained on."""
    config = timm.get_pretrained_cfg(name)
    if config is None:
        return (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return tuple(config.mean), tuple(config.std)


def _create(name: str) -> Any:
    _check_name(name)
    try:
        info: Any = timm.create_model(name, features_only=True).feature_info
        return timm.create_model(
            name, features_only=True, out_indices=_last_of_each_stride(info, name)
        )
    except UserError:
        raise
    except (RuntimeError, AttributeError, AssertionError, TypeError, ValueError) as error:
        raise UserError(
            f"model.backbone {name!r} cannot return feature maps ({error}); choose a timm model "
            "that offers features_only, such as resnet50"
        ) from error


def _check_name(name: str) -> None:
    if timm.is_model(name):
        return
    close = difflib.get_close_matches(name, timm.list_models(), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "; timm.list_models() names them all"
    raise UserError(f"model.backbone {name!r} is no model that timm knows{hint}")


def _last_of_each_stride(info: FeatureInfo, name: str) -> tuple[int, ...]:
    reductions: Sequence[int] = info.reduction()
    last = {stride: index for index, stride in zip(info.out_indices, reductions, strict=True)}
    absent = [stride for stride in FEATURE_STRIDES if stride not in last]
    if absent:
        raise UserError(
            f"model.backbone {name!r} has no features at stride {absent[0]} (it has "
            f"{sorted(last)}); choose a network with strides 8, 16 and 32"
        )
    return tuple(last[stride] for stride in FEATURE_STRIDES)


def _parameters_up_to(net: Any, stride: int) -> list[str]:
    """Names of the parameters that come before the end of the stage of ``stride``.

    Timm registers modules in the order of the forward pass.  A stage may end with a layer that has
    no parameters, such as an activation.

    Raises:
        UserError: the network hides where its stage ends.
    """
    stages = [entry for entry in net.feature_info.info if entry["reduction"] <= stride]
    if not stages or stride == 0:
        return []
    paths = _spellings(stages[-1]["module"])
    names: list[str] = []
    inside = False
    for path, module in net.named_modules():
        belongs = path in paths or path.startswith(tuple(f"{p}." for p in paths))
        if inside and not belongs:
            return names
        inside = inside or belongs
        own = (name for name, _ in module.named_parameters(recurse=False))
        names.extend(f"{path}.{name}" if path else name for name in own)
    if not inside:
        raise UserError(
            f"model.freeze_stride: this backbone does not say where its stage of stride {stride} "
            "ends; set model.freeze_stride=0"
        )
    return names


def _enable_checkpointing(net: Any, name: str) -> None:
    try:
        net.set_grad_checkpointing(True)
    except (AttributeError, AssertionError, NotImplementedError) as error:
        raise UserError(
            f"model.backbone {name!r} cannot recompute activations; "
            "set model.checkpoint_gradients to false"
        ) from error


def _feature_name(key: str, own: dict[str, Tensor]) -> str:
    """``key`` of a full network under the name that the feature extractor has for it."""
    return next((spelling for spelling in _spellings(key) if spelling in own), key)


def _spellings(name: str) -> list[str]:
    """What ``a.b.c`` of a full network may be called in one of timm's feature extractors.

    Some join nested names by "_" (``a_b.c``), others hold the network as a whole.
    """
    parts = name.split(".")
    joined = [".".join(["_".join(parts[:n]), *parts[n:]]) for n in range(1, len(parts) + 1)]
    return [f"{holder}{path}" for holder in ("", "model.", "body.") for path in joined]


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError(f"{path}: no such weights file; give model.weights a file that exists")
    remedy = "give a .safetensors or .pth file that holds tensors only"
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{path}: cannot be read as weights ({reason}); {remedy}") from error
    state = load_tensors(path, what="weights", remedy=remedy)
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not any(isinstance(v, Tensor) for v in state.values()):
        raise UserError(f"{path}: holds no table of tensors; give a file of model weights")
    return {str(k): v for k, v in state.items() if isinstance(v, Tensor)}


def _hub_weights(name: str) -> dict[str, Tensor]:
    try:
        return timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # network, hub and cache errors of several libraries
        raise UserError(
            f"timm's hub gave no weights for {name!r} ({type(error).__name__}); without a "
            "network, give --weights a .safetensors or .pth file, or leave it out to start from "
            "random weights"
        ) from error
