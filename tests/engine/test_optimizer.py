"""Parameter groups, and the learning rate of every step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ladcli.engine.optimizer import base_lr, build_optimizer, lr_factor, set_lr
from ladcli.recipe import OptimConfig, ScheduleConfig
from tests.detector.tiny import tiny_detector

SCHEDULE = ScheduleConfig(epochs=12, decay_epochs=[8, 11], decay_factor=0.1)


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.001), (125, 0.25075), (250, 0.5005), (499, 0.998002), (500, 1.0)]
)
def test_warm_up_is_linear(step: int, expected: float) -> None:
    found = lr_factor(OptimConfig(warmup_steps=500), SCHEDULE, step=step, epoch=0)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("steps", [0, None])
def test_without_warm_up_the_first_step_is_a_whole_one(steps: int | None) -> None:
    """None means open; stages fill it in before the optimizer sees it."""
    assert lr_factor(OptimConfig(warmup_steps=steps), SCHEDULE, step=0, epoch=0) == 1


@pytest.mark.parametrize(
    ("epoch", "expected"), [(0, 1), (7, 1), (8, 0.1), (10, 0.1), (11, 0.01), (99, 0.01)]
)
def test_the_rate_falls_after_the_named_epochs(epoch: int, expected: float) -> None:
    found = lr_factor(OptimConfig(), SCHEDULE, step=10_000, epoch=epoch)
    assert found == pytest.approx(expected)


def test_a_warm_up_longer_than_the_first_decay_obeys_both() -> None:
    optim = OptimConfig(warmup_steps=100, warmup_start=0.0)
    assert lr_factor(optim, SCHEDULE, step=50, epoch=8) == pytest.approx(0.05)


def test_linear_scaling_is_by_batch_size() -> None:
    assert base_lr(OptimConfig(lr=0.01), 4) == 0.01
    assert base_lr(OptimConfig(lr=0.01, lr_batch=16), 4) == pytest.approx(0.0025)


def test_a_rate_of_its_own_is_scaled_like_any() -> None:
    assert base_lr(OptimConfig(lr=0.01), 4, own=0.3) == 0.3
    assert base_lr(OptimConfig(lr=0.01, lr_batch=16), 4, own=0.4) == pytest.approx(0.1)


def test_the_optimizer_is_sgd_as_configured() -> None:
    config = OptimConfig(lr=0.02, lr_batch=8, momentum=0.7, weight_decay=0.3)
    optimizer = build_optimizer(tiny_detector(), config, lr=base_lr(config, 4))
    assert isinstance(optimizer, torch.optim.SGD)
    (group,) = optimizer.param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.01, 0.7, 0.3)


def names_of(model: nn.Module, group: dict) -> set[str]:
    inside = {id(p) for p in group["params"]}
    return {name for name, p in model.named_parameters() if id(p) in inside}


def test_norms_biases_and_scales_can_be_left_without_decay() -> None:
    model = tiny_detector()
    config = OptimConfig(weight_decay=0.3, decay_norm_and_bias=False)
    decayed, plain = build_optimizer(model, config, lr=0.1).param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.3, 0.0)
    with_decay, without = names_of(model, decayed), names_of(model, plain)
    assert with_decay | without == {name for name, _ in model.named_parameters()}
    assert not with_decay & without
    assert {"head.cls_out.weight", "backbone.net.conv_stem.weight"} < with_decay
    assert {"head.cls_out.bias", "head.scales", "head.cls_tower.0.norm.weight"} < without
    assert {"backbone.net.bn1.weight", "backbone.net.bn1.bias"} < without


def test_frozen_parameters_have_no_optimizer_state() -> None:
    model = tiny_detector()
    model.backbone.freeze(stride=4, batchnorm_statistics=True)
    (group,) = build_optimizer(model, OptimConfig(), lr=0.1).param_groups
    free = {name for name, p in model.named_parameters() if p.requires_grad}
    assert names_of(model, group) == free
    assert "backbone.net.conv_stem.weight" not in free


def test_a_step_by_hand() -> None:
    """w = 1, gradient 2, decay 0.1 * w: two steps of momentum 0.5 at rate 0.1."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    config = OptimConfig(lr=0.1, momentum=0.5, weight_decay=0.1)
    optimizer = build_optimizer(model, config, lr=base_lr(config, 1))
    for _ in range(2):
        model.weight.grad = torch.full((1, 1), 2.0)
        optimizer.step()
    velocity = 2.1
    first = 1 - 0.1 * velocity
    velocity = 0.5 * velocity + 2 + 0.1 * first
    assert model.weight.item() == pytest.approx(first - 0.1 * velocity)


def test_the_rate_is_set_in_every_group() -> None:
    config = OptimConfig(decay_norm_and_bias=False)
    optimizer = build_optimizer(tiny_detector(), config, lr=0.1)
    set_lr(optimizer, 0.123)
    assert [group["lr"] for group in optimizer.param_groups] == [0.123, 0.123]
