"""Strided 1x1 convolutions of few channels never meet the CPU's channels-last kernel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ladcli.detector.narrow_convolutions import is_narrow, keep_narrow_inputs_channels_first
from tests.detector.tiny import tiny_detector


@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "narrow"),
    [(3, 1, 2, True), (8, 1, 2, True), (16, 1, 2, False), (3, 1, 1, False), (3, 3, 2, False)],
)
def test_narrow_are_strided_cells_of_few_channels(
    channels: int, kernel: int, stride: int, narrow: bool
) -> None:
    assert is_narrow(nn.Conv2d(channels, 32, kernel, stride)) == narrow
    assert not is_narrow(nn.Linear(3, 32))


def test_their_inputs_come_channels_first() -> None:
    net = nn.Sequential(nn.Conv2d(3, 32, 1, 2), nn.Conv2d(32, 8, 1, 2))
    keep_narrow_inputs_channels_first(net)
    layouts: list[bool] = []
    for layer in net:
        layer.register_forward_hook(
            lambda _m, inputs, _o: layouts.append(inputs[0].is_contiguous())
        )
    images = torch.randn(2, 3, 64, 96)
    expected = net(images)
    layouts.clear()
    last = images.contiguous(memory_format=torch.channels_last)
    assert not last.is_contiguous()
    assert torch.equal(net(last), expected)
    assert layouts[0]


def test_their_weights_stay_channels_first() -> None:
    detector = tiny_detector()
    narrow, wide = nn.Conv2d(3, 32, 1, 2), nn.Conv2d(32, 32, 1, 2)
    detector.backbone.stem = nn.Sequential(narrow, wide)
    before, wide_before = narrow.weight.stride(), wide.weight.stride()
    detector.use_channels_last()
    assert narrow.weight.stride() == before
    assert wide.weight.stride() != wide_before


def test_a_network_with_such_a_stem_trains_channels_last() -> None:
    detector = tiny_detector(backbone="mobileone_s1").train()
    seen: list[Tensor] = []
    stems = [module for module in detector.backbone.modules() if is_narrow(module)]
    assert stems
    for stem in stems:
        stem.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
    detector.use_channels_last()
    images = torch.randn(2, 3, 64, 96).contiguous(memory_format=torch.channels_last)
    detector(images).box_deltas.square().mean().backward()
    assert seen
    assert all(x.is_contiguous() for x in seen)
    assert all(stem.weight.grad.isfinite().all() for stem in stems)
