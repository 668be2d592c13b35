"""Soft-label losses: by hand, by finite differences, and with branches missing."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from ladcli.detector.anchors import anchor_grid
from ladcli.objective.soft_loss import SoftLoss, divergence
from ladcli.objective.soft_targets import SoftTargets
from ladcli.structures import Batch, ClassLogits, ClassProbs, Predictions
from ladcli.structures.boxes import decode_boxes, pair_giou
from tests.objective.opinions import random_batch, random_opinion, random_predictions, soft_losses

LN3 = math.log(3)
KINDS: list[tuple[SoftLoss, float]] = [
    ("kl", 0.0),
    ("kl", 0.5),
    ("kl", 2.0),
    ("l1", 0.5),
    ("l2", 0.5),
]
each_kind = pytest.mark.parametrize(("loss", "gamma"), KINDS)


def wanted(batch: Batch, seed: int = 1, *, probs: bool = False, iou: bool = True) -> SoftTargets:
    """What a random teacher makes of a batch."""
    teacher = random_opinion(seed, batch, probs=probs, iou_branch=iou)
    return teacher.soft_targets(select="pred", min_iou=0.5)


def test_divergence_by_hand() -> None:
    """Probability 1/4 against 3/4: they are 1/2 apart, and KL is 3/4 ln 3 - 1/4 ln 3."""
    student, target = ClassLogits(torch.tensor([-LN3])), torch.tensor([0.75])
    found = {
        (loss, gamma): divergence(student, target, loss=loss, gamma=gamma).item()
        for loss, gamma in KINDS
    }
    assert found["kl", 0.0] == pytest.approx(LN3 / 2)
    assert found["kl", 0.5] == pytest.approx(LN3 / 2 * 0.5**0.5, rel=1e-5)
    assert found["kl", 2.0] == pytest.approx(LN3 / 2 * 0.25, rel=1e-5)
    assert found["l1", 0.5] == pytest.approx(0.5)
    assert found["l2", 0.5] == pytest.approx(0.25)


def test_hard_targets_leave_cross_entropy() -> None:
    student, target = ClassLogits(torch.tensor([-LN3, -LN3])), torch.tensor([0.0, 1.0])
    found = divergence(student, target, loss="kl", gamma=0.0)
    assert found.tolist() == pytest.approx([math.log(4 / 3), math.log(4)])


@each_kind
def test_the_same_outputs_have_no_divergence(loss: SoftLoss, gamma: float) -> None:
    raw = torch.randn(50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for student in (ClassLogits(raw), ClassProbs(raw.sigmoid())):
        found = divergence(student, raw.sigmoid(), loss=loss, gamma=gamma)
        torch.testing.assert_close(found, torch.zeros_like(raw))


@each_kind
def test_divergence_of_both_forms_agrees(loss: SoftLoss, gamma: float) -> None:
    draw = torch.Generator().manual_seed(1)
    raw, target = torch.randn(2, 4, 50, 3, generator=draw).unbind()
    target = target.sigmoid()
    as_logits = divergence(ClassLogits(raw), target, loss=loss, gamma=gamma)
    as_probs = divergence(ClassProbs(raw.sigmoid()), target, loss=loss, gamma=gamma)
    torch.testing.assert_close(as_probs, as_logits, rtol=1e-4, atol=1e-6)
    assert as_logits.shape == raw.shape
    assert (as_logits > 0).all()


@each_kind
@pytest.mark.parametrize("form", [ClassLogits, ClassProbs])
def test_gradients_of_divergence(form: type, loss: SoftLoss, gamma: float) -> None:
    """By finite differences; probabilities stay away from the bounds, which cut slopes off."""
    draw = torch.Generator().manual_seed(2)
    raw, target = torch.rand(2, 4, 3, generator=draw, dtype=torch.float64) * 0.96 + 0.02
    leaf = (raw.logit() if form is ClassLogits else raw).requires_grad_()
    function = partial(divergence, target=target, loss=loss, gamma=gamma)
    assert torch.autograd.gradcheck(lambda t: function(form(t)), leaf)


@each_kind
def test_extreme_outputs_have_finite_losses_and_gradients(loss: SoftLoss, gamma: float) -> None:
    edges = torch.tensor([0.0, 1e-30, 0.5, 1 - 2**-24, 1.0])
    target = edges.repeat(5)
    for student, leaf in (
        (ClassProbs, edges.repeat_interleave(5)),
        (ClassLogits, torch.tensor([-200.0, -60.0, 0.0, 60.0, 200.0]).repeat_interleave(5)),
    ):
        leaf.requires_grad_()
        found = divergence(student(leaf), target, loss=loss, gamma=gamma)
        assert found.isfinite().all()
        found.sum().backward()
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()


def slow_losses(
    student: Predictions, soft: SoftTargets, batch: Batch, *, loss: SoftLoss, gamma: float
) -> dict[str, float]:
    """Sums anchor by anchor, with the weights of the paper."""
    boxes = decode_boxes(anchor_grid(batch.canvas_hw).anchors, student.box_deltas, batch.content_hw)
    total = {"soft_cls": 0.0, "soft_box": 0.0, "soft_iou": 0.0}
    cls = divergence(student.cls, soft.prob, loss=loss, gamma=gamma)
    iou = divergence(ClassLogits(student.iou_logits), soft.iou, loss=loss, gamma=gamma)
    for image, per_anchor in enumerate(soft.weight.tolist()):
        for anchor, weight in enumerate(per_anchor):
            total["soft_cls"] += cls[image, anchor].sum().item()
            if weight > 0:
                giou = pair_giou(boxes[image, anchor], soft.boxes[image, anchor]).item()
                total["soft_box"] += weight * (1 - giou)
                total["soft_iou"] += iou[image, anchor].item()
    normalizer = soft.weight.sum().item()
    weights = {"soft_cls": 10.0, "soft_box": 1.3, "soft_iou": 10.0}
    return {name: weights[name] * value / normalizer for name, value in total.items()}


@each_kind
def test_losses_equal_a_slow_loop(loss: SoftLoss, gamma: float) -> None:
    batch = random_batch(3)
    soft, student = wanted(batch), random_predictions(4, batch)
    assert 0 < (soft.weight > 0).sum() < soft.weight.numel()
    found = soft_losses(student, soft, batch, loss=loss, gamma=gamma)
    expected = slow_losses(student, soft, batch, loss=loss, gamma=gamma)
    assert {k: v.item() for k, v in found.items()} == pytest.approx(expected, rel=1e-4)
    assert all(v.shape == () and v.dtype is torch.float32 for v in found.values())


def test_kl_with_half_gamma_is_the_default() -> None:
    batch = random_batch(3)
    soft, student = wanted(batch), random_predictions(4, batch)
    plain, named = soft_losses(student, soft, batch), soft_losses(student, soft, batch, loss="kl")
    other = soft_losses(student, soft, batch, loss="kl", gamma=0.5)
    assert plain == named == other


def test_weights_scale_their_terms() -> None:
    batch = random_batch(5)
    soft, student = wanted(batch), random_predictions(6, batch)
    plain = soft_losses(student, soft, batch, cls_weight=1.0, box_weight=1.0, iou_weight=1.0)
    scaled = soft_losses(student, soft, batch, cls_weight=2.0, box_weight=3.0, iou_weight=0.0)
    assert scaled["soft_cls"].item() == pytest.approx(2 * plain["soft_cls"].item())
    assert scaled["soft_box"].item() == pytest.approx(3 * plain["soft_box"].item())
    assert scaled["soft_iou"].item() == 0


def test_the_class_loss_runs_over_the_padding_and_images_without_boxes() -> None:
    batch = random_batch(7)
    soft, student = wanted(batch), random_predictions(8, batch)
    valid = anchor_grid(batch.canvas_hw).valid(batch.valid_hw)
    student.cls.raw.requires_grad_()
    soft_losses(student, soft, batch)["soft_cls"].backward()
    assert student.cls.raw.grad is not None
    assert not valid.all()
    assert student.cls.raw.grad[~valid].abs().amin() > 0
    assert student.cls.raw.grad[1].abs().amin() > 0  # the image without boxes


def test_boxes_and_ious_are_learned_where_selected_alone() -> None:
    batch = random_batch(9)
    soft, student = wanted(batch), random_predictions(10, batch).map(Tensor.requires_grad_)
    losses = soft_losses(student, soft, batch)
    (losses["soft_box"] + losses["soft_iou"]).backward()
    selected = soft.weight > 0
    assert torch.equal(student.iou_logits.grad != 0, selected)
    moved = student.box_deltas.grad.abs().sum(dim=2) > 0
    assert not (moved & ~selected).any()
    # Boxes that reach over the whole image are clipped on all sides and have no slope.
    assert (moved & selected).sum() > 0.5 * selected.sum()


def test_targets_that_are_not_selected_do_not_matter() -> None:
    batch = random_batch(11)
    soft, student = wanted(batch), random_predictions(12, batch)
    selected = soft.weight > 0
    garbage = replace(
        soft,
        boxes=torch.where(selected.unsqueeze(2), soft.boxes, 0.0),
        iou=torch.where(selected, soft.iou, 1.0),
    )
    assert soft_losses(student, garbage, batch) == soft_losses(student, soft, batch)


@each_kind
@pytest.mark.parametrize("probs", [True, False])
def test_gradients_of_the_whole_loss(loss: SoftLoss, gamma: float, *, probs: bool) -> None:
    """By finite differences, for every output of a few anchors in double precision."""
    batch = random_batch(13, boxes_per_image=(3,))
    soft = wanted(batch)
    student = random_predictions(14, batch, probs=probs).map(Tensor.double)
    chosen = soft.weight[0].topk(3).indices
    assert (soft.weight[0, chosen] > 0).all()

    def total(cls: Tensor, deltas: Tensor, iou: Tensor) -> Tensor:
        replaced = replace(
            student,
            cls=replace(student.cls, raw=student.cls.raw.index_copy(1, chosen, cls)),
            box_deltas=student.box_deltas.index_copy(1, chosen, deltas),
            iou_logits=student.iou_logits.index_copy(1, chosen, iou),
        )
        losses = soft_losses(replaced, soft, batch, loss=loss, gamma=gamma)
        assert all(value.dtype is torch.float64 for value in losses.values())
        return torch.stack(list(losses.values()))

    tensors = (student.cls.raw, student.box_deltas, student.iou_logits)
    leaves = [t[:, chosen].clone().requires_grad_() for t in tensors]
    assert torch.autograd.gradcheck(total, leaves)


@each_kind
@pytest.mark.parametrize("boxes_per_image", [(0, 0), (2, 1)], ids=str)
@pytest.mark.parametrize("probs", [True, False])
def test_nothing_selected_gives_zeros_that_are_connected(
    loss: SoftLoss, gamma: float, boxes_per_image: tuple[int, ...], *, probs: bool
) -> None:
    batch = random_batch(15, boxes_per_image=boxes_per_image)
    soft = wanted(batch)
    soft = replace(soft, weight=torch.zeros_like(soft.weight))
    student = random_predictions(16, batch, probs=probs).map(Tensor.requires_grad_)
    losses = soft_losses(student, soft, batch, loss=loss, gamma=gamma)
    assert {k: v.item() for k, v in losses.items()} == {
        "soft_cls": 0,
        "soft_box": 0,
        "soft_iou": 0,
    }
    sum(losses.values()).backward()
    for leaf in (student.cls.raw, student.box_deltas, student.iou_logits):
        assert leaf.grad is not None
        assert (leaf.grad == 0).all()


@pytest.mark.parametrize(("teachers", "students"), [(False, True), (True, False), (False, False)])
def test_both_networks_need_an_iou_branch_to_learn_it(*, teachers: bool, students: bool) -> None:
    batch = random_batch(17)
    found = soft_losses(
        random_predictions(18, batch, iou_branch=students), wanted(batch, iou=teachers), batch
    )
    assert set(found) == {"soft_cls", "soft_box"}
    full = soft_losses(random_predictions(18, batch), wanted(batch), batch)
    assert set(full) == {"soft_cls", "soft_box", "soft_iou"}
    assert all(found[name] == full[name] for name in found)


@pytest.mark.parametrize("students", [True, False])
def test_networks_with_and_without_objectness_may_teach_each_other(*, students: bool) -> None:
    """One has logits, the other probabilities."""
    batch = random_batch(19)
    student = random_predictions(20, batch, probs=students).map(Tensor.requires_grad_)
    losses = soft_losses(student, wanted(batch, probs=not students), batch)
    sum(losses.values()).backward()
    assert all(value > 0 for value in losses.values())
    assert student.cls.raw.grad.isfinite().all()


def test_half_precision_outputs_are_read_in_single() -> None:
    batch = random_batch(21)
    soft, half = wanted(batch), random_predictions(22, batch).map(Tensor.bfloat16)
    found, expected = (
        soft_losses(half, soft, batch),
        soft_losses(half.map(Tensor.float), soft, batch),
    )
    assert found == expected
    assert all(value.dtype is torch.float32 for value in found.values())
