"""Objectness inside class probabilities: by hand, against a loop, and with extreme logits."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from ladcli.detector.objectness import conditional_objectness
from ladcli.structures import ClassProbs
from ladcli.structures.focal import focal_loss


def logits(channels: int, seed: int, hw: tuple[int, int] = (4, 5)) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(2, channels, *hw, generator=draw)


def slow_loop(cls_logits: Tensor, objectness_logits: Tensor) -> Tensor:
    """Equation 4 cell by cell; what lies outside the map has probability 1/2."""
    images, classes, height, width = cls_logits.shape
    kernel = math.isqrt(objectness_logits.shape[1])
    prob, objectness = cls_logits.double().sigmoid(), objectness_logits.double().sigmoid()
    found = torch.zeros_like(prob)
    cells = itertools.product(range(images), range(classes), range(height), range(width))
    for b, c, y, x in cells:
        for dy, dx in itertools.product(range(kernel), repeat=2):
            row, col = y + dy - kernel // 2, x + dx - kernel // 2
            inside = 0 <= row < height and 0 <= col < width
            neighbor = prob[b, c, row, col] if inside else 0.5
            found[b, c, y, x] += objectness[b, dy * kernel + dx, y, x] * neighbor / kernel**2
    return found


def test_two_by_two_cells_by_hand() -> None:
    """Every cell has four neighbors inside, itself among them, and five outside."""
    prob = torch.tensor([[0.1, 0.2], [0.3, 0.4]]).view(1, 1, 2, 2)
    even = torch.zeros(1, 9, 2, 2)  # objectness 1/2 everywhere
    found = conditional_objectness(prob.logit(), even)
    torch.testing.assert_close(found, torch.full((1, 1, 2, 2), (1.0 + 5 * 0.5) / 2 / 9))
    # Now each cell looks at its right neighbor alone, channel 1 * 3 + 2.
    right = torch.full((1, 9, 2, 2), -200.0)
    right[:, 5] = 200.0
    found = conditional_objectness(prob.logit(), right)
    expected = torch.tensor([[0.2, 0.5], [0.4, 0.5]]).view(1, 1, 2, 2) / 9
    torch.testing.assert_close(found, expected)
    # And at the one above, channel 0 * 3 + 1.
    found = conditional_objectness(prob.logit(), right.roll(-4, dims=1))
    expected = torch.tensor([[0.5, 0.5], [0.1, 0.2]]).view(1, 1, 2, 2) / 9
    torch.testing.assert_close(found, expected)


def test_one_objectness_is_a_product() -> None:
    """IOP: a kernel of one cell has no neighbors and no border."""
    cls_logits, objectness_logits = logits(3, 0), logits(1, 1)
    found = conditional_objectness(cls_logits, objectness_logits)
    torch.testing.assert_close(found, cls_logits.sigmoid() * objectness_logits.sigmoid())


@pytest.mark.parametrize("hw", [(4, 5), (1, 1), (1, 3)], ids=str)
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_equals_a_slow_loop(kernel: int, hw: tuple[int, int]) -> None:
    cls_logits, objectness_logits = logits(2, 2, hw), logits(kernel**2, 3, hw)
    found = conditional_objectness(cls_logits, objectness_logits)
    assert found.dtype is torch.float32
    expected = slow_loop(cls_logits, objectness_logits)
    torch.testing.assert_close(found, expected.float())


@pytest.mark.parametrize("kernel", [1, 3])
def test_gradients(kernel: int) -> None:
    leaves = [
        t.double().requires_grad_() for t in (logits(2, 4, (2, 3)), logits(kernel**2, 5, (2, 3)))
    ]
    assert conditional_objectness(*leaves).dtype is torch.float64
    assert torch.autograd.gradcheck(conditional_objectness, leaves)


def extreme(channels: int, seed: int, dtype: torch.dtype) -> Tensor:
    """Logits of 60, -60 and 0 in turn, so that every pair of them meets somewhere."""
    draw = torch.Generator().manual_seed(seed)
    values = torch.tensor([-60.0, 0.0, 60.0])[torch.randint(3, (2, channels, 6, 6), generator=draw)]
    return values.to(dtype).requires_grad_()


def loss_of(prob: Tensor) -> Tensor:
    """Focal loss of the anchors of a map; every third is a positive of class 0."""
    cls = ClassProbs(prob.flatten(2).transpose(1, 2))
    positive = (torch.arange(36) % 3 == 0).expand(len(prob), 36)
    labels = torch.zeros_like(positive, dtype=torch.int64)
    return focal_loss(cls, labels, positive, alpha=0.25, gamma=2.0).sum()


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_extreme_logits_have_finite_losses_and_gradients(
    dtype: torch.dtype, kernel: int, *, autocast: bool
) -> None:
    leaves = extreme(2, 0, dtype), extreme(kernel**2, 1, dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        prob = conditional_objectness(*leaves)
        loss = loss_of(prob)
    assert prob.dtype is loss.dtype is torch.float32
    assert ((prob >= 0) & (prob <= 1)).all()
    assert loss.isfinite()
    loss.backward()
    for leaf in leaves:
        assert leaf.grad is not None
        assert leaf.grad.dtype is dtype
        assert leaf.grad.isfinite().all()
        assert leaf.grad.any()


@pytest.mark.parametrize("sign", [-60.0, 60.0])
@pytest.mark.parametrize("kernel", [1, 3])
def test_probabilities_of_exactly_zero_and_one(kernel: int, sign: float) -> None:
    leaves = [torch.full((1, c, 3, 3), sign, requires_grad=True) for c in (2, kernel**2)]
    prob = conditional_objectness(*leaves)
    assert prob[0, 0, 1, 1].item() == (1.0 if sign > 0 else 0.0)
    positive = torch.tensor([[True] * 5 + [False] * 4])
    cls = ClassProbs(prob.flatten(2).transpose(1, 2))
    labels = torch.zeros_like(positive, dtype=torch.int64)
    focal_loss(cls, labels, positive, alpha=0.25, gamma=2.0).sum().backward()
    assert all(leaf.grad.isfinite().all() for leaf in leaves)


def test_half_precision_is_read_in_single() -> None:
    """A product of two small sigmoids underflows in half precision."""
    small = torch.full((1, 1, 2, 2), -9.0)
    expected = small.sigmoid().square()
    for dtype in (torch.float16, torch.bfloat16):
        found = conditional_objectness(small.to(dtype), small.to(dtype))
        torch.testing.assert_close(found, expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(conditional_objectness(small, small), expected)
