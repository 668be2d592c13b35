"""The pyramid by hand, and its sizes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ladcli.detector.fpn import FeaturePyramid
from ladcli.detector.levels import DEFAULT_LAYOUT


def plain_pyramid() -> FeaturePyramid:
    """One channel, and every convolution hands on its central value."""
    pyramid = FeaturePyramid((1, 1, 1), 1)
    for module in pyramid.modules():
        if isinstance(module, nn.Conv2d):
            middle = module.kernel_size[0] // 2
            module.weight.data.zero_()[..., middle, middle] = 1
    return pyramid


def counting(height: int, width: int) -> Tensor:
    return torch.arange(height * width, dtype=torch.float32).view(1, 1, height, width)


def test_coarser_levels_are_added_to_finer_ones() -> None:
    sizes = ((8, 8), (4, 4), (2, 2))
    features = [torch.full((1, 1, *s), v) for s, v in zip(sizes, (1.0, 10.0, 100.0), strict=True)]
    levels = plain_pyramid()(features)
    assert [level.unique().tolist() for level in levels] == [[111], [110], [100], [100], [100]]


def test_upsampling_repeats_cells_and_follows_odd_sizes() -> None:
    features = [torch.zeros(1, 1, 5, 7), torch.zeros(1, 1, 3, 4), counting(2, 2)]
    levels = plain_pyramid()(features)
    assert levels[1][0, 0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3]]
    assert levels[0].shape == (1, 1, 5, 7)


def test_extra_levels_take_every_second_cell_of_the_last_output() -> None:
    """Of the output, not of the feature, and without a ReLU: negative values get through."""
    pyramid = plain_pyramid()
    nn.init.constant_(pyramid.output[2].bias, -20)
    levels = pyramid([torch.zeros(1, 1, 12, 16), torch.zeros(1, 1, 6, 8), counting(3, 4)])
    assert levels[3][0, 0].tolist() == [[-20, -18], [-12, -10]]
    assert levels[4][0, 0].tolist() == [[-20]]


@pytest.mark.parametrize("canvas_hw", [(32, 32), (96, 160), (224, 96)])
def test_sizes_are_those_of_the_anchor_levels(canvas_hw: tuple[int, int]) -> None:
    height, width = canvas_hw
    channels = (3, 5, 7)
    features = [
        torch.zeros(2, c, height // s, width // s)
        for c, s in zip(channels, (8, 16, 32), strict=True)
    ]
    levels = FeaturePyramid(channels, 4)(features)
    assert tuple(tuple(level.shape[-2:]) for level in levels) == DEFAULT_LAYOUT.level_sizes(
        canvas_hw
    )
    assert {tuple(level.shape[:2]) for level in levels} == {(2, 4)}


def test_the_number_of_features_must_fit() -> None:
    with pytest.raises(ValueError, match="shorter"):
        FeaturePyramid((1, 1, 1), 1)([torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 4, 4)])
