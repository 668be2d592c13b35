"""Costs of every pair of a prior and a ground truth, without a tensor of pairs × classes.

The class loss of a pair is the loss of all classes as negatives, less that of the ground truth's
class, plus that of the class as the positive.  The first is one number per prior, the others are
gathered, so that work grows with priors × (classes + ground truths).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ladcli.structures import ClassOutput, Scene
from ladcli.structures.boxes import matrix_iou, pair_giou

#: Pairs whose geometry is computed at once, of all images together.
PAIRS_AT_ONCE = 1 << 22
#: Keeps the logarithm of an IoU finite.
MIN_IOU = 1e-7


def of_own_class(values: Tensor, scene: Scene) -> Tensor:
    """``values`` [B, A, C] of each ground truth's class, [B, G, A]."""
    labels = scene.targets.labels.unsqueeze(2).expand(-1, -1, values.shape[1])
    return values.transpose(1, 2).gather(1, labels)


@torch.no_grad()
def focal_class_cost(cls: ClassOutput, scene: Scene, *, alpha: float, gamma: float) -> Tensor:
    """Focal loss of every pair as a positive, summed over classes, [B, G, A].

    Equal to `ladcli.structures.focal.focal_loss` up to rounding.
    """
    prob = cls.prob()
    negative = prob.pow(gamma) * cls.log_not_prob()
    positive = (1 - prob).pow(gamma) * cls.log_prob()
    others = negative.sum(dim=2).unsqueeze(1) - of_own_class(negative, scene)
    return (alpha - 1) * others - alpha * of_own_class(positive, scene)


@torch.no_grad()
def entropy_class_cost(cls: ClassOutput, scene: Scene) -> Tensor:
    """Binary cross-entropy of every pair as a positive, summed over classes, [B, G, A]."""
    negative = cls.log_not_prob()
    others = negative.sum(dim=2).unsqueeze(1) - of_own_class(negative, scene)
    return -others - of_own_class(cls.log_prob(), scene)


@torch.no_grad()
def background_cost(cls: ClassOutput) -> Tensor:
    """Binary cross-entropy of every prior as background, [B, A]."""
    return -cls.log_not_prob().sum(dim=2)


@torch.no_grad()
def predicted_iou(boxes: Tensor, scene: Scene) -> Tensor:
    """IoU of the predicted boxes [B, A, 4] with every ground truth, [B, G, A]."""
    gts = scene.targets.boxes
    return _by_parts(gts, boxes, lambda part: matrix_iou(part, boxes))


@torch.no_grad()
def giou_cost(boxes: Tensor, scene: Scene) -> Tensor:
    """1 − GIoU of the predicted boxes [B, A, 4] with every ground truth, [B, G, A]."""
    gts = scene.targets.boxes
    return 1 - _by_parts(gts, boxes, lambda part: pair_giou(part.unsqueeze(2), boxes.unsqueeze(1)))


def _by_parts(gts: Tensor, boxes: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """``function`` of some ground truths [B, g, 4] at a time, put together to [B, G, A]."""
    images, num_gt = gts.shape[:2]
    at_once = max(1, PAIRS_AT_ONCE // max(1, images * boxes.shape[1]))
    parts = [function(part) for part in gts.split(at_once, dim=1)] if num_gt else []
    return torch.cat(parts, dim=1) if parts else boxes.new_zeros(images, 0, boxes.shape[1])
