"""Focal losses by hand, and against their textbook forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ladcli.structures import ClassLogits, ClassProbs
from ladcli.structures.focal import focal_loss, quality_focal_loss


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


def quality() -> Tensor:
    return torch.rand(3, 7, generator=torch.Generator().manual_seed(3))


def soft(cls: ClassLogits | ClassProbs, q: Tensor, *, alpha: float, gamma: float) -> Tensor:
    return quality_focal_loss(cls, labels(), positive(), q, alpha=alpha, gamma=gamma)


def slow_quality(alpha: float, gamma: float) -> list[float]:
    """Class by class: a positive's own is |q - p|^gamma BCE(p, q), all others are negatives."""
    rows = zip(
        logits().double().flatten(0, 1).tolist(),
        labels().flatten().tolist(),
        positive().flatten().tolist(),
        quality().double().flatten().tolist(),
        strict=True,
    )
    found = []
    for raw, label, hit, q in rows:
        total = 0.0
        for number, logit in enumerate(raw):
            p = 1 / (1 + math.exp(-logit))
            if hit and number == label:
                entropy = -(q * math.log(p) + (1 - q) * math.log(1 - p))
                total += abs(q - p) ** gamma * entropy
            else:
                total += (1 - alpha) * p**gamma * -math.log(1 - p)
        found.append(total)
    return found


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.5, 0.0), (0.9, 1.5), (0.0, 2.0)])
def test_soft_targets_equal_the_slow_loop(alpha: float, gamma: float) -> None:
    expected = slow_quality(alpha, gamma)
    for cls in (ClassLogits(logits()), ClassProbs(logits().sigmoid())):
        found = soft(cls, quality(), alpha=alpha, gamma=gamma)
        assert found.shape == (3, 7)
        assert found.dtype is torch.float32
        assert found.flatten().tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_a_soft_target_by_hand() -> None:
    """p = 3/4 for the own class and 1/2 for the other; q = 1/4."""
    cls = ClassLogits(torch.tensor([[math.log(3), 0.0]] * 2))
    own, hit = torch.tensor([0, 0]), torch.tensor([True, False])
    found = quality_focal_loss(cls, own, hit, torch.tensor([0.25] * 2), alpha=0.25, gamma=2.0)
    entropy = -(math.log(3 / 4) + 3 * math.log(1 / 4)) / 4
    as_negative = 0.75 * (3 / 4) ** 2 * math.log(4)
    rest = 0.75 * (1 / 2) ** 2 * math.log(2)
    assert found.tolist() == pytest.approx([entropy / 4 + rest, as_negative + rest])


def test_a_quality_of_one_is_a_positive_without_alpha() -> None:
    """No positive of `focal_loss`: α weighs its negatives alone."""
    ones = torch.ones(3, 7)
    found = soft(ClassLogits(logits()), ones, alpha=0.25, gamma=2.0)
    own = logits().gather(-1, labels().unsqueeze(-1)).squeeze(-1)
    p = own.sigmoid()
    as_positive = (1 - p) ** 2 * F.binary_cross_entropy_with_logits(own, ones, reduction="none")
    hard = focal_loss(ClassLogits(logits()), labels(), positive(), alpha=0.25, gamma=2.0)
    expected = hard + torch.where(positive(), 0.75 * as_positive, 0.0)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert (found - hard)[positive()].max() > 0.1


def test_a_quality_of_zero_is_a_negative_without_its_weight() -> None:
    zeros = torch.zeros(3, 7)
    found = soft(ClassLogits(logits()), zeros, alpha=0.0, gamma=2.0)
    none = torch.zeros(3, 7, dtype=torch.bool)
    expected = focal_loss(ClassLogits(logits()), labels(), none, alpha=0.0, gamma=2.0)
    torch.testing.assert_close(found, expected)


def test_a_right_soft_output_costs_nothing_of_its_own() -> None:
    """Where p = q, the loss has its minimum, 0, with a slope of 0."""
    raw = torch.tensor([[0.3], [-2.0]], requires_grad=True)
    q = raw.detach().sigmoid().squeeze(1)
    hit = torch.ones(2, dtype=torch.bool)
    zero = torch.zeros(2, dtype=torch.int64)
    found = quality_focal_loss(ClassLogits(raw), zero, hit, q, alpha=0.25, gamma=2.0)
    assert found.tolist() == pytest.approx([0, 0], abs=1e-9)
    found.sum().backward()
    assert raw.grad is not None
    assert raw.grad.flatten().tolist() == pytest.approx([0, 0], abs=1e-6)


def test_negatives_are_those_of_the_focal_loss_whatever_their_quality() -> None:
    expected = focal_loss(ClassLogits(logits()), labels(), positive(), alpha=0.25, gamma=2.0)
    for garbage in (0.0, 1.0, -7.0, 1e6):
        q = torch.where(positive(), quality(), garbage)
        found = soft(ClassLogits(logits()), q, alpha=0.25, gamma=2.0)
        assert torch.equal(found[~positive()], expected[~positive()])


def test_soft_gradients_equal_the_textbook() -> None:
    mine, theirs = logits().requires_grad_(), logits().requires_grad_()
    soft(ClassLogits(mine), quality(), alpha=0.25, gamma=2.0).sum().backward()
    own = F.one_hot(labels(), 4).bool() & positive().unsqueeze(-1)
    target = torch.where(own, quality().unsqueeze(-1), 0.0)
    weight = torch.where(own, 1.0, 0.75)
    entropy = F.binary_cross_entropy_with_logits(theirs, target, reduction="none")
    (weight * (target - theirs.sigmoid()).abs() ** 2 * entropy).sum().backward()
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-6)


def test_certain_outputs_facing_soft_targets_stay_finite() -> None:
    for form, values in ((ClassLogits, [200.0, -200.0]), (ClassProbs, [1.0, 0.0])):
        raw = torch.tensor(values).repeat(3).unsqueeze(1).requires_grad_()
        q = torch.tensor([0.0, 0.0, 0.5, 0.5, 1.0, 1.0])
        hit, label = torch.ones(6, dtype=torch.bool), torch.zeros(6, dtype=torch.int64)
        found = quality_focal_loss(form(raw), label, hit, q, alpha=0.25, gamma=2.0)
        assert found.isfinite().all()
        assert found.tolist()[1] == found.tolist()[4] == 0
        found.sum().backward()
        assert raw.grad is not None
        assert raw.grad.isfinite().all()


def test_half_precision_facing_soft_targets_is_computed_in_single() -> None:
    raw = logits().bfloat16()
    found = soft(ClassLogits(raw), quality(), alpha=0.25, gamma=2.0)
    assert found.dtype is torch.float32
    assert torch.equal(found, soft(ClassLogits(raw.float()), quality(), alpha=0.25, gamma=2.0))
