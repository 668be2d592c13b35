"""Focal loss by hand, and against its textbook form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ladcli.structures import ClassLogits, ClassProbs
from ladcli.structures.focal import focal_loss


def logits() -> Tensor:
    return 2 * torch.randn(3, 7, 4, generator=torch.Generator().manual_seed(0))


def labels() -> Tensor:
    return torch.randint(4, (3, 7), generator=torch.Generator().manual_seed(1))


def positive() -> Tensor:
    return torch.rand(3, 7, generator=torch.Generator().manual_seed(2)) < 0.5


def textbook(raw: Tensor, label: Tensor, positive: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """Weighted cross-entropy against a one-hot target, class by class."""
    target = F.one_hot(label, raw.shape[-1]) * positive.unsqueeze(-1)
    prob = raw.sigmoid()
    right = torch.where(target == 1, prob, 1 - prob)
    weight = torch.where(target == 1, alpha, 1 - alpha)
    entropy = F.binary_cross_entropy_with_logits(raw, target.float(), reduction="none")
    return (weight * (1 - right) ** gamma * entropy).sum(-1)


def test_two_classes_by_hand() -> None:
    """p = 3/4 for the own class and 1/2 for the other; alpha 1/4, gamma 2."""
    cls = ClassLogits(torch.tensor([[math.log(3), 0.0]] * 2))
    own, other = torch.tensor([0, 0]), torch.tensor([True, False])
    found = focal_loss(cls, own, other, alpha=0.25, gamma=2.0)
    as_positive = 0.25 * (1 / 4) ** 2 * math.log(4 / 3)
    as_negative = 0.75 * (3 / 4) ** 2 * math.log(4)
    rest = 0.75 * (1 / 2) ** 2 * math.log(2)
    assert found.tolist() == pytest.approx([as_positive + rest, as_negative + rest])


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.5, 0.0), (0.9, 1.5), (1.0, 2.0)])
def test_both_forms_equal_the_textbook(alpha: float, gamma: float) -> None:
    expected = textbook(logits(), labels(), positive(), alpha=alpha, gamma=gamma)
    for cls in (ClassLogits(logits()), ClassProbs(logits().sigmoid())):
        found = focal_loss(cls, labels(), positive(), alpha=alpha, gamma=gamma)
        assert found.shape == (3, 7)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_gradients_equal_the_textbook() -> None:
    mine, theirs = logits().requires_grad_(), logits().requires_grad_()
    focal_loss(ClassLogits(mine), labels(), positive(), alpha=0.25, gamma=2.0).sum().backward()
    textbook(theirs, labels(), positive(), alpha=0.25, gamma=2.0).sum().backward()
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-6)


def test_the_label_of_a_negative_does_not_matter() -> None:
    none = torch.zeros(3, 7, dtype=torch.bool)
    one = focal_loss(ClassLogits(logits()), labels(), none, alpha=0.25, gamma=2.0)
    other = focal_loss(ClassLogits(logits()), (labels() + 1) % 4, none, alpha=0.25, gamma=2.0)
    torch.testing.assert_close(one, other)


def test_certain_outputs_stay_finite() -> None:
    """Right costs nothing, wrong costs its logit."""
    raw = torch.tensor([[200.0], [-200.0]], requires_grad=True)
    hit = torch.tensor([True, False])
    right = focal_loss(ClassLogits(raw), torch.tensor([0, 0]), hit, alpha=0.25, gamma=2.0)
    wrong = focal_loss(ClassLogits(raw), torch.tensor([0, 0]), ~hit, alpha=0.25, gamma=2.0)
    assert right.tolist() == [0, 0]
    assert wrong.tolist() == [0.75 * 200, 0.25 * 200]
    (right + wrong).sum().backward()
    assert torch.isfinite(raw.grad).all()


def test_half_precision_is_computed_in_single() -> None:
    raw = logits().bfloat16()
    found = focal_loss(ClassLogits(raw), labels(), positive(), alpha=0.25, gamma=2.0)
    full = focal_loss(ClassLogits(raw.float()), labels(), positive(), alpha=0.25, gamma=2.0)
    assert found.dtype is torch.float32
    assert torch.equal(found, full)
