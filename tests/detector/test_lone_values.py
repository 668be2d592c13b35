"""Batch norm meets one value per channel without an error, and without learning from it."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from ladcli.detector.lone_values import let_batchnorm_meet_lone_values


def trained_norm(kind: type[nn.Module]) -> nn.Module:
    """A layer in training mode, with statistics of its own."""
    norm = kind(4)
    let_batchnorm_meet_lone_values(norm)
    norm.train()(3 + 2 * torch.randn(8, 4, 5, 5, generator=torch.Generator().manual_seed(0)))
    return norm


def lone(images: int = 1, side: int = 1) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(images, 4, side, side, generator=draw, requires_grad=True)


@pytest.mark.parametrize("kind", [nn.BatchNorm2d, BatchNormAct2d])
def test_a_lone_value_is_normalized_with_running_statistics(kind: type[nn.Module]) -> None:
    norm = trained_norm(kind)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        kind(4).train()(lone())
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    values = lone()
    found = norm(values)
    assert norm.training
    assert torch.equal(found, deepcopy(norm).eval()(values))
    assert all(torch.equal(v, before[k]) for k, v in norm.state_dict().items())
    found.sum().backward()
    assert values.grad is not None  # the layer still learns, and so does what lies before it
    assert norm.weight.grad is not None


@pytest.mark.parametrize(("images", "side"), [(2, 1), (1, 2)])
def test_more_values_are_normalized_among_themselves(images: int, side: int) -> None:
    norm, plain = trained_norm(nn.BatchNorm2d), nn.BatchNorm2d(4)
    plain.load_state_dict(norm.state_dict())
    values = lone(images, side)
    assert torch.equal(norm(values), plain.train()(values))
    assert torch.equal(norm.running_mean, plain.running_mean)
    assert int(norm.num_batches_tracked) == 2


def test_evaluation_mode_stays() -> None:
    norm = trained_norm(nn.BatchNorm2d).eval()
    norm(lone())
    assert not norm.training


def test_an_error_leaves_the_mode_as_it_was() -> None:
    norm = trained_norm(nn.BatchNorm2d)
    with pytest.raises(RuntimeError):
        norm(torch.zeros(1, 7, 1, 1))
    assert norm.training


def test_a_copy_does_the_same() -> None:
    copy = deepcopy(trained_norm(nn.BatchNorm2d))
    assert torch.isfinite(copy(lone())).all()
    assert copy.training
