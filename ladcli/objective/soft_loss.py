"""Soft-label distillation (section 3.1 of the paper): the student learns the teacher's outputs."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ladcli.objective.soft_targets import SoftTargets
from ladcli.structures import ClassLogits, ClassOutput, Predictions
from ladcli.structures.boxes import pair_giou
from ladcli.structures.losses import LossTerm, LossTerms, Normalizer

SoftLoss = Literal["kl", "l1", "l2"]

#: Keeps the root in the focal weight differentiable where teacher and student agree.
_FOCAL_EPS = 1e-6


def soft_label_loss(
    student: Predictions,
    boxes: Tensor,
    soft: SoftTargets,
    *,
    loss: SoftLoss,
    gamma: float,
    cls_weight: float,
    box_weight: float,
    iou_weight: float,
) -> LossTerms:
    """Loss terms of a student against a teacher's outputs.

    With w the IoU of a selected prior with its ground truth and Z = Σ w over the batch: the class
    divergence is summed over *all* priors and classes, the divergence of the IoU branch over the
    selected priors, and the GIoU loss over the selected priors weighted by w; each is divided by
    Z.  Where nothing is selected all are zero and still connected to the graph.

    Args:
        student: [B, A, …].
        boxes: the student's boxes [B, A, 4], clipped to the image, as the teacher's were.
        soft: the teacher's outputs.
        loss: kind of divergence of classes and IoUs, see `divergence`.
        gamma: of the focal weight, at least 0.

    Returns:
        ``soft_cls``, ``soft_box`` and ``soft_iou`` (where both networks have an IoU branch).
    """
    weight = soft.weight
    difference = divergence(student.cls, soft.prob, loss=loss, gamma=gamma)
    giou_loss = torch.where(weight > 0, weight * (1 - pair_giou(boxes, soft.boxes)), 0.0)
    losses = {
        "soft_cls": LossTerm(cls_weight * difference.sum(), "soft"),
        "soft_box": LossTerm(box_weight * giou_loss.sum(), "soft"),
    }
    if student.iou_logits is not None and soft.iou is not None:
        iou = divergence(ClassLogits(student.iou_logits), soft.iou, loss=loss, gamma=gamma)
        iou_sum = torch.where(weight > 0, iou, 0.0).sum()
        losses["soft_iou"] = LossTerm(iou_weight * iou_sum, "soft")
    return LossTerms(losses, {"soft": Normalizer(weight.sum())})


def divergence(student: ClassOutput, target: Tensor, *, loss: SoftLoss, gamma: float) -> Tensor:
    """How far Bernoulli outputs are from soft targets, element by element.

    ``kl`` (equation 1) is KL(t ‖ s) · |t - s|^γ, with the gradient through the weight too; ``l1``
    is |t - s| and ``l2`` its square.

    Args:
        student: outputs [...].
        target: probabilities [...].
    """
    if loss == "l1":
        return (student.prob() - target).abs()
    if loss == "l2":
        return (student.prob() - target).square()
    student, target = student.facing(target)
    negative_entropy = torch.special.xlogy(target, target) + torch.special.xlogy(
        1 - target, 1 - target
    )
    cross_entropy = target * student.log_prob() + (1 - target) * student.log_not_prob()
    focal = ((target - student.prob()).square() + _FOCAL_EPS).pow(gamma / 2)
    return (negative_entropy - cross_entropy) * focal
