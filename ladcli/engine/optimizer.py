"""SGD with the paper's schedule: linear warm-up, then a fall after given epochs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ladcli.recipe.schema import OptimConfig, ScheduleConfig


def build_optimizer(model: nn.Module, config: OptimConfig, *, lr: float) -> torch.optim.SGD:
    """SGD over everything that trains.

    Args:
        model: parameters that need no gradient are left out.
        config: momentum and weight decay.
        lr: learning rate after warm-up.
    """
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            # Weights of convolutions and linear layers have two axes or more; norms and biases one.
            is_weight = parameter.ndim > 1
            (decayed if is_weight or config.decay_norm_and_bias else plain).append(parameter)
    groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": config.weight_decay}]
    if plain:
        groups.append({"params": plain, "weight_decay": 0.0})
    return torch.optim.SGD(groups, lr=lr, momentum=config.momentum)


def base_lr(config: OptimConfig, batch_size: int, *, own: float | None = None) -> float:
    """The learning rate after warm-up, scaled linearly where ``optim.lr_batch`` asks for it.

    Args:
        own: a network's own rate, instead of ``optim.lr``.
    """
    lr = config.lr if own is None else own
    return lr * batch_size / config.lr_batch if config.lr_batch else lr


def lr_factor(optim: OptimConfig, schedule: ScheduleConfig, *, step: int, epoch: int) -> float:
    """Share of the base learning rate for one step.

    Args:
        step: optimizer steps made before this one, over the whole run.
        epoch: epochs finished before this one.
    """
    factor = decayed(schedule, epoch)
    warmup = optim.warmup_steps or 0
    if step < warmup:
        progress = step / warmup
        factor *= optim.warmup_start + (1 - optim.warmup_start) * progress
    return factor


def decayed(schedule: ScheduleConfig, epoch: int) -> float:
    """Share of the learning rate that is left in an epoch, counted from 0, after the falls."""
    falls = sum(epoch >= decay for decay in schedule.decay_epochs)
    return schedule.decay_factor**falls


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every parameter group the same learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr
