"""Convolutions that the CPU cannot train channels-last."""

from __future__ import annotations

from typing import Any, TypeGuard

from torch import Tensor, nn

#: From this number of input channels on, the CPU's kernel is sound.
_ENOUGH_CHANNELS = 16


def is_narrow(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether ``module`` is a strided 1x1 convolution of few channels, as in some stems.

    The gradient of such a layer, taken channels-last by oneDNN, writes beyond its memory (torch
    2.14, x86 with AVX-512), and the process ends without a word, then or later.
    """
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and module.stride != (1, 1)
        and module.in_channels < _ENOUGH_CHANNELS
    )


def keep_narrow_inputs_channels_first(net: nn.Module) -> None:
    """Lay the inputs of narrow convolutions on the CPU out channels-first, whatever comes in."""
    for module in net.modules():
        if is_narrow(module):
            module.register_forward_pre_hook(_channels_first)


def _channels_first(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
    values: Tensor = inputs[0]
    return (values.contiguous(), *inputs[1:]) if values.device.type == "cpu" else None
