"""Batch norm that learns, met by a single value per channel."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def let_batchnorm_meet_lone_values(net: nn.Module) -> None:
    """Make the batch-norm layers of ``net`` use their running statistics for lone values.

    A batch of one image leaves one value per channel wherever a map is pooled to 1x1 (squeeze and
    excite, split attention) or the canvas is as small as a stride.  One value has no variance, and
    torch refuses it.  The last batch of an epoch may well hold one image: leaving it out or adding
    it to another would change the plan, and with it what a cache and a resumed run rely on.  The
    running statistics are part of the network's state, so the step stays a pure function of state
    and batch.  They do not learn from such a value.
    """
    for module in net.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            module.register_forward_pre_hook(_evaluate_lone_values)
            # Called after errors too: a layer must never stay in evaluation mode.
            module.register_forward_hook(_train_again, always_call=True)


def _evaluate_lone_values(module: nn.Module, inputs: tuple[Any, ...]) -> None:
    values: Tensor = inputs[0]
    if module.training and values.numel() == values.shape[1]:
        module.training = False
        module._lone_value = True  # type: ignore[assignment]


def _train_again(module: nn.Module, _inputs: Any, _output: Any) -> None:
    if module.__dict__.pop("_lone_value", False):
        module.training = True
